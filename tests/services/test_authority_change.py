"""
Tests for changing certificate authorities, and for the alarm when one's certificate changed.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from twisted.internet.defer import Deferred
from twisted.logger import LogLevel, capturedLogs, formatEvent

from scepd.errors import (
    Conflict,
    InvalidInput,
    NotFound,
    SecretUnreadable,
    StorageUnavailable,
    UpstreamError,
    UpstreamFault,
)
from scepd.model import Activity, CertificateAuthority, challenge_place, client_key_place
from scepd.pki.keyring import Keyring
from scepd.ports import ClientCredentials
from scepd.services.authority_change import AuthorityChange, Setting
from scepd.services.authority_check import CheckReport
from tests.services.ca_certificates import (
    NOW,
    bag,
    certificate,
    der,
    ec_key,
    rsa_key,
    sha256,
    strange_key,
)
from tests.services.client_certificates import certificate_pem, key_pem
from tests.services.test_authorities import CERT, CHALLENGE, NEW, AuthoritiesCase

CHANGED = Activity(NOW + timedelta(days=1), "bob", "changed certificate authority", "Test_SCEP")
OTHER_URL = "https://other.example.com/scep"


class ChangeCase(AuthoritiesCase):
    """
    A certificate authority that was added a day ago.
    """

    def setUp(self) -> None:
        """
        Add it, with settings.
        """
        super().setUp()
        self.add(replace(NEW, url="https://ca.example.com/scep", max_concurrency=3))
        self.before = self.stored
        self.store.activities.records.clear()
        self.upstream.fetched.clear()
        self.clock.advance(86400)

    @property
    def stored(self) -> CertificateAuthority:
        """
        It, as it is stored now.
        """
        return self.store.by_name["Test_SCEP"]

    def begin_change(self, **settings: Setting) -> Deferred[CheckReport]:
        """
        Begin to change it.
        """
        change = AuthorityChange(settings)
        return Deferred.fromCoroutine(self.service.change("Test_SCEP", change, "bob"))

    def change(self, **settings: Setting) -> CheckReport:
        """
        Change it.
        """
        return self.successResultOf(self.begin_change(**settings))

    def faults(self, **settings: Setting) -> list[tuple[str, str]]:
        """
        Why it can't be changed so; nothing was asked or changed.
        """
        error = self.failureResultOf(self.begin_change(**settings), InvalidInput).value
        self.assertEqual(self.upstream.fetched, [])
        self.assert_unchanged()
        return [(fault.field, fault.message) for fault in error.faults]

    def assert_unchanged(self) -> None:
        """
        Nothing is other than before, and no activity says so.
        """
        self.assertEqual(self.stored, self.before)
        self.assertEqual(self.store.activities.records, [])


class ChangeTests(ChangeCase):
    """
    Tests for L{CertificateAuthorities.change}.
    """

    def test_only_what_is_given(self) -> None:
        """
        The settings that are given change, all others stay; it is one activity.
        """
        self.change(max_concurrency=5, requests_per_second=2.5)
        expected = replace(
            self.before,
            max_concurrency=5,
            requests_per_second=2.5,
            checked_at=NOW + timedelta(days=1),
        )
        self.assertEqual(self.stored, expected)
        self.assertEqual(self.store.activities.records, [CHANGED])

    def test_everything(self) -> None:
        """
        Each setting can be changed, and the live check is made with the new ones.
        """
        self.upstream.answers[CERT + b"&message=x"] = self.upstream.answers[CERT]
        pem = certificate_pem()
        report = self.change(
            name="Test_SCEP",
            url=OTHER_URL,
            challenge="another",
            max_concurrency=7,
            ca_identifier="x",
            trusted_certificates=pem,
            allow_single_des=True,
            requests_per_second=0.5,
            pinned_sha256="AB:" * 31 + "AB",
            client_certificate=pem,
            client_key=key_pem(),
            outgoing_proxy="http://proxy:3128/",
        )
        self.assertFalse(report.fingerprint_changed)
        target = self.upstream.fetched[0][0]
        self.assertEqual((target.name, target.url), ("Test_SCEP", OTHER_URL))
        self.assertEqual(target.trusted_certificates, pem)
        self.assertEqual(target.pinned_sha256, "ab" * 32)
        self.assertEqual(target.client, ClientCredentials(pem, key_pem()))
        self.assertEqual(target.outgoing_proxy, "http://proxy:3128")
        now = self.stored
        self.assertEqual((now.url, now.max_concurrency, now.ca_identifier), (OTHER_URL, 7, "x"))
        self.assertEqual((now.trusted_certificates, now.client_certificate), (pem, pem))
        self.assertEqual((now.allow_single_des, now.requests_per_second), (True, 0.5))
        self.assertEqual(now.pinned_sha256, "ab" * 32)
        self.assertEqual(now.outgoing_proxy, "http://proxy:3128")
        self.assertEqual(now.created_at, self.before.created_at)
        assert now.challenge is not None
        opened = self.keyring.open(now.challenge, challenge_place("Test_SCEP"))
        self.assertEqual(opened, b"another")
        assert now.client_key is not None
        key = self.keyring.open(now.client_key, client_key_place("Test_SCEP"))
        self.assertEqual(key.decode(), key_pem())

    def test_cleared(self) -> None:
        """
        What may be missing can be taken away; the key goes with its certificate.
        """
        self.change(
            client_certificate=certificate_pem(),
            client_key=key_pem(),
            pinned_sha256="ab" * 32,
            requests_per_second=1,
            trusted_certificates=certificate_pem(),
        )
        self.assertIsNotNone(self.stored.client_key)
        self.change(
            client_certificate=None,
            pinned_sha256=None,
            requests_per_second=None,
            trusted_certificates=None,
        )
        self.assertEqual(self.stored, replace(self.before, checked_at=self.stored.checked_at))

    def test_challenge_stays(self) -> None:
        """
        Without a challenge the stored one stays, byte for byte, even if it can't be opened.
        """
        self.keyring = Keyring({"k2": bytes(32)})
        self.change(max_concurrency=5)
        self.assertEqual(self.stored.challenge, self.before.challenge)

    def test_elsewhere(self) -> None:
        """
        Another URL, or another proxy on the way, needs the challenge again: else a stolen token
        could have the stored one sent elsewhere.
        """
        self.assertEqual(
            self.faults(url=OTHER_URL),
            [("challenge", "With another URL the challenge has to be given again.")],
        )
        self.assertEqual(
            self.faults(outgoing_proxy="http://evil:3128"),
            [("challenge", "With another proxy the challenge has to be given again.")],
        )
        self.change(url=self.before.url, outgoing_proxy=None)
        self.change(outgoing_proxy="http://proxy:3128", challenge=CHALLENGE)
        self.change(outgoing_proxy="http://proxy:3128")

    def test_elsewhere_without_it(self) -> None:
        """
        With one-time challenges from then on the stored challenge is gone, and is not needed.
        """
        self.change(url=OTHER_URL, outgoing_proxy="http://proxy:3128", challenge_mode="one_time")
        self.assertEqual((self.stored.url, self.stored.challenge), (OTHER_URL, None))
        self.change(url=self.before.url)
        self.before = self.stored
        self.store.activities.records.clear()
        self.upstream.fetched.clear()
        self.assertEqual(
            self.faults(url=OTHER_URL, challenge_mode="static"),
            [("challenge", "A challenge is needed.")],
        )

    def test_elsewhere_with_the_same_mode(self) -> None:
        """
        A mode that still is the static one, or is none, changes nothing about that.
        """
        for mode in ("static", "other", None):
            found = self.faults(url=OTHER_URL, challenge_mode=mode)
            self.assertEqual(found[0][0], "challenge")

    def test_mask(self) -> None:
        """
        The mask is never stored.
        """
        self.assertEqual(self.faults(challenge="********", url=OTHER_URL)[0][0], "challenge")

    def test_name(self) -> None:
        """
        The name can't be changed.
        """
        ((field, message),) = self.faults(name="Other")
        self.assertEqual(field, "name")
        self.assertIn("can't be changed", message)

    def test_nothing(self) -> None:
        """
        A change of nothing is refused.
        """
        self.assertEqual(self.faults(), [("body", "Nothing is given that shall be changed.")])

    def test_all_faults_together(self) -> None:
        """
        The faults of all fields come together, those of the client certificate among them.
        """
        found = self.faults(
            name="Other",
            url="ftp://x",
            max_concurrency=0,
            requests_per_second=0,
            client_certificate="x",
            client_key="y",
        )
        self.assertEqual(
            [field for field, _ in found],
            [
                "name",
                "challenge",
                "url",
                "max_concurrency",
                "requests_per_second",
                "client_certificate",
            ],
        )

    def test_against_what_stays(self) -> None:
        """
        New settings are judged together with those that stay.
        """
        self.change(client_certificate=certificate_pem(), client_key=key_pem())
        self.before = self.stored
        self.store.activities.records.clear()
        self.upstream.fetched.clear()
        plain = self.faults(url="http://ca.example.com/scep", challenge=CHALLENGE)
        self.assertEqual([field for field, _ in plain], ["client_certificate"])
        self.assertEqual(self.faults(client_key=None)[0][0], "client_key")
        self.change(client_certificate=certificate_pem(serial=5))
        target = self.upstream.fetched[0][0]
        assert target.client is not None
        self.assertEqual(target.client.private_key, key_pem())

    def test_unreadable_key(self) -> None:
        """
        A stored key that does not open refuses each change but that of the key.
        """
        self.change(client_certificate=certificate_pem(), client_key=key_pem())
        self.keyring = Keyring({"k2": bytes(32)})
        self.service = self.make_service()
        self.failureResultOf(self.begin_change(max_concurrency=5), SecretUnreadable)
        self.change(client_key=key_pem())
        self.change(max_concurrency=5)

    def test_check_fails(self) -> None:
        """
        Nothing is changed when the certificate authority can't be reached with the new settings,
        or answers what is no good.
        """
        self.upstream.answers[CERT] = UpstreamError(UpstreamFault.TLS, "The pin is another.")
        error = self.failureResultOf(self.begin_change(pinned_sha256="ab" * 32), UpstreamError)
        self.assertEqual(error.value.sentence, "The pin is another.")
        self.assert_unchanged()
        self.answer(b"<html>")
        self.failureResultOf(self.begin_change(max_concurrency=5), InvalidInput)
        self.assert_unchanged()

    def test_store_fails(self) -> None:
        """
        Nothing is changed when the store fails, or there is nothing of that name.
        """
        self.store.broken = True
        self.failureResultOf(self.begin_change(max_concurrency=5), StorageUnavailable)
        self.store.broken = False
        self.assert_unchanged()
        change = AuthorityChange({"max_concurrency": 5})
        missing = Deferred.fromCoroutine(self.service.change("other", change, "bob"))
        self.failureResultOf(missing, NotFound)

    def test_two_at_one_time(self) -> None:
        """
        Of two changes at one time the later is a conflict.
        """
        slow: Deferred[tuple[bytes, bytes]] = Deferred()
        self.upstream.answers[CERT] = slow
        late = self.begin_change(max_concurrency=9)
        self.answer(der(certificate()))
        self.change(max_concurrency=5)
        slow.callback((b"application/x-x509-ca-cert", der(certificate())))
        self.failureResultOf(late, Conflict)
        self.assertEqual(self.stored.max_concurrency, 5)

    def test_another_certificate(self) -> None:
        """
        Another certificate is told and stored with the change, as one activity.
        """
        renewed = certificate(serial=99)
        self.answer(der(renewed))
        report = self.change(max_concurrency=5)
        self.assertTrue(report.fingerprint_changed)
        self.assertEqual(report.previous_sha256, sha256(certificate()))
        self.assertEqual(self.stored.certificates, (der(renewed),))
        self.assertEqual(self.store.activities.records, [CHANGED])

    def test_secrets_are_nowhere(self) -> None:
        """
        Neither log, report, errors nor change show a challenge or a key.
        """
        change = AuthorityChange({"challenge": "another", "client_key": key_pem()})
        with capturedLogs() as events:
            refused = self.failureResultOf(self.begin_change(**change.settings), InvalidInput)
            report = self.change(client_certificate=certificate_pem(), **change.settings)
        for text in (repr(events), repr(report), str(refused.value), repr(change)):
            self.assertNotIn("another", text)
            self.assertNotIn("PRIVATE", text)


class AlarmTests(ChangeCase):
    """
    Tests for what happens when its certificate is another than before.
    """

    def setUp(self) -> None:
        """
        Its certificate changes.
        """
        super().setUp()
        self.renewed = certificate(serial=99)
        self.found = Activity(
            NOW + timedelta(days=1),
            "bob",
            "found another certificate of certificate authority",
            "Test_SCEP",
        )

    def seen(self, body: bytes, name: str = "Test_SCEP") -> bool:
        """
        Show it an answer to GetCACert.
        """
        return self.successResultOf(
            Deferred.fromCoroutine(self.service.certificates_seen(name, body))
        )

    def test_check(self) -> None:
        """
        A check that finds another certificate stores it with an activity of the operator's, and
        warns with both fingerprints; the next finds nothing new.
        """
        self.answer(der(self.renewed))
        with capturedLogs() as events:
            report = self.successResultOf(
                Deferred.fromCoroutine(self.service.check("Test_SCEP", "bob"))
            )
        self.assertEqual(report.previous_sha256, sha256(certificate()))
        self.assertEqual(self.store.activities.records, [self.found])
        (warning,) = (event for event in events if event["log_level"] is LogLevel.warn)
        self.assertEqual(
            (warning["ca"], warning["sha256"], warning["before"]),
            ("Test_SCEP", sha256(self.renewed), sha256(certificate())),
        )
        self.successResultOf(self.check())
        self.assertEqual(len(self.store.activities.records), 1)

    def test_seen(self) -> None:
        """
        An answer that came for another reason raises the alarm once, in scepd's name, and changes
        nothing but the certificates.
        """
        self.assertFalse(self.seen(der(certificate())))
        self.assert_unchanged()
        with capturedLogs() as events:
            self.assertTrue(self.seen(der(self.renewed)))
            self.assertFalse(self.seen(der(self.renewed)))
        self.assertEqual(self.stored, replace(self.before, certificates=(der(self.renewed),)))
        self.assertEqual(self.store.activities.records, [replace(self.found, actor="scepd")])
        levels = [event["log_level"] for event in events]
        self.assertEqual(levels.count(LogLevel.warn), 1)

    def test_client_certificate(self) -> None:
        """
        A client certificate that expires within 30 days, or has expired, is a warning.
        """
        until = NOW + timedelta(days=31)
        expires = certificate_pem(not_after=until)
        settings = {"client_certificate": expires, "client_key": key_pem()}
        self.assertEqual(self.change(**settings).warnings, ())
        for days, words in (
            (2, "expires soon, at 2026-07-02T12:00:00+00:00."),
            (29, "expired at 2026-07-02T12:00:00+00:00."),
        ):
            self.clock.advance(days * 86400)
            warnings = self.successResultOf(self.check()).warnings
            self.assertEqual(warnings, (f"Our client certificate for it {words}",))

    def test_agent(self) -> None:
        """
        A certificate for encryption that is new beside the same authority is no alarm if that one
        issued it, in whatever order they come and whatever it was before.
        """
        for bits in (2048, 3072):
            key = rsa_key(bits)
            agent = certificate("RA", issuer="Test CA", key=key, signer=rsa_key(), is_ca=False)
            for body in (bag(certificate(), agent), bag(agent, certificate())):
                self.assertFalse(self.seen(body))
        self.assert_unchanged()

    def test_strange_agent(self) -> None:
        """
        One that the authority did not issue raises the alarm, once, although the authority's own
        certificate is the same: devices would encrypt the challenge to it.
        """
        strange = certificate("RA", issuer="Test CA", key=strange_key(), is_ca=False)
        with capturedLogs() as events:
            self.assertTrue(self.seen(bag(strange, certificate())))
            self.assertFalse(self.seen(bag(strange, certificate())))
        self.assertEqual(self.store.activities.records, [replace(self.found, actor="scepd")])
        (warning,) = (event for event in events if event["log_level"] is LogLevel.warn)
        self.assertEqual(
            formatEvent(warning),
            "Devices may encrypt to another certificate of Test_SCEP than before, not issued by "
            f"it: {sha256(strange)} of CN=RA instead of {sha256(certificate())}",
        )
        self.assertEqual(set(self.stored.certificates), {der(strange), der(certificate())})

    def test_strange_agent_at_a_check(self) -> None:
        """
        So does a check, whose report says so, too; a change of settings says it, as one activity.
        """
        strange = certificate("RA", issuer="Evil", key=strange_key(), is_ca=False)
        self.answer(bag(strange, certificate()))
        told = (
            "A certificate that devices may encrypt to is another than at the last check: "
            f"{sha256(strange)} of CN=RA instead of {sha256(certificate())}."
        )
        before = self.stored
        report = self.successResultOf(self.check())
        self.assertEqual(self.store.activities.records, [replace(self.found, actor="scepd")])
        self.assertFalse(report.fingerprint_changed)
        self.assertEqual(report.warnings[-1], told)
        self.assertIn("Devices may encrypt to CN=RA", report.warnings[-2])
        self.assertNotIn(told, self.successResultOf(self.check()).warnings)
        self.assertEqual(len(self.store.activities.records), 1)
        self.store.by_name["Test_SCEP"] = before
        self.assertIn(told, self.change(max_concurrency=5).warnings)

    def test_bad_answers(self) -> None:
        """
        An answer that is no good is a warning, once for each; with another certificate than before
        it raises the alarm, too. What was known stays.
        """
        days = timedelta(days=1)
        key = strange_key()
        expired = der(certificate(key=key, not_before=NOW - 9 * days, not_after=NOW))
        early = der(certificate(key=key, not_before=NOW + 9 * days))
        unusable = der(certificate("RA", key=ec_key(), is_ca=False))
        agent = certificate("RA", key=key, is_ca=False, not_after=NOW)
        for body, reason in (
            (expired, "expired at 2026-06-01"),
            (early, "is not valid before 2026-06-10"),
            (unusable, "has a key of the type EC"),
            (bag(agent, certificate()), "CN=RA expired at 2026-06-01"),
        ):
            self.store.activities.records.clear()
            with capturedLogs() as events:
                for _ in range(3):
                    self.assertFalse(self.seen(body))
            self.assertEqual(self.store.activities.records, [replace(self.found, actor="scepd")])
            told = [formatEvent(one) for one in events if one["log_level"] is LogLevel.warn]
            self.assertEqual(len(told), 2, told)
            self.assertIn("The answer of Test_SCEP to GetCACert is no good: ", told[0])
            self.assertIn(reason, told[0])
            self.assertEqual(self.stored, self.before)

    def test_same_certificate_expired(self) -> None:
        """
        The certificate that was known all the time is no alarm when it has expired, but a warning,
        once.
        """
        own, end = der(certificate()), NOW + timedelta(days=3651)
        with capturedLogs() as events:
            self.clock.advance((end - NOW).total_seconds())
            self.assertFalse(self.seen(own))
            self.assertFalse(self.seen(own))
        self.assertEqual([one["log_level"] for one in events], [LogLevel.warn])
        self.assert_unchanged()

    def test_bad_answers_for_days(self) -> None:
        """
        A bad answer that goes on coming, or comes and goes, is told once a day.
        """
        expired = der(certificate(not_before=NOW - timedelta(days=9), not_after=NOW))
        for _ in range(49):
            self.assertFalse(self.seen(expired))
            self.assertFalse(self.seen(der(certificate())))
            self.clock.advance(3600)
        self.assertEqual(len(self.store.activities.records), 3)

    def test_nonsense(self) -> None:
        """
        An answer without a certificate is a warning and no alarm; one of a certificate authority
        that is gone is passed over.
        """
        with capturedLogs() as events:
            for body in (b"", b"", b"<html>"):
                self.assertFalse(self.seen(body))
            self.assertFalse(self.seen(der(self.renewed), "other"))
        self.assertEqual([one["log_level"] for one in events], [LogLevel.warn] * 2)
        self.assert_unchanged()
