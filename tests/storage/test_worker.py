"""
Tests of the worker's thread with servers that misbehave.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Connection
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from scepd.errors import StorageUnavailable
from scepd.storage.units import PendingUnit, Unit
from scepd.storage.worker import Worker
from tests.storage.sqlite_file import real_reactor


class BrokenServer:
    """
    A server that raises what no database raises: the first time it serves, and when it closes.
    """

    batch_limit = 10
    gathering_seconds = 0.0

    def __init__(self) -> None:
        self.served = 0

    def serve(self, units: Sequence[PendingUnit]) -> int:
        """
        Fail once, then lose each unit in words of its own.
        """
        self.served += 1
        if self.served == 1:
            raise RuntimeError("a bug")
        units[0].lose("served")
        return 1

    def close(self) -> None:
        """
        Fail.
        """
        raise RuntimeError("another bug")


class WorkerTests(TestCase):
    """
    Whatever a server does, units are answered and the thread ends when it should.
    """

    timeout = 20

    def submit(self, worker: Worker) -> Deferred[None]:
        """
        Submit a unit that does nothing.
        """
        work: Callable[[Connection], None] = lambda connection: None  # noqa: E731
        unit = Unit(work, real_reactor(), 10)
        worker.submit(unit)
        return unit.answered

    async def test_broken_server(self) -> None:
        """
        A server that raises costs its units an error and a log entry, and the next ones are served.
        """
        worker = Worker("test-worker", BrokenServer(), real_reactor(), 10, lambda units, seconds: 0)
        worker.start()
        await self.assertFailure(self.submit(worker), StorageUnavailable)
        waiting = [self.submit(worker), self.submit(worker)]
        for one in waiting:
            await self.assertFailure(one, StorageUnavailable)
        await worker.stop()
        await self.assertFailure(self.submit(worker), StorageUnavailable)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 2)

    async def test_broken_listener(self) -> None:
        """
        Who is told of batches and raises costs no unit its answer.
        """

        def raising(units: int, seconds: float) -> None:
            raise ValueError(units)

        worker = Worker("test-worker", BrokenServer(), real_reactor(), 10, raising)
        worker.start()
        await self.assertFailure(self.submit(worker), StorageUnavailable)
        await worker.stop()
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 2)
