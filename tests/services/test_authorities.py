"""
Tests for adding, checking and removing certificate authorities.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from scepd.config import SCEPProxySection
from scepd.errors import (
    Conflict,
    InvalidInput,
    NotFound,
    StorageUnavailable,
    UpstreamError,
    UpstreamFault,
)
from scepd.model import Activity, challenge_place, webhook_secret_place
from scepd.pki.keyring import Keyring
from scepd.services.authorities import CertificateAuthorities
from scepd.services.authority_check import CheckReport
from scepd.services.authority_input import NewCertificateAuthority
from tests.services.ca_certificates import NOW, certificate, der, sha256
from tests.support.fakes import FakeCertificateAuthorities, FakeUpstream, InlineWorkers

CHALLENGE = "s3cret-challenge"
NEW = NewCertificateAuthority(
    name="Test_SCEP", url="http://ca.example.com/scep", challenge=CHALLENGE
)
CAPABILITIES = b"POSTPKIOperation\nSHA-256\nAES\nRenewal\n"
CERT = b"operation=GetCACert"
CAPS = b"operation=GetCACaps"


class AuthoritiesCase(SynchronousTestCase):
    """
    The service on fakes, and a good certificate authority.
    """

    def setUp(self) -> None:
        """
        Make a service whose upstream answers as a certificate authority of today.
        """
        self.clock = Clock()
        self.clock.advance(NOW.timestamp())
        self.store = FakeCertificateAuthorities()
        self.upstream = FakeUpstream()
        self.answer(der(certificate()))
        self.keyring = Keyring({"k1": bytes(32)})
        self.service = self.make_service()

    def make_service(self) -> CertificateAuthorities:
        """
        A service that knows nothing but what is stored.
        """
        return CertificateAuthorities(
            self.store,
            self.upstream,
            lambda: self.keyring,
            self.clock,
            lambda count: b"\x07" * count,
            InlineWorkers(),
            SCEPProxySection.model_validate({}),
        )

    def answer(self, body: bytes, capabilities: bytes = CAPABILITIES) -> None:
        """
        Let the certificate authority answer so.
        """
        self.upstream.answers[CERT] = (b"application/x-x509-ca-cert", body)
        self.upstream.answers[CAPS] = (b"text/plain", capabilities)

    def begin(self, new: NewCertificateAuthority = NEW) -> Deferred[CheckReport]:
        """
        Begin to add a certificate authority.
        """
        return Deferred.fromCoroutine(self.service.add(new, "alice"))

    def add(self, new: NewCertificateAuthority = NEW) -> CheckReport:
        """
        Add a certificate authority.
        """
        return self.successResultOf(self.begin(new))

    def check(self) -> Deferred[CheckReport]:
        """
        Begin to check the stored certificate authority.
        """
        return Deferred.fromCoroutine(self.service.check("Test_SCEP"))

    def refusal(self, body: bytes) -> str:
        """
        The one fault that an answer to GetCACert brings; nothing was stored.
        """
        self.answer(body)
        error = self.failureResultOf(self.begin(), InvalidInput).value
        self.assert_nothing_stored()
        self.assertEqual([fault.field for fault in error.faults], ["url"])
        message: str = error.faults[0].message
        return message

    def assert_nothing_stored(self) -> None:
        """
        Neither a certificate authority nor an activity is stored.
        """
        self.assertEqual(self.store.by_name, {})
        self.assertEqual(self.store.activities.records, [])


class AddTests(AuthoritiesCase):
    """
    Tests for L{CertificateAuthorities.add}.
    """

    def test_stores(self) -> None:
        """
        A good certificate authority is stored with what it answered, and with an activity.
        """
        self.add(replace(NEW, max_concurrency=3, allow_single_des=True))
        ca = self.store.by_name["Test_SCEP"]
        self.assertEqual(ca.url, NEW.url)
        self.assertEqual(ca.max_concurrency, 3)
        self.assertTrue(ca.allow_single_des)
        self.assertEqual(ca.certificates, (der(certificate()),))
        self.assertEqual(ca.capabilities, ("POSTPKIOperation", "SHA-256", "AES", "Renewal"))
        self.assertEqual((ca.checked_at, ca.created_at), (NOW, NOW))
        self.assertEqual(
            self.store.activities.records,
            [Activity(NOW, "alice", "added certificate authority", "Test_SCEP")],
        )

    def test_challenge_is_sealed_for_its_place(self) -> None:
        """
        The challenge is stored encrypted, and opens only as this certificate authority's.
        """
        self.add()
        sealed = self.store.by_name["Test_SCEP"].challenge
        assert sealed is not None
        self.assertNotIn(CHALLENGE.encode(), sealed.data)
        opened = self.keyring.open(sealed, challenge_place("Test_SCEP"))
        self.assertEqual(opened, CHALLENGE.encode())

    def test_one_time(self) -> None:
        """
        With one-time challenges none is stored; the webhook's secret is sealed for its place, in
        its bytes.
        """
        encoded = "c2l4dGVlbi1ieXRlcy1vZi1pdA=="
        self.add(
            replace(
                NEW,
                challenge="",
                challenge_mode="one_time",
                webhook_id="hook-1",
                webhook_secret=encoded,
            )
        )
        ca = self.store.by_name["Test_SCEP"]
        self.assertIsNone(ca.challenge)
        self.assertEqual((ca.challenge_mode, ca.webhook_id), ("one_time", "hook-1"))
        assert ca.webhook_secret is not None
        opened = self.keyring.open(ca.webhook_secret, webhook_secret_place("Test_SCEP"))
        self.assertEqual(opened, b"sixteen-bytes-of-it")

    def test_report(self) -> None:
        """
        The report has subject, fingerprint, expiry and capabilities, and no warnings.
        """
        report = self.add()
        made = certificate()
        self.assertEqual(report.certificates.authority.subject, "CN=Test CA")
        self.assertEqual(report.certificates.authority.sha256, sha256(made))
        self.assertEqual(report.certificates.authority.not_after, made.not_valid_after_utc)
        self.assertEqual(report.capabilities, ("POSTPKIOperation", "SHA-256", "AES", "Renewal"))
        self.assertEqual(report.warnings, ())
        self.assertFalse(report.fingerprint_changed)

    def test_asks_after_the_fields_are_valid(self) -> None:
        """
        Faults of the fields are reported together, and then nothing is asked or stored.
        """
        bad = replace(NEW, name="Test SCEP", url="nowhere", challenge="********")
        error = self.failureResultOf(self.begin(bad), InvalidInput).value
        self.assertEqual([fault.field for fault in error.faults], ["name", "url", "challenge"])
        self.assertEqual(self.upstream.fetched, [])
        self.assert_nothing_stored()

    def test_name_is_taken(self) -> None:
        """
        A second certificate authority of a name is refused; another case is another name.
        """
        self.add()
        error = self.failureResultOf(self.begin(), InvalidInput).value
        self.assertEqual(
            error.faults[0].message, "A certificate authority of this name exists already."
        )
        self.add(replace(NEW, name="test_scep"))
        self.assertEqual(sorted(self.store.by_name), ["Test_SCEP", "test_scep"])

    def test_name_is_taken_meanwhile(self) -> None:
        """
        Of two that are added at one time, the second is a conflict, and the first stays.
        """
        slow: Deferred[tuple[bytes, bytes]] = Deferred()
        self.upstream.answers[CAPS] = slow
        late = self.begin(replace(NEW, url="http://other.example.com/"))
        self.answer(der(certificate()))
        self.add()
        slow.callback((b"text/plain", CAPABILITIES))
        self.failureResultOf(late, Conflict)
        self.assertEqual(self.store.by_name["Test_SCEP"].url, NEW.url)

    def test_queries(self) -> None:
        """
        GetCACert is asked first, then GetCACaps, at the URL and with the trust that were given.
        """
        self.add()
        self.assertEqual([query for _, query, _ in self.upstream.fetched], [CERT, CAPS])
        target, _, limit = self.upstream.fetched[0]
        self.assertEqual((target.name, target.url), ("Test_SCEP", NEW.url))
        self.assertIsNone(target.trusted_certificates)
        self.assertEqual(limit, 262_144)

    def test_ca_identifier(self) -> None:
        """
        A CA identifier is sent as ``message``, escaped.
        """
        message = b"&message=a%26b%20%C3%B6%2F"
        for query in (CERT, CAPS):
            self.upstream.answers[query + message] = self.upstream.answers.pop(query)
        self.add(replace(NEW, ca_identifier="a&b ö/"))
        self.assertEqual(
            [query for _, query, _ in self.upstream.fetched], [CERT + message, CAPS + message]
        )

    def test_not_reachable(self) -> None:
        """
        A certificate authority that can't be reached is the upstream's error; nothing is stored.
        """
        self.upstream.answers[CERT] = UpstreamError(UpstreamFault.REFUSED, "It refused.")
        error = self.failureResultOf(self.begin(), UpstreamError).value
        self.assertEqual(error.sentence, "It refused.")
        self.assert_nothing_stored()

    def test_slow(self) -> None:
        """
        30 seconds after the check began it is given up; both requests count.
        """
        for query in (CERT, CAPS):
            with self.subTest(query):
                self.answer(der(certificate()))
                self.upstream.answers[query] = None
                adding = self.begin()
                self.clock.advance(29.9)
                self.assertNoResult(adding)
                self.clock.advance(0.1)
                error = self.failureResultOf(adding, UpstreamError).value
                self.assertIs(error.fault, UpstreamFault.TIMEOUT)
                self.assertEqual(
                    error.sentence,
                    "The certificate authority did not answer within 30 seconds.",
                )
                self.assertEqual(self.upstream.cancelled[-1], query)
                self.assert_nothing_stored()

    def test_no_timer_is_left(self) -> None:
        """
        A check that ends leaves no delayed call behind.
        """
        self.add()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_store_fails(self) -> None:
        """
        When the store fails nothing is stored.
        """
        self.store.broken = True
        self.failureResultOf(self.begin(), StorageUnavailable)
        self.assert_nothing_stored()

    def test_steps(self) -> None:
        """
        Each arrow of the sequence is one log event, in order, with the name.
        """
        with capturedLogs() as events:
            self.add()
        steps = [(event["step"], event["ca"]) for event in events if "step" in event]
        self.assertEqual(steps, [(f"A{number}", "Test_SCEP") for number in range(1, 7)])

    def test_steps_end_where_it_fails(self) -> None:
        """
        A refused answer ends the sequence after its question.
        """
        self.answer(b"<html>")
        with capturedLogs() as events:
            self.failureResultOf(self.begin(), InvalidInput)
        steps = [event["step"] for event in events if "step" in event]
        self.assertEqual(steps, ["A1", "A2", "A3"])

    def test_challenge_is_nowhere(self) -> None:
        """
        Neither the log nor the report nor an error holds the challenge.
        """
        with capturedLogs() as events:
            report = self.add()
            again = self.failureResultOf(self.begin(), InvalidInput)
            self.answer(b"")
            unusable = self.failureResultOf(self.begin(replace(NEW, name="x")), InvalidInput)
        for text in (repr(events), repr(report), str(again.value), str(unusable.value)):
            self.assertNotIn(CHALLENGE, text)


class CheckTests(AuthoritiesCase):
    """
    Tests for L{CertificateAuthorities.check}.
    """

    def test_unknown(self) -> None:
        """
        There is nothing to check where there is no certificate authority.
        """
        self.failureResultOf(self.check(), NotFound)

    def test_same(self) -> None:
        """
        A certificate authority that did not change brings the time and new capabilities only.
        """
        self.add()
        self.clock.advance(60)
        self.answer(der(certificate()), b"AES\nSHA-256\nPOSTPKIOperation\n")
        report = self.successResultOf(self.check())
        self.assertFalse(report.fingerprint_changed)
        ca = self.store.by_name["Test_SCEP"]
        self.assertEqual(ca.capabilities, ("AES", "SHA-256", "POSTPKIOperation"))
        self.assertEqual(ca.checked_at, NOW + timedelta(seconds=60))
        self.assertEqual(len(self.store.activities.records), 1)

    def test_another_certificate(self) -> None:
        """
        Another certificate is reported as such, and stored.
        """
        self.add()
        renewed = der(certificate(serial=99))
        self.answer(renewed)
        self.assertTrue(self.successResultOf(self.check()).fingerprint_changed)
        self.assertEqual(self.store.by_name["Test_SCEP"].certificates, (renewed,))
        self.assertFalse(self.successResultOf(self.check()).fingerprint_changed)

    def test_failure_changes_nothing(self) -> None:
        """
        When the check fails, what was known stays.
        """
        self.add()
        before = self.store.by_name["Test_SCEP"]
        self.answer(b"nonsense")
        self.failureResultOf(self.check(), InvalidInput)
        self.assertEqual(self.store.by_name["Test_SCEP"], before)


class RemoveTests(AuthoritiesCase):
    """
    Tests for L{CertificateAuthorities.remove}, C{show} and C{list}.
    """

    def remove(self, force: bool) -> Deferred[None]:
        """
        Begin to remove the certificate authority.
        """
        return Deferred.fromCoroutine(self.service.remove("Test_SCEP", force, "alice"))

    def test_removes(self) -> None:
        """
        A removed certificate authority is gone, and an activity tells who removed it.
        """
        self.add()
        self.successResultOf(self.remove(False))
        self.assertEqual(self.store.by_name, {})
        self.assertEqual(
            self.store.activities.records[-1],
            Activity(NOW, "alice", "removed certificate authority", "Test_SCEP"),
        )
        self.failureResultOf(self.remove(False), NotFound)

    def test_in_use(self) -> None:
        """
        One that profiles use is removed only by force.
        """
        self.add()
        self.store.users["Test_SCEP"] = ["com.example.wifi"]
        self.failureResultOf(self.remove(False), Conflict)
        self.successResultOf(self.remove(True))

    def test_show_and_list(self) -> None:
        """
        One is shown by name, all are listed by name in pages.
        """
        for name in ("c", "a", "b"):
            self.add(replace(NEW, name=name))
        listed = self.successResultOf(Deferred.fromCoroutine(self.service.list(after="a", limit=1)))
        self.assertEqual([ca.name for ca in listed], ["b"])
        shown = self.successResultOf(Deferred.fromCoroutine(self.service.show("c")))
        self.assertEqual(shown.name, "c")
        self.failureResultOf(Deferred.fromCoroutine(self.service.show("d")), NotFound)
