"""
Tests for the enrollment profile and its signature.
"""

from __future__ import annotations

import contextlib
import plistlib
from dataclasses import replace

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import EncodingError, LimitExceeded, MessageError, UnsupportedAlgorithm
from scepd.mdm.enrollment import EnrollmentProfile, build_enrollment_profile, common_name
from scepd.mdm.enrollment_reading import parse_enrollment_profile
from scepd.mdm.profile_signing import sign_profile
from tests.support.pki import openssl, openssl_sign, openssl_verify, party, require

_HOSTILE = settings(max_examples=100, deadline=None, derandomize=True, database=None)
_PROFILE = EnrollmentProfile(
    identifier="com.example.enroll",
    uuid="A0000000-0000-4000-8000-000000000001",
    scep_uuid="A0000000-0000-4000-8000-000000000002",
    mdm_uuid="A0000000-0000-4000-8000-000000000003",
    display_name="Enrollment",
    organization="Example & Sons",
    server_url="https://mdm.example/mdm/connect",
    check_in_url="https://mdm.example/mdm/checkin",
    topic="com.apple.mgmt.External.x",
    scep_url="https://mdm.example/scep",
    challenge="secret<challenge>",
    subject=common_name("device"),
)


class BuildTests(SynchronousTestCase):
    """
    Tests for build_enrollment_profile; plistlib reads it.
    """

    def test_content(self) -> None:
        """
        The profile holds exactly the SCEP and the MDM payload that a device needs.
        """
        scep = {
            "PayloadType": "com.apple.security.scep",
            "PayloadVersion": 1,
            "PayloadIdentifier": "com.example.enroll.scep",
            "PayloadUUID": "A0000000-0000-4000-8000-000000000002",
            "PayloadDisplayName": "Device identity",
            "PayloadContent": {
                "URL": "https://mdm.example/scep",
                "Challenge": "secret<challenge>",
                "Subject": [[["CN", "device"]]],
                "Key Type": "RSA",
                "Keysize": 2048,
                "Key Usage": 5,
            },
        }
        mdm = {
            "PayloadType": "com.apple.mdm",
            "PayloadVersion": 1,
            "PayloadIdentifier": "com.example.enroll.mdm",
            "PayloadUUID": "A0000000-0000-4000-8000-000000000003",
            "PayloadDisplayName": "Device management",
            "ServerURL": "https://mdm.example/mdm/connect",
            "CheckInURL": "https://mdm.example/mdm/checkin",
            "Topic": "com.apple.mgmt.External.x",
            "IdentityCertificateUUID": "A0000000-0000-4000-8000-000000000002",
            "SignMessage": True,
            "AccessRights": 8191,
            "CheckOutWhenRemoved": True,
            "ServerCapabilities": [
                "com.apple.mdm.per-user-connections",
                "com.apple.mdm.bootstraptoken",
            ],
        }
        self.assertEqual(
            plistlib.loads(build_enrollment_profile(_PROFILE)),
            {
                "PayloadType": "Configuration",
                "PayloadVersion": 1,
                "PayloadIdentifier": "com.example.enroll",
                "PayloadUUID": "A0000000-0000-4000-8000-000000000001",
                "PayloadDisplayName": "Enrollment",
                "PayloadOrganization": "Example & Sons",
                "PayloadScope": "System",
                "PayloadContent": [scep, mdm],
            },
        )

    def test_deterministic(self) -> None:
        """
        The same input gives the same bytes, and a renewal changes the challenge alone.
        """
        first = build_enrollment_profile(_PROFILE)
        self.assertEqual(build_enrollment_profile(_PROFILE), first)
        renewal = build_enrollment_profile(replace(_PROFILE, challenge="other"))
        self.assertEqual(renewal, first.replace(b"secret&lt;challenge&gt;", b"other"))

    def test_secret(self) -> None:
        """
        The challenge doesn't show.
        """
        self.assertNotIn("secret", repr(_PROFILE))

    def test_uncarriable(self) -> None:
        """
        Characters that XML can't carry are refused.
        """
        with self.assertRaises(EncodingError):
            build_enrollment_profile(replace(_PROFILE, organization="\x01"))


