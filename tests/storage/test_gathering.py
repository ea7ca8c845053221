"""
Tests for look-ups that are made together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar, cast

from sqlalchemy import Connection
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import StorageUnavailable
from scepd.storage.database import Database
from scepd.storage.gathering import Gathering

T = TypeVar("T")
_NO_CONNECTION = cast("Connection", None)


class FakeDatabase:
    """
    A database that answers when it is told to.

    :ivar asked: the questions of each query that ran.
    """

    def __init__(self, *, glances: bool = False) -> None:
        self.glances = glances
        self.clock = Clock()
        self.asked: list[list[str]] = []
        self._under_way: list[tuple[Deferred[None], Callable[[Connection], object]]] = []

    def glance(self, query: Callable[[Connection], T]) -> T:
        """
        Run a query at once.
        """
        return query(_NO_CONNECTION)

    async def read(self, query: Callable[[Connection], T], *, glance: bool = False) -> T:
        """
        Run a query once :meth:`answer` is called.
        """
        told: Deferred[None] = Deferred()
        self._under_way.append((told, query))
        await told
        return query(_NO_CONNECTION)

    def end_of_turn(self, call: Callable[[], object]) -> None:
        """
        When the clock is advanced.
        """
        self.clock.callLater(0, call)

    def answer(self) -> None:
        """
        Let the query that is under way be answered.
        """
        self._under_way.pop(0)[0].callback(None)

    def fail(self, error: Exception) -> None:
        """
        Let it fail.
        """
        self._under_way.pop(0)[0].errback(error)

    @property
    def under_way(self) -> int:
        """
        How many queries are.
        """
        return len(self._under_way)


class GatheringTests(SynchronousTestCase):
    """
    Tests for L{Gathering}.
    """

    def setUp(self) -> None:
        """
        A database behind a network.
        """
        self.use(FakeDatabase())

    def use(self, database: FakeDatabase) -> None:
        """
        Ask this one.
        """
        self.database = database
        self.gathering: Gathering[str, str] = Gathering(cast("Database", database), self.query)

    def query(self, connection: Connection, *, questions: Sequence[str]) -> list[str]:
        """
        Answer in upper case.
        """
        self.database.asked.append(list(questions))
        return [question.upper() for question in questions]

    def ask(self, question: str) -> Deferred[str]:
        """
        Ask.
        """
        return Deferred.fromCoroutine(self.gathering.ask(question))

    def test_one_turn(self) -> None:
        """
        All questions of one turn are one query, and each gets its own answer.
        """
        some = [self.ask(question) for question in ("a", "b", "a")]
        self.assertEqual(self.database.under_way, 0)
        self.database.clock.advance(0)
        self.database.answer()
        self.assertEqual([self.successResultOf(one) for one in some], ["A", "B", "A"])
        self.assertEqual(self.database.asked, [["a", "b", "a"]])

    def test_meanwhile(self) -> None:
        """
        What comes while a query is under way is the next one, when that is over.
        """
        first = self.ask("a")
        self.database.clock.advance(0)
        later = [self.ask("b"), self.ask("c")]
        self.database.clock.advance(0)
        self.assertEqual(self.database.under_way, 1)
        self.database.answer()
        self.successResultOf(first)
        self.database.answer()
        self.assertEqual([self.successResultOf(one) for one in later], ["B", "C"])
        last = self.ask("d")
        self.database.clock.advance(0)
        self.database.answer()
        self.successResultOf(last)
        self.assertEqual(self.database.asked, [["a"], ["b", "c"], ["d"]])

    def test_many(self) -> None:
        """
        A query has at most 256 questions.
        """
        some = [self.ask(str(number)) for number in range(300)]
        self.database.clock.advance(0)
        self.database.answer()
        self.database.answer()
        self.assertEqual([self.successResultOf(one) for one in some], list(map(str, range(300))))
        self.assertEqual([len(one) for one in self.database.asked], [256, 44])

    def test_failure(self) -> None:
        """
        A query that fails fails for all who asked in it, and for nobody else.
        """
        some = [self.ask("a"), self.ask("b")]
        self.database.clock.advance(0)
        other = self.ask("c")
        self.database.fail(StorageUnavailable("out"))
        for one in some:
            self.failureResultOf(one, StorageUnavailable)
        self.database.answer()
        self.assertEqual(self.successResultOf(other), "C")

    def test_bound(self) -> None:
        """
        No more than 10,000 wait.
        """
        some = [self.ask("a") for _ in range(10_000)]
        self.failureResultOf(self.ask("b"), StorageUnavailable)
        self.database.clock.advance(0)
        while self.database.under_way:
            self.database.answer()
        for one in some:
            self.successResultOf(one)

    def test_given_up(self) -> None:
        """
        Who gives up is in nobody's way.
        """
        gone, other = self.ask("a"), self.ask("b")
        gone.addErrback(lambda failure: None)
        gone.cancel()
        self.database.clock.advance(0)
        self.database.answer()
        self.assertEqual(self.successResultOf(other), "B")

    def test_at_a_glance(self) -> None:
        """
        Where a look takes no time, nobody waits for others.
        """
        self.use(FakeDatabase(glances=True))
        self.assertEqual(self.successResultOf(self.ask("a")), "A")
        self.assertEqual(self.successResultOf(self.ask("b")), "B")
        self.assertEqual(self.database.asked, [["a"], ["b"]])
