"""
Tests for certification requests that the embedded certificate authority refuses, as OpenSSL makes
them, or put together by hand.
"""

from __future__ import annotations

import os

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.x509.oid import ExtendedKeyUsageOID

from scepd.scep.attributes import FailInfo, MessageType
from scepd.scep.requesting import SentRequest, build_pki_request
from scepd.services.issuing_settings import IssuingSettings
from tests.services.issuing_case import NAME, STATIC, IssuingCase, Sender
from tests.support.pki import Party, oid, openssl, party, tlv

CLIENT = party("CN=client", 4)
AUTHORITY = "the request asks for a certificate authority's"
CRITICAL = (
    "the request marks an extension as critical that is not issued; basicConstraints, keyUsage,"
    " extendedKeyUsage, subjectAltName and key identifiers may be"
)
CONFIGURATION = """
[req]
prompt = no
distinguished_name = name
attributes = attributes
req_extensions = extensions
string_mask = utf8only
[name]
CN = {name}
[attributes]
challengePassword = {challenge}
[extensions]
{extensions}
"""
CHALLENGE_PASSWORD = "1.2.840.113549.1.9.7"
EXTENSION_REQUEST = "1.2.840.113549.1.9.14"
ALTERNATIVE_NAME = "2.5.29.17"


def openssl_csr(
    *extensions: str,
    client: Party = CLIENT,
    name: str = "client",
    challenge: str = STATIC,
    digest: str = "-sha256",
) -> bytes:
    """
    A request as ``openssl req`` makes it, with lines of its configuration.
    """
    lines = "\n".join(extensions or ("subjectKeyIdentifier = hash",))
    text = CONFIGURATION.format(name=name, challenge=challenge, extensions=lines)
    return openssl(
        *("req", "-new", digest, "-key", "key.pem", "-config", "req.cnf", "-outform", "DER"),
        files={"req.cnf": text.encode(), "key.pem": client.key_pem},
    )


def attribute(name: str, *values: bytes) -> bytes:
    """
    An attribute of a request.
    """
    return tlv(0x30, oid(name), tlv(0x31, *values))


def challenge(text: str = STATIC) -> bytes:
    """
    The challengePassword.
    """
    return attribute(CHALLENGE_PASSWORD, tlv(0x0C, text.encode()))


def alternative_name(name: bytes) -> bytes:
    """
    An extension with one DNS name.
    """
    names = tlv(0x30, tlv(0x82, name))
    return tlv(0x30, oid(ALTERNATIVE_NAME), tlv(0x04, names))


def made_csr(*attributes: bytes, name: bytes = b"client", in_order: bool = True) -> bytes:
    """
    A request put together from its parts, and signed.

    :param in_order: whether the attributes are sorted, as DER wants it.
    """
    if in_order:
        attributes = tuple(sorted(attributes))
    part = tlv(0x30, oid("2.5.4.3"), tlv(0x0C, name))
    information = tlv(
        0x30,
        tlv(0x02, b"\0"),
        tlv(0x30, tlv(0x31, part)),
        CLIENT.public_key_info,
        tlv(0xA0, *attributes),
    )
    signature = CLIENT.key.sign(information, padding.PKCS1v15(), hashes.SHA256())
    algorithm = tlv(0x30, oid("1.2.840.113549.1.1.11"), tlv(0x05))
    return tlv(0x30, information, algorithm, tlv(0x03, b"\0", signature))


class CSRCase(IssuingCase):
    """
    Requests for a CSR.
    """

    def sent(self, csr: bytes, client: Party = CLIENT) -> SentRequest:
        """
        A PKCSReq for it.
        """
        return build_pki_request(
            MessageType.PKCS_REQ,
            csr,
            client.key,
            client.certificate,
            self.certificate,
            os.urandom,
        )

    def issued(self, csr: bytes, client: Party = CLIENT) -> x509.Certificate:
        """
        The certificate for it.
        """
        answer = self.exchange(self.sent(csr, client))
        self.assertIsNone(answer.fail_info_text)
        return Sender(client).open(answer)

    def refused(self, csr: bytes, text: str, fail_info: FailInfo = FailInfo.BAD_REQUEST) -> None:
        """
        It gets a CertRep FAILURE.
        """
        self.assert_failure(self.sent(csr), text, fail_info)


