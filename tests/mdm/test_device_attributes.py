"""
Tests for what a device says of itself when it asks for its enrollment profile.
"""

from __future__ import annotations

import plistlib
from functools import cache

from cryptography import x509
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import EncodingError
from scepd.mdm.device_attributes import DeviceAttributes, proven_attributes
from scepd.pki.device_chains import chains_to, read_anchors
from tests.support.pki import Party, issue, openssl, party, require, rsa_key

_HOSTILE = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.differing_executors]
)
DEVICE = {"UDID": "UDID-1", "SERIAL": "C02XXXXXXXXX", "PRODUCT": "Mac14,7", "VERSION": "24A1"}


def name(text: str) -> x509.Name:
    """
    A common name.
    """
    return x509.Name.from_rfc4514_string(text)


@cache
def makers() -> tuple[Party, Party, Party]:
    """
    The maker's root, its authority for devices, and a device.
    """
    root = party("CN=Maker Root", 11, ca=True)
    middle_key, device_key = rsa_key(12), rsa_key(13)
    middle = issue(middle_key, name("CN=Maker Devices"), root.key, name("CN=Maker Root"), ca=True)
    device = issue(device_key, name("CN=UDID-1"), middle_key, name("CN=Maker Devices"))
    return root, Party(middle_key, middle), Party(device_key, device)


def said(
    signer: Party, others: tuple[Party, ...] = (), content: bytes = b"", *options: str
) -> bytes:
    """
    What a device sends, made by openssl.
    """
    require("openssl")
    certificates = b"".join(one.certificate_pem for one in others)
    more = ("-certfile", "others.pem") if others else ()
    return openssl(
        *("cms", "-sign", "-binary", "-outform", "DER", "-nodetach"),
        *("-signer", "cert.pem", "-inkey", "key.pem", *more, *options),
        stdin=content or plistlib.dumps(DEVICE),
        files={
            "cert.pem": signer.certificate_pem,
            "key.pem": signer.key_pem,
            "others.pem": certificates,
        },
    )


class AttributesTests(SynchronousTestCase):
    """
    Tests for proven_attributes.
    """

    def setUp(self) -> None:
        """
        Make a maker and a device.
        """
        self.root, self.middle, self.device = makers()
        self.anchors = (self.root.certificate,)

    def test_proven(self) -> None:
        """
        What a device of the maker signed is believed: with and without signed attributes, in DER
        and BER, with the chain in the message or its issuer among the anchors.
        """
        expected = DeviceAttributes("UDID-1", "C02XXXXXXXXX")
        for options in ((), ("-noattr",), ("-stream", "-indef"), ("-md", "sha1")):
            message = said(self.device, (self.middle,), b"", *options)
            self.assertEqual(proven_attributes(message, self.anchors), expected)
        anchors = (party("CN=other", 14, ca=True).certificate, self.middle.certificate)
        self.assertEqual(proven_attributes(said(self.device), anchors), expected)

    def test_not_proven(self) -> None:
        """
        What does not chain to an anchor counts for nothing: another's signature, a missing link, a
        link that is no authority, or no anchors at all.
        """
        stranger = party("CN=UDID-1", 15)
        forged = Party(
            rsa_key(16), issue(rsa_key(16), name("CN=x"), self.device.key, name("CN=UDID-1"))
        )
        for message in (
            said(stranger, (self.middle,)),
            said(self.device),
            said(forged, (self.device, self.middle)),
        ):
            self.assertIsNone(proven_attributes(message, self.anchors))
        whole = said(self.device, (self.middle,))
        self.assertIsNone(proven_attributes(whole, ()))
        self.assertIsNone(proven_attributes(whole, (stranger.certificate,)))

    def test_odd(self) -> None:
        """
        What is not a signed property list counts for nothing; a device may leave things out.
        """
        for content in (b"junk", plistlib.dumps([1])):
            message = said(self.device, (self.middle,), content)
            self.assertIsNone(proven_attributes(message, self.anchors))
        for message in (b"", b"\x30\x00", plistlib.dumps(DEVICE), b"x" * 100_000):
            self.assertIsNone(proven_attributes(message, self.anchors))
        message = said(self.device, (self.middle,), plistlib.dumps({"UDID": 5}))
        self.assertEqual(proven_attributes(message, self.anchors), DeviceAttributes())

    @_HOSTILE
    @given(st.data())
    def test_mutations(self, data: st.DataObject) -> None:
        """
        A message with an octet changed proves what it proved, or nothing.
        """
        body = bytearray(_whole())
        body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
        found = proven_attributes(bytes(body), (makers()[0].certificate,))
        self.assertIn(found, (None, DeviceAttributes("UDID-1", "C02XXXXXXXXX")))


class ChainTests(SynchronousTestCase):
    """
    Tests for chains of device certificates.
    """

    def test_circle(self) -> None:
        """
        Authorities that issued each other lead nowhere.
        """
        one_key, other_key = rsa_key(17), rsa_key(18)
        one = issue(one_key, name("CN=one"), other_key, name("CN=other"), ca=True)
        other = issue(other_key, name("CN=other"), one_key, name("CN=one"), ca=True)
        anchor = party("CN=anchor", 14, ca=True).certificate
        self.assertFalse(chains_to(one, [one, other, b"junk"], [anchor]))
        self.assertTrue(chains_to(one, [], [one]))

    def test_unknown_key(self) -> None:
        """
        An authority with a key of a kind that nobody knows has issued nothing.
        """
        root, middle, device = makers()
        rsa_encryption = bytes.fromhex("06092a864886f70d010101")
        self.assertIn(rsa_encryption, middle.certificate)
        # The identifier takes in the parameters behind it.
        strange = middle.certificate.replace(rsa_encryption, b"\x06\x0b" + rsa_encryption[2:])
        self.assertFalse(chains_to(device.certificate, [strange], [root.certificate]))

    def test_anchors(self) -> None:
        """
        Anchors are one PEM certificate or more.
        """
        root, middle, _ = makers()
        pem = root.certificate_pem + middle.certificate_pem
        self.assertEqual(read_anchors(pem), (root.certificate, middle.certificate))
        for junk in (b"", b"junk", root.certificate):
            self.assertRaises(EncodingError, read_anchors, junk)


@cache
def _whole() -> bytes:
    _, middle, device = makers()
    return said(device, (middle,))
