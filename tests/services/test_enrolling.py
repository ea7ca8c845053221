"""
Tests for enrollment tokens and profiles.
"""

from __future__ import annotations

import plistlib
from base64 import urlsafe_b64decode
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from itertools import count

from pydantic import JsonValue
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import AccessDenied, InvalidInput, NotFound, StorageUnavailable, TemporaryError
from scepd.mdm.device_attributes import DeviceAttributes
from scepd.mdm.enrollment_reading import parse_enrollment_profile
from scepd.model import Activity
from scepd.services.enrolling import (
    CreatedEnrollmentToken,
    Enrolling,
    NewEnrollmentToken,
    token_id,
)
from scepd.services.enrollment_profiles import EnrollmentProfiles
from tests.support.fake_issuing import FakeIssuing
from tests.support.fakes import InlineWorkers
from tests.support.pki import NOW

URL = "https://mdm.example.com"
TOPIC = "com.apple.mgmt.External.1234"
NEW = NewEnrollmentToken("laptops", ("staff", "berlin", "staff"), uses=2, valid_for=3600)


class EnrollingCase(SynchronousTestCase):
    """
    The service on fakes.
    """

    def setUp(self) -> None:
        """
        Make it, with random octets that never repeat.
        """
        self.clock = Clock()
        self.clock.advance(NOW.timestamp())
        self.store = FakeIssuing()
        self.topic: str | None = TOPIC
        numbers = count(1)
        self.service = Enrolling(
            self.store,
            self.clock,
            lambda size: next(numbers).to_bytes(size, "big"),
            URL,
            lambda: self.topic,
        )

    def create(self, new: NewEnrollmentToken = NEW) -> CreatedEnrollmentToken:
        """
        Make a token.
        """
        return self.successResultOf(Deferred.fromCoroutine(self.service.create(new, "alice")))

    def begin(self, token: str) -> Deferred[bytes]:
        """
        Begin to make a profile.
        """
        return Deferred.fromCoroutine(self.service.profile(token))

    def payloads(self, token: str) -> list[dict[str, JsonValue]]:
        """
        The payloads of a profile.
        """
        profile = plistlib.loads(self.successResultOf(self.begin(token)))
        payloads: list[dict[str, JsonValue]] = profile["PayloadContent"]
        return payloads


class TokenTests(EnrollingCase):
    """
    Tests for making, listing and removing tokens.
    """

    def test_create(self) -> None:
        """
        Only the digest of a token is stored; its text is 24 random octets.
        """
        created = self.create()
        self.assertEqual(len(urlsafe_b64decode(created.text)), 24)
        self.assertEqual(created.url, f"{URL}/mdm/enroll?token={created.text}")
        digest = sha256(created.text.encode()).hexdigest()
        stored = self.store.tokens[digest]
        self.assertEqual(stored, created.token)
        self.assertEqual((stored.name, stored.labels), ("laptops", ("berlin", "staff")))
        self.assertEqual((stored.uses_left, stored.allow_reenrollment), (2, False))
        self.assertEqual(stored.expires_at, NOW + timedelta(hours=1))
        self.assertEqual(
            self.store.activities.records,
            [Activity(NOW, "alice", "added enrollment token", "laptops")],
        )

    def test_defaults(self) -> None:
        """
        A token is good for as many hosts as wanted, for a week, and not for enrolled ones.
        """
        token = self.create(NewEnrollmentToken("x")).token
        self.assertEqual((token.uses_left, token.labels), (None, ()))
        self.assertEqual(token.expires_at, NOW + timedelta(days=7))
        self.assertFalse(token.allow_reenrollment)

    def test_faults(self) -> None:
        """
        All faults are told together, and nothing is stored.
        """
        for new, fields in (
            (NewEnrollmentToken("", ("",), 0, 0), ["name", "labels", "uses", "valid_for"]),
            (NewEnrollmentToken("a\nb", ("x" * 256,)), ["name", "labels"]),
            (
                NewEnrollmentToken("x", ("x",) * 101, 1_000_001, 365 * 86_400 + 1),
                ["labels", "uses", "valid_for"],
            ),
        ):
            failure = self.failureResultOf(
                Deferred.fromCoroutine(self.service.create(new, "alice")), InvalidInput
            )
            self.assertEqual([fault.field for fault in failure.value.faults], fields)
        self.assertEqual((self.store.tokens, self.store.activities.records), ({}, []))

    def test_list(self) -> None:
        """
        The newest comes first.
        """
        tokens = [self.create().token for _ in range(2)]
        found = self.successResultOf(Deferred.fromCoroutine(self.service.list()))
        self.assertEqual(found, tokens[::-1])

    def test_remove(self) -> None:
        """
        A token is removed by its id.
        """
        kept, gone = self.create(), self.create(replace(NEW, name="old"))
        self.successResultOf(
            Deferred.fromCoroutine(self.service.remove(token_id(gone.token.sha256), "alice"))
        )
        self.assertEqual(list(self.store.tokens.values()), [kept.token])
        self.assertEqual(
            self.store.activities.records[-1],
            Activity(NOW, "alice", "removed enrollment token", "old"),
        )
        self.failureResultOf(self.begin(gone.text), AccessDenied)

    def test_remove_unknown(self) -> None:
        """
        An id that no token has; part of one is none.
        """
        known = token_id(self.create().token.sha256)
        for identifier in ("", known[:-1], known + "0", "laptops"):
            self.failureResultOf(
                Deferred.fromCoroutine(self.service.remove(identifier, "alice")), NotFound
            )


