"""
Look-ups that many ask for at once, made together where the database is behind a network.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Generic, Protocol, TypeVar

from sqlalchemy import Connection
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from scepd.errors import StorageUnavailable
from scepd.storage.database import Database

_MOST_TOGETHER = 256
_MOST_WAITING = 10_000

Q = TypeVar("Q")
A = TypeVar("A")
Q_contra = TypeVar("Q_contra", contravariant=True)
A_co = TypeVar("A_co", covariant=True)


class Query(Protocol[Q_contra, A_co]):
    """
    Answers some questions, in their order; by one statement that finds rows by their keys.
    """

    def __call__(self, connection: Connection, *, questions: Sequence[Q_contra]) -> Sequence[A_co]:
        """
        Ask the database.
        """


class Gathering(Generic[Q, A]):
    """
    Questions of one turn of the reactor, and those that come while others are under way, become one
    query: a server's round trip costs more than what is found by it.

    Where a glance is answered at once there is nothing to gather, and each is a query of its own.

    :param query: what answers them.
    """

    def __init__(self, database: Database, query: Query[Q, A]) -> None:
        self._database = database
        self._query = query
        self._waiting: list[tuple[Q, Deferred[A]]] = []
        self._is_asking = False

    async def ask(self, question: Q) -> A:
        """
        The answer to a question.

        :raises StorageUnavailable: the database did not answer within its deadline, counted from
            when the questions before were answered; or too many wait already.
        """
        if self._database.glances:
            return self._database.glance(partial(self._query, questions=(question,)))[0]
        if len(self._waiting) >= _MOST_WAITING:
            raise StorageUnavailable(f"{_MOST_WAITING} questions wait for the database already")
        answered: Deferred[A] = Deferred()
        self._waiting.append((question, answered))
        if not self._is_asking:
            self._is_asking = True
            self._database.end_of_turn(self._begin)
        return await answered

    def _begin(self) -> None:
        # Whatever goes wrong with it belongs to those who wait.
        Deferred.fromCoroutine(self._ask_all())

    async def _ask_all(self) -> None:
        while self._waiting:
            some = self._waiting[:_MOST_TOGETHER]
            del self._waiting[:_MOST_TOGETHER]
            await self._ask_some(some)
        self._is_asking = False

    async def _ask_some(self, some: Sequence[tuple[Q, Deferred[A]]]) -> None:
        questions = [question for question, _ in some]
        try:
            answers = await self._database.read(partial(self._query, questions=questions))
        except Exception:  # noqa: BLE001 - it belongs to those who wait
            failure = Failure()
            for _, answered in some:
                if not answered.called:
                    answered.errback(failure)
            return
        for (_, answered), answer in zip(some, answers, strict=True):
            if not answered.called:
                answered.callback(answer)
