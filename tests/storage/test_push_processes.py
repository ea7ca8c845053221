"""
Tests that processes share the wishes of one database file, and that none is lost when one dies.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from scepd.model import AnsweredPush, WishState
from scepd.storage.checkins import SQLCheckInStore
from scepd.storage.pushes import SQLPushStore
from tests.storage import records
from tests.storage.records import NOON, SECOND
from tests.storage.sqlite_file import MigratedFile

COUNT = 120
PORTION = 10
CLAIM = 60 * SECOND
# A process that claims a portion at a time, and tells each on a line, until nothing is due.
PROCESS = """
import sys
from datetime import datetime, timedelta
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from scepd.storage.database import Database
from scepd.storage.pushes import SQLPushStore

async def claim():
    database = Database(sys.argv[1], reactor)
    database.start()
    store = SQLPushStore(database)
    now = datetime.fromisoformat(sys.argv[2])
    while found := await store.claim_pushes(now, now + timedelta(seconds=60), int(sys.argv[3])):
        for one in found:
            print(one.enrollment_id, one.apns_id)
        print(flush=True)
        sys.stdin.readline()
    await database.stop()
    reactor.stop()

reactor.callWhenRunning(lambda: Deferred.fromCoroutine(claim()))
reactor.run()
"""


class PushProcessTests(MigratedFile):
    """
    One database, several processes.
    """

    timeout = 60

    async def fill(self) -> None:
        """
        Wishes for many devices, due at noon.
        """
        self.database = self.make_database()
        self.database.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(self.database.stop()))
        self.pushes = SQLPushStore(self.database)
        checkins = SQLCheckInStore(self.database)
        for number in range(COUNT):
            name = f"H-{number}"
            await checkins.authenticate(records.host(name), records.enrollment(name), name)
            await checkins.update_token(name, records.address(), NOON, NOON)

    def begin(self) -> subprocess.Popen[str]:
        """
        A process that claims its first portion.
        """
        home = Path(__file__).resolve().parents[2]
        process = subprocess.Popen(
            [sys.executable, "-c", PROCESS, self.url, NOON.isoformat(), str(PORTION)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(home)},
        )
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    async def test_shared(self) -> None:
        """
        Of two processes that claim at the same time each gets some, and none gets what the other
        has.
        """
        await self.fill()
        processes = [self.begin(), self.begin()]
        told: list[list[str]] = []
        for process in processes:
            assert process.stdout is not None
            told.append(await deferToThread(_portion, process))
        for process, lines in zip(processes, told, strict=True):
            more, _ = await deferToThread(process.communicate, "\n" * COUNT)
            lines += more.split("\n")
        names = [{line.split()[0] for line in lines if line} for lines in told]
        self.assertEqual(sum(map(len, names)), COUNT)
        self.assertEqual(len(names[0] | names[1]), COUNT)
        self.assertTrue(all(names))

    async def test_killed(self) -> None:
        """
        What a process had claimed when it was killed is claimed by another when its time is over,
        as the same pushes; an answer that was recorded is not forgotten.
        """
        await self.fill()
        process = self.begin()
        lost = await deferToThread(_portion, process)
        os.kill(process.pid, signal.SIGKILL)
        await deferToThread(process.wait)
        name, apns_id = lost[0].split()
        answer = AnsweredPush(name, apns_id, WishState.SENT, NOON, NOON + timedelta(days=1), 200)
        await self.pushes.pushes_answered([answer], NOON)
        before = await self.claim(NOON + CLAIM - SECOND)
        self.assertEqual(len(before), COUNT - PORTION)
        self.assertEqual(await self.claim(NOON + CLAIM), {*lost[1:]})

    async def claim(self, now: datetime) -> set[str]:
        """
        What this process claims of all that is due, as the other one tells it.
        """
        claimed = await self.pushes.claim_pushes(now, now + CLAIM, 2 * COUNT)
        return {f"{one.enrollment_id} {one.apns_id}" for one in claimed}


def _portion(process: subprocess.Popen[str]) -> list[str]:
    """
    The lines of a claim.
    """
    assert process.stdout is not None
    lines = []
    while line := process.stdout.readline().strip():
        lines.append(line)
    return lines
