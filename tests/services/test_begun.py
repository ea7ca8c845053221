"""
Tests for coroutines that mostly end where they begin.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from scepd.services.begun import begin


class BeginTests(SynchronousTestCase):
    """
    Tests for L{begin}.
    """

    def setUp(self) -> None:
        """
        Nothing came of anything yet.
        """
        self.results: list[object] = []
        self.failures: list[Failure] = []

    def begin(self, work: Callable[..., object], *given: object) -> None:
        """
        Begin some work.
        """
        begin(work(*given), self.results.append, self.failures.append)  # type: ignore[arg-type]

    def test_at_once(self) -> None:
        """
        What waits for nothing, or for what is there, is done at once.
        """

        async def work() -> int:
            return await succeed(2) + 1

        self.begin(work)
        self.assertEqual(self.results, [3])

    def test_later(self) -> None:
        """
        What waits goes on when that is there, as often as it waits.
        """
        waits: list[Deferred[int]] = [Deferred(), Deferred()]

        async def work() -> int:
            return await waits[0] + await waits[1]

        self.begin(work)
        waits[0].callback(1)
        self.assertEqual((self.results, self.failures), ([], []))
        waits[1].callback(2)
        self.assertEqual((self.results, self.failures), ([3], []))

    def test_failures(self) -> None:
        """
        What it raises is told, before it waits and afterwards.
        """
        waited: Deferred[None] = Deferred()

        async def work(waits: Deferred[None]) -> None:
            await waits
            raise ValueError("oops")

        for waits in (succeed(None), waited, fail(KeyError("k"))):
            self.begin(work, waits)
        waited.callback(None)
        kinds = [failure.type for failure in self.failures]
        self.assertEqual(sorted(kinds, key=str), [KeyError, ValueError, ValueError])

    def test_failures_inside(self) -> None:
        """
        What it waits for and fails is raised in it, where it may be caught.
        """
        waits: list[Deferred[int]] = [Deferred(), Deferred()]

        async def work() -> int:
            try:
                await waits[0]
            except CancelledError:
                return await waits[1]
            return 0

        self.begin(work)
        waits[0].errback(CancelledError())
        waits[1].callback(7)
        self.assertEqual((self.results, self.failures), ([7], []))