class ProfileTests(EnrollingCase):
    """
    Tests for L{Enrolling.profile}.
    """

    def test_profile(self) -> None:
        """
        It names our URLs and the topic, and asks for an identity with a subject and a challenge
        that nobody had before.
        """
        scep, mdm = self.payloads(self.create().text)
        content = scep["PayloadContent"]
        assert isinstance(content, dict)
        self.assertEqual(content["URL"], f"{URL}/mdm/scep/ca")
        self.assertEqual(mdm["ServerURL"], f"{URL}/mdm/connect")
        self.assertEqual(mdm["CheckInURL"], f"{URL}/mdm/checkin")
        self.assertEqual((mdm["Topic"], mdm["SignMessage"]), (TOPIC, True))
        self.assertEqual(mdm["IdentityCertificateUUID"], scep["PayloadUUID"])
        [challenge] = self.store.challenges.values()
        self.assertEqual(challenge.sha256, sha256(str(content["Challenge"]).encode()).hexdigest())
        self.assertEqual(len(urlsafe_b64decode(str(content["Challenge"]))), 24)
        self.assertEqual(content["Subject"], [[["CN", challenge.subject.removeprefix("CN=")]]])
        self.assertRegex(challenge.subject, r"^CN=[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f-]+$")
        self.assertEqual(challenge.expires_at, NOW + timedelta(hours=1))
        self.assertEqual((challenge.token_sha256, challenge.used_by), (*self.store.tokens, None))

    def test_fetched_twice(self) -> None:
        """
        Fetching counts no use, and gives other challenges and subjects each time.
        """
        text = self.create(replace(NEW, uses=1)).text
        self.assertNotEqual(self.payloads(text), self.payloads(text))
        self.assertEqual(len(self.store.challenges), 2)
        subjects = {challenge.subject for challenge in self.store.challenges.values()}
        self.assertEqual(len(subjects), 2)
        [token] = self.store.tokens.values()
        self.assertEqual(token.uses_left, 1)

    def test_invalid_tokens(self) -> None:
        """
        Unknown, expired and used up tokens are refused alike, and leave nothing behind.
        """
        used_up, expired = self.create(), self.create()
        self.store.tokens[used_up.token.sha256] = replace(used_up.token, uses_left=0)
        self.store.tokens[expired.token.sha256] = replace(expired.token, expires_at=NOW)
        for text, sentence in (
            ("", "the enrollment link is not known"),
            ("x" * 32, "the enrollment link is not known"),
            ("\ud800", "the enrollment link is not known"),
            (used_up.token.sha256, "the enrollment link is not known"),
            (used_up.text, "the enrollment link is used up"),
            (expired.text, "the enrollment link has expired"),
        ):
            failure = self.failureResultOf(self.begin(text), AccessDenied)
            self.assertEqual(str(failure.value), sentence)
        self.assertEqual(self.store.challenges, {})

    def test_bound(self) -> None:
        """
        What a device proved of itself goes into its challenge; what it did not say does not.
        """
        token = self.create().text
        for device, bound in (
            (DeviceAttributes("UDID-1", "C02ABC"), ("UDID-1", "C02ABC")),
            (DeviceAttributes("", "C02ABC"), (None, "C02ABC")),
            (None, (None, None)),
        ):
            self.store.challenges.clear()
            self.successResultOf(Deferred.fromCoroutine(self.service.profile(token, device)))
            (stored,) = self.store.challenges.values()
            self.assertEqual((stored.host_uuid, stored.serial_number), bound)

    def test_signed(self) -> None:
        """
        Profiles are signed in a thread when there is something to sign with.
        """
        workers = InlineWorkers()
        profiles = EnrollmentProfiles(
            bytes, URL, lambda: TOPIC, workers, lambda content: b"signed " + content[:5]
        )
        self.service = Enrolling(self.store, self.clock, bytes, URL, lambda: TOPIC, profiles)
        self.assertEqual(self.successResultOf(self.begin(self.create().text)), b"signed <?xml")
        self.assertEqual(workers.calls, 1)

    def test_removed_meanwhile(self) -> None:
        """
        A token that is removed while the profile is made is not known.
        """
        text = self.create().text

        def remove() -> str:
            self.store.tokens.clear()
            return TOPIC

        service = Enrolling(self.store, self.clock, bytes, URL, remove)
        failure = self.failureResultOf(Deferred.fromCoroutine(service.profile(text)), AccessDenied)
        self.assertEqual(str(failure.value), "the enrollment link is not known")

    def test_other_proofs(self) -> None:
        """
        Devices are sent elsewhere to check in, and told not to sign, where that is configured; the
        certificate authority stays where it is.
        """
        for options, base, signs in (
            ({}, URL, True),
            ({"mdm_url": "https://m.example:8443"}, "https://m.example:8443", True),
            ({"sign_message": False}, URL, False),
        ):
            self.service = Enrolling(
                self.store,
                self.clock,
                bytes,
                URL,
                lambda: TOPIC,
                EnrollmentProfiles(bytes, URL, lambda: TOPIC, **options),
            )
            content = self.successResultOf(self.begin(self.create().text))
            found = parse_enrollment_profile(content)
            self.assertEqual(found.server_url, f"{base}/mdm/connect")
            self.assertEqual(found.check_in_url, f"{base}/mdm/checkin")
            self.assertEqual(found.scep_url, f"{URL}/mdm/scep/ca")
            self.assertIs(found.sign_message, signs)

    def test_no_topic(self) -> None:
        """
        Without a push certificate nobody enrolls; strangers do not learn of it.
        """
        self.topic = None
        failure = self.failureResultOf(self.begin(self.create().text), TemporaryError)
        self.assertEqual(str(failure.value), "APNs is not configured")
        self.assertEqual(self.store.challenges, {})
        self.failureResultOf(self.begin("x" * 32), AccessDenied)

    def test_storage_unavailable(self) -> None:
        """
        Without its database nobody is refused.
        """
        text = self.create().text
        self.store.broken = True
        self.failureResultOf(self.begin(text), StorageUnavailable)

    def test_secrets_are_not_logged(self) -> None:
        """
        Neither tokens nor challenges are in the log.
        """
        with capturedLogs() as events:
            text = self.create().text
            content = self.payloads(text)[0]["PayloadContent"]
            self.failureResultOf(self.begin(text[::-1]), AccessDenied)
        assert isinstance(content, dict)
        self.assertEqual(len(events), 2)
        for secret in (text, text[::-1], str(content["Challenge"])):
            self.assertNotIn(secret, repr(events))