class OpenSSLTests(CSRCase):
    """
    Requests that OpenSSL makes.
    """

    def test_authority(self) -> None:
        """
        Nobody gets an authority's certificate.
        """
        for line in (
            "basicConstraints = critical,CA:TRUE",
            "basicConstraints = CA:TRUE,pathlen:0",
            "keyUsage = keyCertSign",
            "keyUsage = critical,digitalSignature,cRLSign",
        ):
            self.refused(openssl_csr(line), AUTHORITY)

    def test_usages(self) -> None:
        """
        Other usages than clientAuth are refused.
        """
        for usages in ("serverAuth", "clientAuth,serverAuth", "anyExtendedKeyUsage", "1.2.3.4"):
            csr = openssl_csr(f"extendedKeyUsage = {usages}")
            self.refused(csr, "the request asks for more than clientAuth")

    def test_powers(self) -> None:
        """
        What only an authority has, or what frees from being checked, is refused, critical or not.
        """
        for line in (
            "nameConstraints = permitted;DNS:example",
            "nameConstraints = critical,permitted;DNS:example",
            "policyConstraints = requireExplicitPolicy:3",
            "inhibitAnyPolicy = 2",
            "2.5.29.33 = DER:300E300C06042A03040506042A030406",
        ):
            self.refused(openssl_csr(line), AUTHORITY)
        text = "the request asks not to be checked for revocation"
        self.refused(openssl_csr("noCheck = ignored"), text)

    def test_critical(self) -> None:
        """
        A critical extension that certificates here do not have is refused: whoever relies on it
        would miss it only when the certificate is used.
        """
        for line in (
            "1.2.3.4.5 = critical,DER:0500",
            "certificatePolicies = critical,1.2.3.4",
            "tlsfeature = critical,status_request",
        ):
            self.refused(openssl_csr(line), CRITICAL)

    def test_as_clients_send_it(self) -> None:
        """
        What clients ask for, critical or not, is no fault; unknown extensions that are not critical
        are ignored, as are those usages of the key that are not given.
        """
        for number, lines in enumerate(
            (
                ["keyUsage = critical,digitalSignature,keyEncipherment"],
                [
                    "basicConstraints = critical,CA:FALSE",
                    "keyUsage = critical,digitalSignature,nonRepudiation,keyEncipherment",
                    "extendedKeyUsage = critical,clientAuth",
                    "subjectAltName = critical,DNS:client.example",
                    "subjectKeyIdentifier = hash",
                ],
                ["1.3.6.1.4.1.311.20.2 = ASN1:BMPSTRING:Template", "1.2.3.4.5 = DER:0500"],
                ["tlsfeature = status_request", "keyUsage = keyAgreement,encipherOnly"],
            )
        ):
            self.issued(openssl_csr(*lines, name=f"client {number}"))

    def test_profile_decides(self) -> None:
        """
        What is asked for beside that is left out: the certificate has what all have.
        """
        issued = self.issued(
            openssl_csr(
                "basicConstraints = CA:FALSE",
                "keyUsage = nonRepudiation,dataEncipherment",
                "extendedKeyUsage = clientAuth",
                "certificatePolicies = 1.2.3.4",
                "nsComment = hello",
                "subjectAltName = DNS:client.example",
            )
        )
        self.assertEqual(
            sorted(each.oid._name for each in issued.extensions),
            [
                "authorityKeyIdentifier",
                "basicConstraints",
                "extendedKeyUsage",
                "keyUsage",
                "subjectAltName",
                "subjectKeyIdentifier",
            ],
        )
        usage = issued.extensions.get_extension_for_class(x509.KeyUsage).value
        self.assertFalse(usage.content_commitment or usage.data_encipherment)
        usages = issued.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        self.assertEqual(list(usages), [ExtendedKeyUsageOID.CLIENT_AUTH])

    def test_many_names(self) -> None:
        """
        There is a bound for alternative names.
        """
        names = [f"DNS:{number}.example" for number in range(17)]
        self.refused(
            openssl_csr(f"subjectAltName = {','.join(names)}"),
            "the request asks for too many alternative names",
        )
        self.issued(openssl_csr(f"subjectAltName = {','.join(names[:16])}"))

    def test_same_key_identifier(self) -> None:
        """
        Key identifier and serial number are as OpenSSL would compute and can print them.
        """
        issued = self.issued(openssl_csr())
        found = issued.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        expected = x509.SubjectKeyIdentifier.from_public_key(CLIENT.key.public_key())
        self.assertEqual(found, expected)
        self.assertGreater(issued.serial_number.bit_length(), 100)
        self.assertEqual(self.store.certificates[0].not_after, issued.not_valid_after_utc)

    def test_small_keys(self) -> None:
        """
        1024 bits are enough only where that is allowed.
        """
        small = party("CN=small", 3, bits=1024)
        csr = openssl_csr(client=small)
        text = "the RSA key has 1024 bits; 2048 to 8192 are accepted"
        self.assert_failure(self.sent(csr, small), text, FailInfo.BAD_ALG)
        self.assert_failure(self.sent(csr), text, FailInfo.BAD_ALG)
        self.configure(IssuingSettings(allow_small_keys=True))
        self.assertEqual(self.issued(csr, small).public_key(), small.key.public_key())

    def test_digests(self) -> None:
        """
        A request's own signature may use SHA-1 only where that is allowed, and never MD5.
        """
        self.refused(
            openssl_csr(digest="-md5"), "the signature algorithm is not accepted", FailInfo.BAD_ALG
        )
        self.refused(openssl_csr(digest="-sha1"), "SHA-1 is not accepted", FailInfo.BAD_ALG)
        self.issued(openssl_csr(digest="-sha512", name="another"))
        self.configure(IssuingSettings(allow_sha1_requests=True))
        self.issued(openssl_csr(digest="-sha1"))

    def test_identity_of_a_wrong_name(self) -> None:
        """
        An enrollment challenge is good for its name only (VU#971035).
        """
        csr = openssl_csr(challenge="the-one-time-challenge", name="someone else")
        self.refused(csr, "the challenge is for another subject")
        self.issued(openssl_csr(challenge="the-one-time-challenge", name=NAME.removeprefix("CN=")))


