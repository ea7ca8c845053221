"""
Tests for the embedded certificate authority as one that profiles name.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

from cryptography import x509

from scepd.metrics import Metrics
from scepd.model import EMBEDDED_CA, DeliveryChallenge
from scepd.profiles.requested_names import NamePattern, RequestedNames
from scepd.services.delivery_challenges import DeliveryChallenges
from scepd.services.issuing_settings import IssuingSettings
from tests.services.issuing_case import IssuingCase, Sender
from tests.support.pki import NOW, party

TEXT = "the-challenge-of-one-delivery"
SENDER = Sender(subject="CN=C02ABC", challenge=TEXT, names=(x509.DNSName("a.example"),))


class DeliveryTests(IssuingCase):
    """
    A challenge of a delivery, beside the static one and that of an enrollment.
    """

    def configure(self, settings: IssuingSettings) -> None:
        """
        Start with the challenges of deliveries.
        """
        names = RequestedNames(
            ((NamePattern("2.5.4.3", ("C02ABC",)),),), (NamePattern("dns", ("a.example",)),)
        )
        self.digest = sha256(TEXT.encode()).hexdigest()
        self.add(EMBEDDED_CA, names)
        self.deliveries = DeliveryChallenges(
            self.store.deliveries, self.clock, self.workers, Metrics()
        )
        super().configure(settings)

    def add(self, ca_name: str, names: RequestedNames) -> None:
        """
        Let the challenge have been handed over.
        """
        self.store.deliveries.by_sha256[self.digest] = DeliveryChallenge(
            self.digest, "HOST-1", "aPROFILE-1", ca_name, "w-1", names, NOW + timedelta(hours=1)
        )

    def test_issued(self) -> None:
        """
        The certificate has the names of the profile and the lifetime of others than identities; its
        record names host and profile, and no enrollment challenge: it is no identity.
        """
        certificate = self.enroll(SENDER)
        self.assertEqual(certificate.subject.rfc4514_string(), "CN=C02ABC")
        lifetime = timedelta(seconds=IssuingSettings().certificate_lifetime)
        self.assertEqual(certificate.not_valid_after_utc, NOW + lifetime)
        [record] = self.store.certificates
        self.assertEqual((record.purpose, record.challenge_sha256), ("profile", None))
        self.assertEqual((record.host_uuid, record.profile_uuid), ("HOST-1", "aPROFILE-1"))
        self.assertIsNotNone(self.store.deliveries.by_sha256[self.digest].csr_sha256)

    def test_repeated(self) -> None:
        """
        The same request gets the same certificate, when all is over too.
        """
        request = SENDER.request(self.certificate)
        first = SENDER.open(self.exchange(request))
        self.clock.advance(10_000)
        self.assertEqual(SENDER.open(self.exchange(request)), first)
        self.assertEqual(len(self.store.certificates), 1)

    def test_another_key(self) -> None:
        """
        The challenge is spent by the first request.
        """
        self.enroll(SENDER)
        other = replace(SENDER, identity=party("CN=other", 2))
        self.assert_refused(other, "the challenge was used for another request")

    def test_other_names(self) -> None:
        """
        Another subject, or other alternative names, are refused and spend nothing (VU#971035).
        """
        subject = "the request is for another subject than the profile's"
        self.assert_refused(replace(SENDER, subject="CN=administrator"), subject)
        names = "the request is for other alternative names than the profile's"
        self.assert_refused(replace(SENDER, names=()), names)
        self.enroll(SENDER)

    def test_another_authority(self) -> None:
        """
        The challenge of a delivery that names another authority allows nothing here.
        """
        challenge = self.store.deliveries.by_sha256[self.digest]
        self.add("CORP", challenge.names)
        self.assert_refused(SENDER, "the challenge is not one of this authority")

    def test_closed_window(self) -> None:
        """
        With the enrollment window the challenge ends; the issuing transaction looks.
        """
        self.store.deliveries.closed.add("w-1")
        self.assert_refused(SENDER, "the enrollment window of the challenge is closed")
