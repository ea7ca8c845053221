"""
What every database must do for the embedded certificate authority.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from scepd.errors import Conflict, NotFound
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