class MadeTests(CSRCase):
    """
    Requests that OpenSSL would not make.
    """

    def test_good(self) -> None:
        """
        Put together by hand, a good request is good.
        """
        extensions = attribute(EXTENSION_REQUEST, tlv(0x30, alternative_name(b"a.example")))
        issued = self.issued(made_csr(challenge(), extensions))
        self.assertEqual(issued.subject.rfc4514_string(), "CN=client")

    def test_other_order(self) -> None:
        """
        strongSwan's attributes are in another order than that of DER; their signature counts as
        they came, and a broken one is found.
        """
        extensions = attribute(EXTENSION_REQUEST, tlv(0x30, alternative_name(b"a.example")))
        for attributes in ((challenge(), extensions), (extensions, challenge())):
            csr = made_csr(*attributes, in_order=False)
            issued = self.issued(csr)
            names = issued.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            self.assertEqual(names.get_values_for_type(x509.DNSName), ["a.example"])
            broken = csr[:-1] + bytes([csr[-1] ^ 1])
            answer = self.exchange(self.sent(broken))
            self.assertEqual(answer.fail_info, FailInfo.BAD_MESSAGE_CHECK)
            twice = made_csr(*attributes, challenge(), in_order=False)
            self.refused(twice, "the certification request has a doubled attribute")

    def test_doubled_attributes(self) -> None:
        """
        An attribute comes once and has one value.
        """
        extensions = attribute(EXTENSION_REQUEST, tlv(0x30, alternative_name(b"a.example")))
        text = "the certification request has a doubled attribute"
        self.refused(made_csr(challenge(), challenge()), text)
        self.refused(made_csr(challenge("x"), challenge()), text)
        self.refused(made_csr(challenge(), extensions, extensions), text)
        both = attribute(CHALLENGE_PASSWORD, tlv(0x0C, b"x"), tlv(0x0C, STATIC.encode()))
        self.assert_refused_somehow(made_csr(both))

    def test_doubled_extension(self) -> None:
        """
        An extension comes once.
        """
        twice = tlv(0x30, alternative_name(b"a.example"), alternative_name(b"b.example"))
        self.assert_refused_somehow(made_csr(challenge(), attribute(EXTENSION_REQUEST, twice)))

    def test_control_characters(self) -> None:
        """
        Neither NUL nor line breaks are in a name.
        """
        text = "a name in the request holds a control character"
        for name in (b"good\0.evil", b"good\nCN=evil", b"good\r"):
            self.refused(made_csr(challenge(), name=name), text)
            extensions = attribute(EXTENSION_REQUEST, tlv(0x30, alternative_name(name)))
            self.refused(made_csr(challenge(), extensions), text)

    def test_no_name(self) -> None:
        """
        An empty name is none.
        """
        self.refused(made_csr(challenge(), name=b""), "a name in the request is empty or too long")

    def assert_refused_somehow(self, csr: bytes) -> None:
        """
        It gets a CertRep FAILURE with badRequest.
        """
        answer = self.exchange(self.sent(csr))
        self.assertEqual(answer.fail_info, FailInfo.BAD_REQUEST)
        self.assertEqual(self.store.certificates, [])