class ParseTests(SynchronousTestCase):
    """
    Tests for parse_enrollment_profile.
    """

    def changed(self, payload: int, **values: object) -> bytes:
        """
        Write the profile with other values in the payload of that number; None takes one out.
        """
        root = plistlib.loads(build_enrollment_profile(_PROFILE))
        content = {**root["PayloadContent"][payload], **values}
        root["PayloadContent"][payload] = {k: v for k, v in content.items() if v is not None}
        return plistlib.dumps(root)

    def test_round(self) -> None:
        """
        A device finds what the server put in, in XML and binary form.
        """
        content = build_enrollment_profile(_PROFILE)
        binary = plistlib.dumps(plistlib.loads(content), fmt=plistlib.FMT_BINARY)
        self.assertEqual(parse_enrollment_profile(content), _PROFILE)
        self.assertEqual(parse_enrollment_profile(binary), _PROFILE)

    def test_signed(self) -> None:
        """
        A profile that openssl signed, in DER or BER, is read.
        """
        require("openssl")
        content = build_enrollment_profile(_PROFILE)
        for options in ((), ("-stream", "-indef")):
            signed = openssl_sign(party("CN=signer", 1), content, "-nodetach", *options)
            self.assertEqual(parse_enrollment_profile(signed), _PROFILE)

    def test_one_url(self) -> None:
        """
        Without a CheckInURL the ServerURL is for both.
        """
        found = parse_enrollment_profile(self.changed(1, CheckInURL=None))
        self.assertEqual(found.check_in_url, "https://mdm.example/mdm/connect")

    def test_refused(self) -> None:
        """
        Missing values, another identity, odd subjects and missing or doubled payloads are refused.
        """
        scep = {"URL": "https://x", "Subject": [[["CN", "x"]]]}
        for content in (
            self.changed(1, Topic=None),
            self.changed(1, ServerURL=5),
            self.changed(1, IdentityCertificateUUID="another"),
            self.changed(0, PayloadContent={"URL": "https://x"}),
            self.changed(0, PayloadContent={**scep, "Subject": [["CN", "x"]]}),
            self.changed(0, PayloadContent={**scep, "Subject": [[]]}),
            self.changed(0, PayloadContent={**scep, "Subject": [[["CN"]]]}),
            self.changed(0, PayloadContent="x"),
            self.changed(0, PayloadType="com.apple.mdm"),
            self.changed(0, PayloadType="other"),
            plistlib.dumps({"PayloadType": "Configuration"}),
            plistlib.dumps([]),
            b"0",
            b"",
        ):
            with self.assertRaises(EncodingError):
                parse_enrollment_profile(content)

    def test_too_large(self) -> None:
        """
        A profile above 1 MiB is refused.
        """
        with self.assertRaises(LimitExceeded):
            parse_enrollment_profile(b" " * (1024 * 1024 + 1))

    @_HOSTILE
    @given(st.data(), st.booleans())
    def test_mutations(self, data: st.DataObject, signed: bool) -> None:
        """
        A profile with one octet changed, signed or not, is read or refused with our own errors.
        """
        signer = party("CN=signer", 1)
        content = build_enrollment_profile(_PROFILE)
        if signed:
            content = sign_profile(content, signer.key_pem, signer.certificate_pem)
        body = bytearray(content)
        body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
        with contextlib.suppress(MessageError):
            parse_enrollment_profile(bytes(body))


class SignTests(SynchronousTestCase):
    """
    Tests for sign_profile.
    """

    def test_openssl(self) -> None:
        """
        openssl verifies the signature and finds the exact content, and the chain beside it.
        """
        require("openssl")
        signer, other = party("CN=signer", 1), party("CN=other", 2)
        content = b"line\nline\r\nend"
        for certificate, chain in (
            (signer.certificate_pem, other.certificate_pem),
            (signer.certificate_pem + other.certificate_pem, b""),
        ):
            signed = sign_profile(content, signer.key_pem, certificate, chain)
            self.assertEqual(openssl_verify(signed), content)
            printed = openssl("pkcs7", "-inform", "DER", "-print_certs", "-noout", stdin=signed)
            self.assertIn(b"CN = signer", printed)
            self.assertIn(b"CN = other", printed)

    def test_elliptic_curve(self) -> None:
        """
        A signer with an EC key will do.
        """
        require("openssl")
        key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        certificate = openssl(
            *("req", "-x509", "-key", "key.pem", "-subj", "/CN=ec", "-days", "1"),
            files={"key.pem": key},
        )
        self.assertEqual(openssl_verify(sign_profile(b"x", key, certificate)), b"x")

    def test_refused(self) -> None:
        """
        Things that are not PEM, an encrypted or another's key, and other key types are refused.
        """
        signer, other = party("CN=signer", 1), party("CN=other", 2)
        own = signer.key_pem, signer.certificate_pem
        encrypted = signer.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"password"),
        )
        for key, certificate, chain in (
            (b"x", own[1], b""),
            (encrypted, own[1], b""),
            (own[0], b"x", b""),
            (own[0], b"", b""),
            (own[0], own[1], b"x"),
            (other.key_pem, own[1], b""),
        ):
            with self.assertRaises(EncodingError):
                sign_profile(b"x", key, certificate, chain)
        edwards = ed25519.Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        with self.assertRaises(UnsupportedAlgorithm):
            sign_profile(b"x", edwards, own[1])
