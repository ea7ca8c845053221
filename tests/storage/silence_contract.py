"""
What every database must do with wishes to push while devices come, answer, and stay silent.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from scepd.model import AnsweredPush, SweptPushes, WishState
from tests.storage import records
from tests.storage.push_contract import UNTIL, PushCase
from tests.storage.records import HOUR, NOON, SECOND


class SilenceContract(PushCase):
    """
    PushStore, while devices come and answer.
    """

    async def sent(self, seen: datetime | None = None, repeats: int = 1) -> None:
        """
        A push was accepted at noon for a command that waits, as often as that; then the device was
        seen.
        """
        await self.wish()
        for number in range(1, repeats + 1):
            await self.claim()
            due = UNTIL if number == repeats else NOON
            await self.answered(f"apns-{number}", next_due=due)
        if seen is not None:
            await self.checkins.saw(["H-1"], seen)

    async def due_after(self, start: datetime) -> float:
        """
        Seconds from ``start`` until the next push is due.
        """
        due = await self.pushes.earliest_push()
        assert due is not None
        return (due - start).total_seconds()

    async def test_seen(self) -> None:
        """
        A device that came since the push is left in peace for half a minute from then on; when it
        is silent again, and the command still waits, it is pushed.
        """
        seen = UNTIL - SECOND
        await self.sent(seen)
        self.assertEqual(await self.claim(UNTIL), [])
        wait = await self.due_after(seen)
        self.assertTrue(24 <= wait <= 36, wait)
        (claimed,) = await self.claim(seen + timedelta(seconds=wait))
        self.assertEqual((claimed.enrollment_id, claimed.repeats), ("H-1", 1))

    async def test_seen_before(self) -> None:
        """
        One that came before the push, and not since, is silent.
        """
        await self.sent(NOON)
        self.assertEqual(len(await self.claim(UNTIL)), 1)

    async def test_seen_long_ago(self) -> None:
        """
        So is one that came since the push, but too long ago.
        """
        await self.sent(NOON + SECOND)
        self.assertEqual(len(await self.claim(NOON + 40 * SECOND)), 1)

    async def test_seen_often(self) -> None:
        """
        A device that comes and gets nothing done is pushed ever more seldom, but not as seldom as
        one that does not come: twice an hour.
        """
        seen = NOON + 3 * HOUR
        await self.sent(seen, repeats=7)
        self.assertEqual(await self.claim(seen + 60 * SECOND), [])
        wait = await self.due_after(seen)
        self.assertTrue(1440 <= wait <= 2160, wait)

    async def test_offered(self) -> None:
        """
        A device that comes after days is not left alone for another one, should it vanish with its
        command; what is due earlier stays so.
        """
        await self.wish()
        for apns_id, due in (("apns-1", UNTIL), ("apns-2", NOON + 24 * HOUR)):
            await self.claim(NOON + HOUR)
            await self.answered(apns_id, next_due=due)
            await self.commands.hand_over("c-1", NOON, None)
            if due == UNTIL:
                self.assertEqual(await self.pushes.earliest_push(), UNTIL)
        wait = await self.due_after(NOON)
        self.assertTrue(1440 <= wait <= 2160, wait)
        self.assertEqual((await self.state()).repeats, 2)

    async def test_not_made(self) -> None:
        """
        Nor is one left alone whose command could not be made when it came.
        """
        await self.sent()
        await self.claim(UNTIL)
        await self.answered("apns-2", next_due=NOON + 24 * HOUR)
        await self.commands.rendering_failed("c-1", NOON, "why", None)
        wait = await self.due_after(NOON)
        self.assertTrue(1440 <= wait <= 2160, wait)

    async def test_offered_while_claimed(self) -> None:
        """
        What is under way stays so.
        """
        await self.wish()
        await self.pushes.claim_pushes(NOON, NOON + 24 * HOUR, 10)
        await self.commands.hand_over("c-1", NOON, None)
        self.assertEqual(await self.pushes.earliest_push(), NOON + 24 * HOUR)

    async def test_others_take_the_place(self) -> None:
        """
        Those that are left in peace take nobody's place in a claim.
        """
        await self.sent(UNTIL - SECOND)
        await self.wish("H-2", UNTIL + SECOND)
        claimed = await self.claim(UNTIL + SECOND, 1)
        self.assertEqual([one.enrollment_id for one in claimed], ["H-2"])

    async def test_progress(self) -> None:
        """
        When a device finishes a command and leaves the next one waiting, the series begins anew.
        """
        await self.sent(repeats=6)
        await self.wish_behind()
        later = NOON + HOUR
        await self.commands.finish("c-1", "H-1", "Acknowledged", "", later, None)
        wait = await self.due_after(later)
        self.assertTrue(24 <= wait <= 36, wait)
        self.assertEqual((await self.state()).repeats, 1)

    async def wish_behind(self) -> None:
        """
        One more command for H-1, which was there when the others were pushed.
        """
        await self.commands.queue(records.command("c-behind"))
        for _ in range(6):
            (claimed,) = await self.claim()
            await self.answered(claimed.apns_id, next_due=NOON)

    async def test_not_now(self) -> None:
        """
        A device that answers NotNow to everything is asked again later, and later still; what comes
        of the push before changes nothing.
        """
        await self.wish()
        await self.claim()
        for expected in (1800, 3600, 7200, 14_400, 14_400):
            await self.commands.finish("c-1", "H-1", "NotNow", "", NOON, None)
            await self.answered(next_due=UNTIL)
            wait = await self.due_after(NOON)
            self.assertTrue(0.8 * expected <= wait <= 1.2 * expected, wait)
        self.assertIs((await self.state()).state, WishState.NOT_NOW)
        due = NOON + timedelta(seconds=wait)
        await self.checkins.saw(["H-1"], due - SECOND)
        (claimed,) = await self.claim(due)
        self.assertEqual((claimed.apns_id, claimed.repeats), ("apns-2", 0))

    async def test_offered_after_not_now(self) -> None:
        """
        A device that answered NotNow, came by itself, was handed its command and vanished is as
        silent as any other: the series begins anew. If it answers NotNow again it is left in peace.
        """
        await self.sent()
        await self.commands.finish("c-1", "H-1", "NotNow", "", NOON, None)
        await self.commands.hand_over("c-1", NOON + SECOND, None)
        wait = await self.due_after(NOON + SECOND)
        self.assertTrue(24 <= wait <= 36, wait)
        self.assertIs((await self.state()).state, WishState.SENT)
        (claimed,) = await self.claim(NOON + 40 * SECOND)
        self.assertEqual(claimed.repeats, 1)
        await self.commands.finish("c-1", "H-1", "NotNow", "", NOON, None)
        wait = await self.due_after(NOON)
        self.assertTrue(0.8 * 3600 <= wait <= 1.2 * 3600, wait)

    async def test_not_now_to_some(self) -> None:
        """
        While there is a command that it did not answer so, the series goes on; a new command is
        pushed at once.
        """
        await self.sent()
        await self.commands.queue(records.command("c-8"))
        await self.commands.finish("c-1", "H-1", "NotNow", "", NOON, None)
        self.assertEqual(await self.pushes.earliest_push(), NOON)
        await self.commands.finish("c-8", "H-1", "Acknowledged", "", NOON, None)
        self.assertIs((await self.state()).state, WishState.NOT_NOW)
        await self.commands.queue(records.command("c-9", created_at=NOON + SECOND))
        self.assertEqual(await self.pushes.earliest_push(), NOON + SECOND)

    async def test_not_now_while_suspended(self) -> None:
        """
        What can't be pushed is not, whatever the device says.
        """
        for state in (WishState.SUSPENDED, WishState.PARKED):
            await self.wish()
            (claimed,) = await self.claim(NOON + HOUR)
            await self.answered(claimed.apns_id, 403, state=state)
            for number in range(1, self.count + 1):
                await self.commands.finish(f"c-{number}", "H-1", "NotNow", "", NOON, None)
            self.assertIs((await self.state()).state, state)


class SweepContract(PushCase):
    """
    The sweep of PushStore.
    """

    async def lose(self, host_uuid: str) -> None:
        """
        The push to a host was accepted when nothing waited, and the wish for the command that came
        then was lost.
        """
        await self.enroll(host_uuid)
        await self.pushes.wish(host_uuid, NOON)
        (claimed,) = await self.claim()
        accepted = AnsweredPush(host_uuid, claimed.apns_id, WishState.SENT, NOON, UNTIL, 200)
        await self.pushes.pushes_answered([accepted], NOON)
        await self.commands.queue(records.command(f"c-{host_uuid}", host_uuid))
        await self.take_time_away(host_uuid)

    async def take_time_away(self, host_uuid: str) -> None:
        """
        Leave the wish of a host without a time: an answer that comes when its command was
        cancelled for a moment does.
        """
        (claimed,) = await self.claim()
        assert claimed.enrollment_id == host_uuid
        undue = AnsweredPush(host_uuid, claimed.apns_id, WishState.SENT, NOON, None, 200)
        await self.pushes.pushes_answered([undue], NOON)

    async def test_swept(self) -> None:
        """
        A device with work that has been silent for a day, and whose wish comes due no more, gets a
        new one; the others don't.
        """
        for number in range(1, 6):
            await self.lose(f"H-{number}")
        await self.checkins.saw(["H-2"], UNTIL)
        await self.commands.finish("c-H-3", "H-3", "Acknowledged", "", NOON, None)
        await self.wish("H-4")
        await self.checkins.check_out("H-5", NOON)
        swept = await self.pushes.sweep_pushes(UNTIL, NOON, "", 10)
        self.assertEqual(swept, SweptPushes(None, 1))
        claimed = await self.claim(UNTIL)
        self.assertEqual([one.enrollment_id for one in claimed], ["H-4", "H-1"])
        self.assertEqual(claimed[1].repeats, 0)

    async def test_pieces(self) -> None:
        """
        It goes through the enrollments piece by piece, and says where it is.
        """
        for number in range(1, 4):
            await self.lose(f"H-{number}")
        swept = await self.pushes.sweep_pushes(UNTIL, NOON, "", 2)
        self.assertEqual(swept, SweptPushes("H-2", 2))
        swept = await self.pushes.sweep_pushes(UNTIL, NOON, "H-2", 2)
        self.assertEqual(swept, SweptPushes(None, 1))
        self.assertEqual(await self.pushes.sweep_pushes(UNTIL, NOON, "", 10), SweptPushes(None, 0))

    async def test_parked(self) -> None:
        """
        What Apple refused for good stays parked.
        """
        await self.wish()
        await self.claim()
        await self.answered(status=400, state=WishState.PARKED)
        swept = await self.pushes.sweep_pushes(UNTIL, NOON, "", 10)
        self.assertEqual(swept, SweptPushes(None, 0))
