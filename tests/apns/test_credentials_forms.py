"""
Tests for the other forms of credentials: encrypted keys, PKCS #12, provider tokens.
"""

from __future__ import annotations

import base64
import json
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from scepd.apns.credentials import (
    PushCredentials,
    load_credentials,
    load_pkcs12,
    load_provider_token,
)
from scepd.apns.provider_token import LEAST_AGE, RENEW_AFTER, signed_token
from scepd.errors import ConfigurationError
from tests.apns.notifications import TOPIC
from tests.support.apns_certificates import Pair, PushAuthority

PASSWORD = b"a passphrase"
KEY_ID, TEAM_ID = "ABC123DEFG", "TEAM567890"
NOW = 1_780_000_000.0


def encrypted(pem: bytes, form: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
    """
    The same key, encrypted.
    """
    key = load_pem_private_key(pem, None)
    return key.private_bytes(Encoding.PEM, form, BestAvailableEncryption(PASSWORD))


def packed(
    pair: Pair,
    chain: list[bytes],
    encryption: KeySerializationEncryption | None = None,
) -> bytes:
    """
    A PKCS #12 file.
    """
    key = load_pem_private_key(pair.key, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    certificates = [x509.load_pem_x509_certificate(pem) for pem in (pair.certificate, *chain)]
    return pkcs12.serialize_key_and_certificates(
        b"push",
        key,
        certificates[0],
        certificates[1:],
        encryption or BestAvailableEncryption(PASSWORD),
    )


class EncryptedKeyTests(SynchronousTestCase):
    """
    Tests for keys with a passphrase.
    """

    def setUp(self) -> None:
        """
        Issue a push certificate.
        """
        self.pair = PushAuthority().push(TOPIC)

    def test_opened(self) -> None:
        """
        With its password an encrypted key, in either form of PEM, is the same as a plain one.
        """
        plain = load_credentials(self.pair.certificate, self.pair.key)
        for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
            opened = load_credentials(
                self.pair.certificate, encrypted(self.pair.key, form), PASSWORD
            )
            self.assertEqual(opened, plain)

    def test_needless_password(self) -> None:
        """
        A password for a key that has none is no fault.
        """
        loaded = load_credentials(self.pair.certificate, self.pair.key, PASSWORD)
        self.assertEqual(loaded.topic, TOPIC)

    def test_refused(self) -> None:
        """
        Without a password, and with another one, the operator is told which.
        """
        for password, complaint in ((None, "no password_file"), (b"x", "does not open")):
            with self.assertRaises(ConfigurationError) as caught:
                load_credentials(self.pair.certificate, encrypted(self.pair.key), password)
            self.assertIn(complaint, str(caught.exception))


class PKCS12Tests(SynchronousTestCase):
    """
    Tests for certificate and key in one PKCS #12 file.
    """

    def setUp(self) -> None:
        """
        Issue a push certificate.
        """
        self.authority = PushAuthority()
        self.pair = self.authority.push(TOPIC, lifetime=timedelta(days=30))

    def test_loaded(self) -> None:
        """
        It holds the same as the PEM pair, the chain included.
        """
        pems = self.pair.certificate + self.authority.certificate
        expected = load_credentials(pems, self.pair.key)
        chain = [self.authority.certificate]
        self.assertEqual(load_pkcs12(packed(self.pair, chain), PASSWORD), expected)
        self.assertEqual(load_pkcs12(packed(self.pair, chain, NoEncryption()), None), expected)

    def test_refused(self) -> None:
        """
        Another password, junk, no key and no MDM certificate are refused.
        """
        certificate = x509.load_pem_x509_certificate(self.pair.certificate)
        keyless = pkcs12.serialize_java_truststore(
            [pkcs12.PKCS12Certificate(certificate, b"push")], BestAvailableEncryption(PASSWORD)
        )
        other = self.authority.push("com.example.app")
        whole = packed(self.pair, [])
        cases = (
            (whole, b"another", "its password is another one"),
            (whole, None, "can't be read"),
            (whole[:-20], PASSWORD, "can't be read"),
            (b"junk", PASSWORD, "can't be read"),
            (keyless, PASSWORD, "does not hold both"),
            (packed(other, []), PASSWORD, "not for MDM"),
        )
        for data, password, complaint in cases:
            with self.assertRaises(ConfigurationError) as caught:
                load_pkcs12(data, password)
            self.assertIn(complaint, str(caught.exception))


class ProviderTokenTests(SynchronousTestCase):
    """
    Tests for provider tokens.
    """

    def setUp(self) -> None:
        """
        Make a key as Apple gives it.
        """
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.pem = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self.clock = Clock()
        self.clock.advance(NOW)
        self.credentials = self.load()

    def load(self, key_id: str = KEY_ID) -> PushCredentials:
        """
        Load the key.
        """
        return load_provider_token(self.pem, key_id, TEAM_ID, TOPIC, self.clock.seconds)

    def issued(self) -> object:
        """
        When the token of now was issued.
        """
        header = self.credentials.authorization()
        assert header is not None
        return json.loads(decoded(header.removeprefix(b"bearer ").split(b".")[1]))["iat"]

    def test_token(self) -> None:
        """
        It is a JSON Web Token with Apple's claims, signed with ES256.
        """
        header = self.credentials.authorization()
        assert header is not None
        signed, _, signature = header.removeprefix(b"bearer ").rpartition(b".")
        parts = [json.loads(decoded(part)) for part in signed.split(b".")]
        self.assertEqual(
            parts, [{"alg": "ES256", "kid": KEY_ID}, {"iss": TEAM_ID, "iat": int(NOW)}]
        )
        raw = decoded(signature)
        self.assertEqual(len(raw), 64)
        numbers = (int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
        self.key.public_key().verify(
            encode_dss_signature(*numbers), signed, ec.ECDSA(hashes.SHA256())
        )
        self.assertNotIn(b"=", header)

    def test_pure(self) -> None:
        """
        The same key and time make the same token.
        """
        token = self.credentials.provider_token
        assert token is not None
        self.assertEqual(signed_token(token.key, 7), signed_token(token.key, 7))
        self.assertNotEqual(signed_token(token.key, 7), signed_token(token.key, 8))

    def test_renewed(self) -> None:
        """
        It is the same object for 50 minutes, and then a new one.
        """
        first = self.credentials.authorization()
        self.clock.advance(RENEW_AFTER - 1)
        self.assertIs(self.credentials.authorization(), first)
        self.clock.advance(1)
        self.assertEqual(self.issued(), int(NOW + RENEW_AFTER))

    def test_clock_put_back(self) -> None:
        """
        A token from the future is replaced.
        """
        self.issued()
        self.clock.rightNow -= 60
        self.assertEqual(self.issued(), int(NOW - 60))

    def test_expired(self) -> None:
        """
        When Apple finds it expired it is made anew, but not sooner than Apple lets it.
        """
        self.issued()
        self.clock.advance(LEAST_AGE - 1)
        self.assertFalse(self.credentials.renew_token())
        self.assertEqual(self.issued(), int(NOW))
        self.clock.advance(1)
        self.assertTrue(self.credentials.renew_token())
        self.assertEqual(self.issued(), int(NOW + LEAST_AGE))
        self.assertFalse(self.credentials.renew_token())

    def test_equal(self) -> None:
        """
        The same key read again is no other credential, so that its token is kept.
        """
        self.issued()
        self.assertEqual(self.load(), self.credentials)
        self.assertEqual(hash(self.load()), hash(self.credentials))
        self.assertNotEqual(self.load("ZZZ123DEFG"), self.credentials)
        self.assertNotIn("private_key", repr(self.credentials))

    def test_no_certificate(self) -> None:
        """
        There is no certificate, and nothing that expires; certificates have no such header.
        """
        self.assertEqual((self.credentials.certificates, self.credentials.not_after), ((), None))
        pair = PushAuthority().push(TOPIC)
        certified = load_credentials(pair.certificate, pair.key)
        self.assertIsNone(certified.authorization())
        self.assertFalse(certified.renew_token())

    def test_refused(self) -> None:
        """
        Keys, ids and topics that are none are refused.
        """
        other = rsa.generate_private_key(65537, 2048)
        rsa_pem = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        curve = ec.generate_private_key(ec.SECP384R1())
        curve_pem = curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        cases = (
            (b"junk", KEY_ID, TEAM_ID, TOPIC, "no private key in PEM"),
            (rsa_pem, KEY_ID, TEAM_ID, TOPIC, "curve P-256"),
            (curve_pem, KEY_ID, TEAM_ID, TOPIC, "curve P-256"),
            (self.pem, "abc123defg", TEAM_ID, TOPIC, "the key id"),
            (self.pem, KEY_ID, "TEAM", TOPIC, "the team id"),
            (self.pem, KEY_ID, TEAM_ID, "two words", "the topic"),
        )
        for *arguments, complaint in cases:
            pem, key_id, team_id, topic = arguments
            assert isinstance(pem, bytes)
            with self.assertRaises(ConfigurationError) as caught:
                load_provider_token(pem, str(key_id), str(team_id), str(topic), lambda: 0.0)
            self.assertIn(complaint, str(caught.exception))


def decoded(part: bytes) -> bytes:
    """
    Read base64url without padding.
    """
    return base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))
