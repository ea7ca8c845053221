"""
What every database must do for the embedded certificate authority.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from scepd.errors import Conflict, NotFound
from scepd.model import CARole, IssuedCertificate, PendingRequest, RequestState
from tests.storage import records
from tests.storage.base import StorageTestCase
from tests.storage.records import HOUR, NOON, SECOND


class CAStateContract(StorageTestCase):
    """
    CAStateStore.
    """

    async def test_first(self) -> None:
        """
        The first state is kept, field by field.
        """
        self.assertEqual(await self.ca_states.ca_states(), [])
        created = await self.ca_states.create_ca_state(records.ca_state())
        self.assertEqual(created, records.ca_state())
        self.assertEqual(await self.ca_states.ca_states(), [records.ca_state()])

    async def test_second(self) -> None:
        """
        Who comes second is told what the first one stored.
        """
        await self.ca_states.create_ca_state(records.ca_state())
        created = await self.ca_states.create_ca_state(records.ca_state("02"))
        self.assertEqual(created, records.ca_state())
        self.assertEqual(await self.ca_states.ca_states(), [records.ca_state()])

    async def test_roll_over(self) -> None:
        """
        A planned state is the next one; committed it is the current one, and the one of before a
        previous one, however often.
        """
        await self.ca_states.create_ca_state(records.ca_state())
        for number in (2, 3):
            following = replace(
                records.ca_state(f"0{number}"), created_at=NOON + number * HOUR, role=CARole.NEXT
            )
            await self.ca_states.plan_ca_state(following, records.activity("plan"))
            self.assertEqual((await self.ca_states.ca_states())[0], following)
            await self.ca_states.commit_ca_state(records.activity("commit"))
        roles = [(one.serial, one.role) for one in await self.ca_states.ca_states()]
        self.assertEqual(
            roles,
            [("03", CARole.CURRENT), ("02", CARole.PREVIOUS), ("01", CARole.PREVIOUS)],
        )
        self.assertEqual(len(await self.done()), 4)
        again = await self.ca_states.create_ca_state(records.ca_state("09"))
        self.assertEqual(again.serial, "03")

    async def test_roll_over_cancelled(self) -> None:
        """
        A next state that was cancelled is gone with its key, and another one may be planned.
        """
        await self.ca_states.create_ca_state(records.ca_state())
        for serial in ("02", "03"):
            following = replace(records.ca_state(serial), role=CARole.NEXT)
            await self.ca_states.plan_ca_state(following, records.activity("plan"))
            await self.ca_states.cancel_ca_state(records.activity("cancel"))
        roles = [(one.serial, one.role) for one in await self.ca_states.ca_states()]
        self.assertEqual(roles, [(records.ca_state().serial, CARole.CURRENT)])
        self.assertEqual(len(await self.done()), 4)

    async def test_roll_over_out_of_order(self) -> None:
        """
        There is no second next state, no commit without one, and no activity of either.
        """
        await self.ca_states.create_ca_state(records.ca_state())
        await self.refused(Conflict, self.ca_states.commit_ca_state(records.activity()))
        await self.refused(Conflict, self.ca_states.cancel_ca_state(records.activity()))
        following = replace(records.ca_state("02"), role=CARole.NEXT)
        await self.ca_states.plan_ca_state(following, records.activity("plan"))
        third = replace(records.ca_state("03"), role=CARole.NEXT)
        await self.refused(Conflict, self.ca_states.plan_ca_state(third, records.activity()))
        self.assertEqual(await self.done(), [records.activity("plan")])


class IssuingContract(StorageTestCase):
    """
    The certificates of IssuingStore.
    """

    async def add_challenge(self, **token: object) -> None:
        """
        The challenge c1 of the token e1.
        """
        new = records.enrollment_token("e1", **token)
        await self.enrollment_tokens.add_enrollment_token(new, records.activity())
        await self.enrollment_tokens.add_challenge(records.challenge())

    async def uses_left(self) -> int | None:
        """
        How often the token e1 may still be used.
        """
        token = await self.enrollment_tokens.enrollment_token("e1")
        assert token is not None
        return token.uses_left

    async def test_kept(self) -> None:
        """
        What was issued is found by request and fingerprint, field by field.
        """
        static = records.issued(purpose="profile", challenge_sha256=None)
        self.assertEqual(await self.issuing.issue(static, NOON), static)
        self.assertEqual(await self.issuing.issued("request-0B"), static)
        self.assertEqual(await self.issuing.certificate_by_sha256("sha-0B"), static)
        self.assertIsNone(await self.issuing.issued("sha-0B"))
        self.assertIsNone(await self.issuing.certificate_by_sha256("request-0B"))

    async def test_spends_challenge(self) -> None:
        """
        The first issue spends the challenge for its key and counts one use of the token.
        """
        await self.add_challenge()
        self.assertEqual(await self.issuing.challenge("c1"), records.challenge())
        await self.issuing.issue(records.issued(), NOON)
        self.assertEqual(await self.issuing.challenge("c1"), records.challenge(used_by="k1"))
        self.assertEqual(await self.uses_left(), 1)

    async def test_same_request(self) -> None:
        """
        The same request gets the same certificate, at no cost, even when all is over.
        """
        await self.add_challenge()
        first = await self.issuing.issue(records.issued(), NOON)
        again = records.issued("0C", request_sha256="request-0B")
        self.assertEqual(await self.issuing.issue(again, NOON + 100 * HOUR), first)
        self.assertIsNone(await self.issuing.certificate_by_sha256("sha-0C"))
        self.assertEqual(await self.uses_left(), 1)

    async def test_same_key(self) -> None:
        """
        The same key may have another certificate for its challenge; it counts once.
        """
        await self.add_challenge(uses_left=1)
        await self.issuing.issue(records.issued(), NOON)
        second = records.issued("0C")
        self.assertEqual(await self.issuing.issue(second, NOON), second)
        self.assertEqual(await self.uses_left(), 0)

    async def test_other_key(self) -> None:
        """
        A spent challenge is of no use to another key, and nothing is counted.
        """
        await self.add_challenge()
        await self.issuing.issue(records.issued(), NOON)
        other = records.issued("0C", public_key_sha256="k2")
        await self.refused(Conflict, self.issuing.issue(other, NOON))
        self.assertEqual(await self.uses_left(), 1)
        self.assertIsNone(await self.issuing.issued("request-0C"))

    async def test_transaction_of_another_key(self) -> None:
        """
        One transactionID is for one key, whatever the challenge.
        """
        await self.add_challenge()
        static = records.issued("0C", public_key_sha256="k2", challenge_sha256=None)
        await self.issuing.issue(static, NOON)
        same = records.issued(transaction_id="transaction-0C")
        await self.refused(Conflict, self.issuing.issue(same, NOON))
        self.assertEqual(await self.issuing.challenge("c1"), records.challenge())
        own = replace(static, serial="0D", sha256="sha-0D", request_sha256="request-0D")
        self.assertEqual(await self.issuing.issue(own, NOON), own)

    async def test_unknown_challenge(self) -> None:
        """
        A challenge that nobody made is refused.
        """
        await self.refused(Conflict, self.issuing.issue(records.issued(), NOON))

    async def test_challenge_for_another_subject(self) -> None:
        """
        A challenge is for its subject only, and is not spent by another.
        """
        await self.add_challenge()
        other = records.issued(subject="CN=H-2")
        said = await self.refused(Conflict, self.issuing.issue(other, NOON))
        self.assertEqual(said, "the challenge is for another subject")
        self.assertEqual(await self.issuing.challenge("c1"), records.challenge())

    async def renewed(self, serial: str = "0C", **changes: object) -> IssuedCertificate:
        """
        The renewal of 0B, stored.
        """
        new = records.issued(
            serial, **({"challenge_sha256": None, "renewed_sha256": "sha-0B"} | changes)
        )
        return await self.issuing.issue(new, NOON)

    async def test_renewal(self) -> None:
        """
        A renewal of an MDM identity is one, with the labels of the same token, at no cost, and
        pinned as the one before.
        """
        await self.add_challenge(uses_left=1)
        await self.issuing.issue(records.issued(), NOON)
        self.assertEqual((await self.renewed()).renewed_sha256, "sha-0B")
        self.assertEqual(await self.uses_left(), 0)
        found = await self.checkins.identity("sha-0C")
        assert found is not None
        self.assertEqual((found.enrollment_id, found.labels), (None, ("berlin", "new")))
        await self.checkins.authenticate(records.host(), records.enrollment(), "sha-0B")
        await self.renewed("0D")
        again = await self.checkins.identity("sha-0D")
        assert again is not None
        self.assertEqual((again.enrollment_id, again.host_uuid), ("H-1", "H-1"))
        first = await self.checkins.identity("sha-0B")
        assert first is not None
        self.assertEqual(first.enrollment_id, "H-1")

    async def test_renewal_of_no_identity(self) -> None:
        """
        What renews a certificate for the static challenge is no MDM identity either.
        """
        static = records.issued(purpose="profile", challenge_sha256=None)
        await self.issuing.issue(static, NOON)
        await self.renewed(purpose="profile")
        self.assertIsNone(await self.checkins.identity("sha-0C"))
        await self.refused(Conflict, self.renewed("0D", purpose="enroll"))

    async def test_renewal_refused(self) -> None:
        """
        What is unknown, expired or revoked renews nothing.
        """
        await self.refused(Conflict, self.renewed())
        await self.add_challenge()
        await self.issuing.issue(records.issued(not_after=NOON), NOON)
        await self.refused(Conflict, self.renewed())
        await self.issuing.issue(records.issued("0A"), NOON)
        await self.certificates.revoke("0A", "superseded", records.activity())
        await self.refused(Conflict, self.renewed(renewed_sha256="sha-0A"))
        self.assertIsNone(await self.issuing.certificate_by_sha256("sha-0C"))

    async def test_expired_challenge(self) -> None:
        """
        A challenge is good until its time, and not at it.
        """
        await self.add_challenge()
        await self.refused(Conflict, self.issuing.issue(records.issued(), NOON + HOUR))
        await self.issuing.issue(records.issued(), NOON + HOUR - SECOND)

    async def test_token_expired_or_used_up(self) -> None:
        """
        A challenge whose token has expired, or is used up, is of no use.
        """
        for token in ({"uses_left": 0}, {"expires_at": NOON}):
            await self.add_challenge(**token)
            await self.refused(Conflict, self.issuing.issue(records.issued(), NOON))
            await self.enrollment_tokens.remove_enrollment_token("e1", records.activity())

    async def test_token_gone(self) -> None:
        """
        With the token goes the challenge.
        """
        await self.add_challenge()
        await self.enrollment_tokens.remove_enrollment_token("e1", records.activity())
        self.assertIsNone(await self.issuing.challenge("c1"))
        await self.refused(Conflict, self.issuing.issue(records.issued(), NOON))

    async def test_unlimited_token(self) -> None:
        """
        A token without a number of uses has none to count.
        """
        await self.add_challenge(uses_left=None)
        await self.issuing.issue(records.issued(), NOON)
        self.assertIsNone(await self.uses_left())


class RevocationContract(StorageTestCase):
    """
    CertificateStore.
    """

    async def add(self, *serials: str, **changes: object) -> None:
        """
        Certificates for the static challenge, each a second newer.
        """
        for number, serial in enumerate(serials):
            at = NOON + number * SECOND
            new = {"purpose": "profile", "challenge_sha256": None, "issued_at": at, **changes}
            await self.issuing.issue(records.issued(serial, **new), NOON)

    async def serials(self, after: str, limit: int) -> list[str]:
        """
        The serial numbers of a page.
        """
        page = await self.certificates.certificate_page(after=after, limit=limit)
        return [one.serial for one in page]

    async def test_pages(self) -> None:
        """
        Pages follow one another, newest first; after what is not there comes nothing.
        """
        await self.add("0A", "0C", "0B")
        await self.add("0E", "0D", issued_at=NOON)
        self.assertEqual(await self.serials("", 2), ["0B", "0C"])
        self.assertEqual(await self.serials("0C", 2), ["0E", "0D"])
        self.assertEqual(await self.serials("0D", 2), ["0A"])
        self.assertEqual(await self.serials("FF", 2), [])

    async def test_revoke(self) -> None:
        """
        A certificate is revoked once, with its reason, and it is an activity.
        """
        await self.add("0A")
        at = NOON + HOUR
        done = replace(records.activity("0A"), at=at)
        revoked = await self.certificates.revoke("0A", "keyCompromise", done)
        self.assertEqual((revoked.revoked_at, revoked.revocation_reason), (at, "keyCompromise"))
        self.assertEqual(await self.issuing.certificate_by_serial("0A"), revoked)
        self.assertEqual(await self.done(), [done])
        again = self.certificates.revoke("0A", "superseded", records.activity())
        await self.refused(Conflict, again)
        none = self.certificates.revoke("0B", "superseded", records.activity())
        await self.refused(NotFound, none)
        self.assertEqual(await self.done(), [done])

    async def test_revoked_and_asked_for_again(self) -> None:
        """
        What was issued for a request is known as revoked when the same request comes again.
        """
        await self.add("0A")
        again = replace(await self.certificate("0A"), serial="0B", sha256="sha-again")
        await self.certificates.revoke("0A", "keyCompromise", records.activity("0A"))
        known = await self.issuing.issue(again, NOON + HOUR)
        self.assertEqual((known.serial, known.revocation_reason), ("0A", "keyCompromise"))
        self.assertEqual(await self.issuing.issued(again.request_sha256), known)

    async def certificate(self, serial: str) -> IssuedCertificate:
        """
        The stored one of that serial number.
        """
        found = await self.issuing.certificate_by_serial(serial)
        assert found is not None
        return found

    async def test_revoked_identity(self) -> None:
        """
        A revoked MDM identity is known as such.
        """
        await self.enrollment_tokens.add_enrollment_token(
            records.enrollment_token(), records.activity()
        )
        await self.enrollment_tokens.add_challenge(records.challenge())
        await self.issuing.issue(records.issued(), NOON)
        for revoked in (False, True):
            found = await self.checkins.identity("sha-0B")
            assert found is not None
            self.assertEqual(found.revoked, revoked)
            if not revoked:
                await self.certificates.revoke("0B", "superseded", records.activity())

    async def test_list(self) -> None:
        """
        The list of an issuer has what it issued and was revoked, and has not expired; all of them
        are counted.
        """
        later = NOON + 10 * HOUR
        await self.add("0A", "0B", "0C", issuer_serial="01", not_after=later)
        await self.add("0D", issuer_serial="02")
        await self.add("0E", issuer_serial="01", not_after=NOON + HOUR)
        for number, serial in enumerate(("0C", "0A", "0D", "0E")):
            done = replace(records.activity(serial), at=NOON + number * SECOND)
            await self.certificates.revoke(serial, "superseded", done)
        found = await self.certificates.revoked("01", NOON + HOUR)
        self.assertEqual([one.serial for one in found], ["0C", "0A"])
        self.assertEqual(await self.certificates.count_revoked("01"), 3)
        self.assertEqual(await self.certificates.count_revoked("03"), 0)


class PendingRequestContract(StorageTestCase):
    """
    PendingRequestStore.
    """

    async def add(self, id: str = "r-1", most: int = 10, **changes: object) -> object:
        """
        Store a request.
        """
        return await self.requests.add_request(records.pending_request(id, **changes), most)

    async def decide(
        self, state: RequestState, certificate: IssuedCertificate | None
    ) -> PendingRequest:
        """
        Decide on r-1.
        """
        decided = replace(
            records.pending_request(),
            state=state,
            decided_at=NOON,
            decided_by="alice",
            serial=None if certificate is None else certificate.serial,
        )
        await self.requests.decide_request(decided, certificate, records.activity("r-1"))
        return decided

    def certificate(self) -> IssuedCertificate:
        """
        What is issued for r-1.
        """
        return records.issued(
            challenge_sha256=None, request_sha256="q-r-1", transaction_id="t-r-1", purpose="profile"
        )

    async def test_kept(self) -> None:
        """
        A request is kept, field by field, and the same one is told again.
        """
        stored = await self.add()
        self.assertEqual(stored, records.pending_request())
        self.assertEqual(await self.requests.pending_request("r-1", NOON), stored)
        self.assertEqual(await self.requests.polled_request("t-r-1", "s-1", NOON), stored)
        self.assertIsNone(await self.requests.polled_request("t-r-1", "s-2", NOON))
        self.assertIsNone(await self.requests.polled_request("t-r-2", "s-1", NOON))
        self.assertEqual(await self.add("r-2", request_sha256="q-r-1"), stored)

    async def test_approve(self) -> None:
        """
        With the approval the certificate is stored; the same request gets it from then on.
        """
        await self.add()
        decided = await self.decide(RequestState.APPROVED, self.certificate())
        self.assertEqual(await self.requests.pending_request("r-1", NOON), decided)
        self.assertEqual(await self.issuing.issued("q-r-1"), self.certificate())
        self.assertEqual(await self.add("r-2", request_sha256="q-r-1"), self.certificate())
        self.assertEqual(await self.done(), [records.activity("r-1")])

    async def test_decided_once(self) -> None:
        """
        There is one decision, and none on what is not there; neither leaves a certificate.
        """
        missing = self.decide(RequestState.APPROVED, self.certificate())
        await self.refused(NotFound, missing)
        await self.add()
        await self.decide(RequestState.DENIED, None)
        again = self.decide(RequestState.APPROVED, self.certificate())
        self.assertEqual(await self.refused(Conflict, again), "the request was denied before")
        self.assertIsNone(await self.issuing.issued("q-r-1"))

    async def test_issued_meanwhile(self) -> None:
        """
        What was issued for the same request by itself needs no decision.
        """
        await self.add()
        await self.issuing.issue(self.certificate(), NOON)
        await self.refused(Conflict, self.decide(RequestState.DENIED, None))

    async def test_other_key(self) -> None:
        """
        A transaction that waits is for one key, and so is one that has a certificate.
        """
        await self.add()
        other = self.add("r-2", public_key_sha256="k2", transaction_id="t-r-1")
        await self.refused(Conflict, other)
        static = records.issued(
            challenge_sha256=None, public_key_sha256="k2", transaction_id="t-r-1"
        )
        await self.refused(Conflict, self.issuing.issue(static, NOON))
        await self.issuing.issue(replace(static, transaction_id="t-r-3"), NOON)
        await self.refused(Conflict, self.add("r-3"))

    async def test_most(self) -> None:
        """
        So many may wait; what was decided does not count.
        """
        await self.add(most=1)
        await self.refused(Conflict, self.add("r-2", most=1))
        await self.decide(RequestState.DENIED, None)
        await self.add("r-2", most=1)

    async def test_expired(self) -> None:
        """
        A request is there until its time, and not at it; then it makes room.
        """
        stored = await self.add(expires_at=NOON + HOUR)
        self.assertEqual(await self.requests.pending_request("r-1", NOON + HOUR - SECOND), stored)
        at = NOON + HOUR
        self.assertIsNone(await self.requests.pending_request("r-1", at))
        self.assertIsNone(await self.requests.polled_request("t-r-1", "s-1", at))
        self.assertEqual(await self.pages(at, after="", limit=9), [])
        await self.add("r-2", most=1, created_at=at, public_key_sha256="k2", transaction_id="t-r-1")

    async def pages(self, now: datetime, **page: Any) -> list[str]:
        """
        The ids on a page.
        """
        found = await self.requests.pending_requests(now, **({"waiting": False} | page))
        return [one.id for one in found]

    async def test_pages(self) -> None:
        """
        Pages follow one another, newest first; those that wait are told alone on demand.
        """
        for number in (1, 2, 3):
            await self.add(f"r-{number}", created_at=NOON + number * SECOND)
        await self.decide(RequestState.DENIED, None)
        self.assertEqual(await self.pages(NOON, after="", limit=2), ["r-3", "r-2"])
        self.assertEqual(await self.pages(NOON, after="r-2", limit=2), ["r-1"])
        self.assertEqual(await self.pages(NOON, after="r-9", limit=2), [])
        self.assertEqual(await self.pages(NOON, after="", limit=9, waiting=True), ["r-3", "r-2"])


class EnrollmentTokenContract(StorageTestCase):
    """
    EnrollmentTokenStore.
    """

    async def test_kept(self) -> None:
        """
        A token is found by its SHA-256, field by field, and its activity is stored.
        """
        token = records.enrollment_token(allow_reenrollment=True, uses_left=None, labels=())
        await self.enrollment_tokens.add_enrollment_token(token, records.activity("sales"))
        self.assertEqual(await self.enrollment_tokens.enrollment_token("e1"), token)
        self.assertIsNone(await self.enrollment_tokens.enrollment_token("E1"))
        self.assertEqual(await self.done(), [records.activity("sales")])

    async def test_twice(self) -> None:
        """
        The same token again is a conflict, which does not tell it.
        """
        token = records.enrollment_token("secret")
        await self.enrollment_tokens.add_enrollment_token(token, records.activity())
        again = self.enrollment_tokens.add_enrollment_token(token, records.activity())
        self.assertNotIn("secret", await self.refused(Conflict, again))

    async def test_newest_first(self) -> None:
        """
        All tokens are told, the newest first.
        """
        for hour, sha256 in enumerate(("e2", "e1", "e3")):
            token = records.enrollment_token(sha256, created_at=NOON + hour * HOUR)
            await self.enrollment_tokens.add_enrollment_token(token, records.activity())
        found = await self.enrollment_tokens.enrollment_tokens()
        self.assertEqual([token.sha256 for token in found], ["e3", "e1", "e2"])

    async def test_remove(self) -> None:
        """
        A removed token is gone, and the removal is an activity.
        """
        token = records.enrollment_token()
        await self.enrollment_tokens.add_enrollment_token(token, records.activity())
        removed = records.activity(action="removed enrollment token")
        await self.enrollment_tokens.remove_enrollment_token("e1", removed)
        self.assertIsNone(await self.enrollment_tokens.enrollment_token("e1"))
        self.assertEqual((await self.done())[0], removed)

    async def test_remove_none(self) -> None:
        """
        To remove what is not there is refused and is no activity.
        """
        remove = self.enrollment_tokens.remove_enrollment_token("e1", records.activity())
        await self.refused(NotFound, remove)
        self.assertEqual(await self.done(), [])

    async def test_challenge_without_token(self) -> None:
        """
        For a token that is gone no challenge is stored.
        """
        add = self.enrollment_tokens.add_challenge(records.challenge())
        await self.refused(NotFound, add)
        self.assertIsNone(await self.issuing.challenge("c1"))

    async def test_old_challenges_go(self) -> None:
        """
        With a new challenge go those that expired more than a day ago, and no other.
        """
        token = records.enrollment_token()
        await self.enrollment_tokens.add_enrollment_token(token, records.activity())
        self.now = NOON
        for sha256, expired in (("old", SECOND), ("day-old", timedelta(0))):
            at = NOON - 24 * HOUR - expired
            await self.enrollment_tokens.add_challenge(records.challenge(sha256, expires_at=at))
        await self.enrollment_tokens.add_challenge(records.challenge())
        self.assertIsNone(await self.issuing.challenge("old"))
        self.assertIsNotNone(await self.issuing.challenge("day-old"))
        self.assertEqual(await self.issuing.challenge("c1"), records.challenge())
