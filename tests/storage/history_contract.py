"""
What every database must do with the answers to commands.
"""

from __future__ import annotations

from scepd.errors import Conflict
from scepd.model import CommandAnswer
from tests.storage import records
from tests.storage.base import StorageTestCase
from tests.storage.records import HOUR, NOON, SECOND

ANSWER = CommandAnswer(6, b"<dict>")


class CommandHistoryContract(StorageTestCase):
    """
    CommandHistory, and what CommandStore leaves to it.
    """

    async def finished(
        self, uuid: str, second: int = 0, answer: CommandAnswer | None = ANSWER
    ) -> None:
        """
        A command of H-1 that was acknowledged so many seconds after noon.
        """
        await self.commands.queue(records.command(uuid))
        at = NOON + second * SECOND
        await self.commands.finish(uuid, "H-1", "Acknowledged", "", at, None, answer)

    async def uuids(self) -> list[str]:
        """
        The commands of H-1 that are known.
        """
        return sorted(one.uuid for one in await self.commands.commands("H-1"))

    async def test_kept(self) -> None:
        """
        An answer is found by host and command, and the list tells that there is one.
        """
        await self.enroll()
        await self.finished("c-1")
        self.assertEqual(await self.history.answer("H-1", "c-1"), ANSWER)
        (record,) = await self.commands.commands("H-1")
        self.assertEqual((record.answer_size, record.answer_kept), (6, True))
        self.assertEqual(await self.commands.command("c-1"), records.command(body=None))

    async def test_body(self) -> None:
        """
        The body of a command stays after NotNow, and goes with its final result or cancellation.
        """
        await self.enroll()
        for uuid in ("c-1", "c-2"):
            await self.commands.queue(records.command(uuid))
            await self.commands.finish(uuid, "H-1", "NotNow", "", NOON, None)
            self.assertEqual(await self.commands.command(uuid), records.command(uuid))
        await self.commands.finish("c-1", "H-1", "Error", "", NOON, None)
        await self.checkins.authenticate(records.host(), records.enrollment(), "id-9")
        for uuid in ("c-1", "c-2"):
            self.assertEqual(await self.commands.command(uuid), records.command(uuid, body=None))

    async def test_none(self) -> None:
        """
        There is no answer to the command of another host, one that was not answered, and one that
        there is not.
        """
        await self.enroll()
        await self.finished("c-1")
        await self.commands.queue(records.command("c-2"))
        for host_uuid, uuid in (("H-2", "c-1"), ("H-1", "c-2"), ("H-1", "c-3")):
            self.assertIsNone(await self.history.answer(host_uuid, uuid))
        record = (await self.commands.commands("H-1"))[0]
        self.assertEqual((record.answer_size, record.answer_kept), (None, False))

    async def test_size_alone(self) -> None:
        """
        Of an answer that is not kept the length is.
        """
        await self.enroll()
        await self.finished("c-1", answer=CommandAnswer(9, None))
        self.assertEqual(await self.history.answer("H-1", "c-1"), CommandAnswer(9, None))
        (record,) = await self.commands.commands("H-1")
        self.assertEqual((record.answer_size, record.answer_kept), (9, False))

    async def test_first_final_one(self) -> None:
        """
        A second final answer changes nothing.
        """
        await self.enroll()
        await self.finished("c-1")
        late = CommandAnswer(4, b"late")
        self.assertFalse(
            await self.commands.finish("c-1", "H-1", "Error", "", NOON + HOUR, None, late)
        )
        self.assertEqual(await self.history.answer("H-1", "c-1"), ANSWER)

    async def test_pruned(self) -> None:
        """
        The oldest go first, so many at a time; what is younger, or waits, stays.
        """
        await self.enroll()
        for second, uuid in enumerate(("c-3", "c-1", "c-2", "c-4")):
            await self.finished(uuid, second)
        await self.commands.queue(records.command("c-5"))
        before, lease = NOON + 3 * SECOND, await self.lease()
        self.assertEqual(await self.history.prune(before, 2, lease), 2)
        self.assertEqual(await self.uuids(), ["c-2", "c-4", "c-5"])
        self.assertEqual(await self.history.prune(before, 2, lease), 1)
        self.assertEqual(await self.history.prune(before, 2, lease), 0)
        self.assertEqual(await self.uuids(), ["c-4", "c-5"])
        self.assertIsNone(await self.history.answer("H-1", "c-3"))

    async def test_lease_lost(self) -> None:
        """
        Without its lease nobody forgets anything.
        """
        await self.enroll()
        await self.finished("c-1")
        lease = await self.lease()
        self.now = NOON + 2 * HOUR
        await self.refused(Conflict, self.history.prune(NOON + HOUR, 9, lease))
        self.assertEqual(await self.uuids(), ["c-1"])
