"""
Tests for the push certificate.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from twisted.trial.unittest import SynchronousTestCase

from scepd.apns.credentials import load_credentials
from scepd.errors import ConfigurationError
from tests.apns.notifications import TOPIC
from tests.support.apns_certificates import Pair, PushAuthority


class CredentialsTests(SynchronousTestCase):
    """
    Tests for loading the PEM pair.
    """

    def setUp(self) -> None:
        """
        Issue a push certificate.
        """
        self.authority = PushAuthority()
        self.pair = self.authority.push(TOPIC, lifetime=timedelta(days=30))

    def refusal(self, certificate: bytes, key: bytes) -> str:
        """
        Why a pair is refused.
        """
        with self.assertRaises(ConfigurationError) as caught:
            load_credentials(certificate, key)
        return str(caught.exception)

    def test_loaded(self) -> None:
        """
        The topic is the certificate's UID; the expiry is known.
        """
        loaded = load_credentials(self.pair.certificate, self.pair.key)
        self.assertEqual(loaded.topic, TOPIC)
        assert loaded.not_after is not None
        left = loaded.not_after - datetime.now(UTC)
        self.assertTrue(timedelta(days=29) < left <= timedelta(days=30))
        self.assertNotIn("private_key", repr(loaded))

    def test_one_file(self) -> None:
        """
        Certificate, chain and key may be in one text; the chain comes along.
        """
        text = self.pair.key + self.pair.certificate + self.authority.certificate
        loaded = load_credentials(text, text)
        self.assertEqual(loaded.topic, TOPIC)
        self.assertEqual(len(loaded.certificates), 2)

    def test_not_pem(self) -> None:
        """
        What is no PEM is named.
        """
        self.assertIn("no certificate in PEM", self.refusal(b"junk", self.pair.key))
        self.assertIn("no private key in PEM", self.refusal(self.pair.certificate, b"junk"))
        encrypted = b"-----BEGIN ENCRYPTED PRIVATE KEY-----"
        self.assertIn("is encrypted", self.refusal(self.pair.certificate, encrypted))

    def test_another_key(self) -> None:
        """
        A key of another certificate is refused.
        """
        other: Pair = self.authority.push(TOPIC)
        self.assertIn("does not belong", self.refusal(self.pair.certificate, other.key))

    def test_topic(self) -> None:
        """
        Without a UID, or with one that is not for MDM, no device could be reached.
        """
        for topic, complaint in ((None, "names no topic"), ("com.example.app", "not for MDM")):
            pair = self.authority.push(topic)
            self.assertIn(complaint, self.refusal(pair.certificate, pair.key))
