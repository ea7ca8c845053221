"""
What every database must do with polls.
"""

from __future__ import annotations

from dataclasses import replace

from twisted.internet.defer import Deferred, gatherResults

from scepd.errors import StorageUnavailable
from scepd.model import KnownIdentity, Poll
from tests.storage import records
from tests.storage.base import StorageTestCase
from tests.storage.records import HOUR, NOON

NOBODY = Poll(None, False)


class PollContract(StorageTestCase):
    """
    PollStore.
    """

    async def enroll_device(self, number: int = 1) -> tuple[str, KnownIdentity]:
        """
        A device enrolls, for a token of its own; its certificate's SHA-256, and what is known of
        it.
        """
        token = records.enrollment_token(f"e{number}", allow_reenrollment=True)
        await self.enrollment_tokens.add_enrollment_token(token, records.activity())
        challenge = records.challenge(f"c{number}", token_sha256=f"e{number}")
        await self.enrollment_tokens.add_challenge(challenge)
        issued = records.issued(
            f"0{number}", challenge_sha256=f"c{number}", public_key_sha256=f"k{number}"
        )
        issued = await self.issuing.issue(issued, NOON)
        id = f"H-{number}"
        host, enrollment = records.host(id), records.enrollment(id)
        await self.checkins.authenticate(host, enrollment, issued.sha256)
        await self.checkins.update_token(id, records.address(), NOON, NOON)
        known = await self.checkins.identity(issued.sha256)
        assert known is not None
        return issued.sha256, known

    async def test_nothing_waits(self) -> None:
        """
        Without a command all there is is the identity.
        """
        sha256, known = await self.enroll_device()
        self.assertEqual(await self.polls.poll(sha256, "H-1"), Poll(known, False))
        self.assertEqual((known.enrollment_id, known.enabled), ("H-1", True))

    async def test_unknown(self) -> None:
        """
        Of a certificate that is unknown, or was issued for a profile, nothing is known; nor is told
        what waits for others.
        """
        await self.enroll_device()
        await self.commands.queue(records.command("c-1"))
        static = records.issued("0C", purpose="profile", challenge_sha256=None)
        static = await self.issuing.issue(static, NOON)
        for sha256 in ("sha-0D", static.sha256):
            found = await self.polls.poll(sha256, "H-1")
            self.assertIsNone(found.identity)
        self.assertEqual(await self.polls.poll("sha-0D", "H-1"), NOBODY)

    async def test_waits(self) -> None:
        """
        A command waits from when it is queued until it has a final result: also one that was
        offered, or answered NotNow; those of other enrollments do not.
        """
        sha256, known = await self.enroll_device()
        await self.enroll_device(2)
        await self.commands.queue(records.command("c-2", "H-2"))
        self.assertEqual(await self.polls.poll(sha256, "H-1"), Poll(known, False))
        await self.commands.queue(records.command("c-1"))
        waiting = Poll(known, True)
        self.assertEqual(await self.polls.poll(sha256, "H-1"), waiting)
        await self.commands.hand_over("c-1", NOON, None)
        self.assertEqual(await self.polls.poll(sha256, "H-1"), waiting)
        await self.commands.finish("c-1", "H-1", "NotNow", "", NOON, None)
        self.assertEqual(await self.polls.poll(sha256, "H-1"), waiting)
        await self.commands.finish("c-1", "H-1", "Acknowledged", "", NOON, None)
        self.assertEqual(await self.polls.poll(sha256, "H-1"), Poll(known, False))

    async def test_each_change_is_seen(self) -> None:
        """
        A revoked identity, and a device that left, are seen by the very next poll.
        """
        sha256, known = await self.enroll_device()
        await self.certificates.revoke("01", "key-compromise", records.activity())
        self.assertEqual(
            await self.polls.poll(sha256, "H-1"), Poll(replace(known, revoked=True), False)
        )
        await self.checkins.check_out("H-1", NOON + HOUR)
        found = await self.polls.poll(sha256, "H-1")
        assert found.identity is not None
        self.assertEqual((found.identity.enrollment_id, found.identity.enabled), (None, False))

    async def test_many_at_once(self) -> None:
        """
        Each of many polls that come at once gets its own answer, also one that comes twice.
        """
        known = dict([await self.enroll_device(number) for number in (1, 2, 3)])
        await self.commands.queue(records.command("c-2", "H-2"))
        asked = [(sha256, one.enrollment_id or "") for sha256, one in known.items()]
        asked += [("sha-0D", "H-1"), asked[1], ("sha-0D", "no such enrollment")]
        some = [Deferred.fromCoroutine(self.polls.poll(*one)) for one in asked]
        found = await gatherResults(some)
        expected = [Poll(known[sha], id == "H-2") for sha, id in asked[:3]]
        self.assertEqual(found[:3], expected)
        self.assertEqual(found[3:], [NOBODY, expected[1], NOBODY])

    async def test_closed(self) -> None:
        """
        When the database is closed, all that ask are told.
        """
        sha256, _ = await self.enroll_device()
        asked = [Deferred.fromCoroutine(self.polls.poll(sha256, "H-1")) for _ in range(3)]
        await gatherResults(asked)
        await self.database.stop()
        await self.refused(StorageUnavailable, self.polls.poll(sha256, "H-1"))
