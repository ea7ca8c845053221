"""
What the writing thread of a PostgreSQL database does with its units: serializable group commit.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from scepd.storage.faults import (
    is_conflict,
    is_integrity,
    is_passing,
    is_unavailable,
)
from scepd.storage.postgresql_engines import BEGIN_LOCKING, BEGIN_WRITING
from scepd.storage.prepared import run
from scepd.storage.transactions import lose
from scepd.storage.units import PendingUnit

_BATCH_UNITS = 64
_GATHERING_SECONDS = 0.001
# Conflicts become rare with smaller batches and longer pauses; together these last about 3 s.
_MOST_TRIES = 20
_FIRST_PAUSE = 0.005
_LONGEST_PAUSE = 0.5
# Refusals by a constraint may come of rows that other processes wrote meanwhile, but not for ever.
_INTEGRITY_TRIES = 3
_FIRST_WAIT = 0.1
_LONGEST_WAIT = 5.0


class SerializableCommit:
    """
    One serializable transaction for many units, each in a savepoint of its own.

    PostgreSQL lets it commit only when the outcome is as if the transactions of all processes had
    run one after the other, which is what units may rely on. Where it can't, the units run anew in
    a new transaction, as nobody was answered yet.

    A unit that changes many rows would meet some of the others' each time. Those lock what they
    decide by, and have a transaction of their own that is not compared.

    :param batch_seconds: after that long the units so far are committed, and the rest follows.
    """

    batch_limit = _BATCH_UNITS
    gathering_seconds = _GATHERING_SECONDS

    def __init__(self, engine: Engine, batch_seconds: float) -> None:
        self._kept = ServerConnection(engine, BEGIN_WRITING)
        self._batch_seconds = batch_seconds
        # A unit can be claimed once, and may have to run several times.
        self._claimed: set[PendingUnit] = set()

    def serve(self, units: Sequence[PendingUnit]) -> int:
        """
        Run and commit units until the time of a batch is over; after each conflict it is tried
        anew, with half of them.

        :returns: how many are through.
        """
        some = _together(units)
        for tried in range(1, _MOST_TRIES + 1):
            try:
                return self._through(some[: self._commit(some, tried)])
            except SQLAlchemyError as error:
                if not _is_worth_another(error, tried):
                    lose(some, error)
                    return self._through(some)
            some = some[: max(1, len(some) // 2)]
            longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**tried)
            # Whoever was in the way must not be met again in step.
            time.sleep(longest * random.random())
        raise AssertionError("the last try is not worth another")

    def close(self) -> None:
        """
        Close the connection.
        """
        self._kept.close()

    def _through(self, units: Sequence[PendingUnit]) -> int:
        self._claimed.difference_update(units)
        return len(units)

    def _commit(self, units: Sequence[PendingUnit], tried: int) -> int:
        end = time.monotonic() + self._batch_seconds
        count = 0
        is_durable = any(unit.durable for unit in units)
        begin = BEGIN_LOCKING if units[0].locks else None
        with self._kept.transaction(durable=is_durable, begin=begin) as connection:
            for unit in units:
                count += 1
                if self._claim(unit):
                    self._attempt(connection, unit, tried)
                if time.monotonic() >= end:
                    break
        return count

    def _claim(self, unit: PendingUnit) -> bool:
        if unit in self._claimed:
            return True
        is_mine = unit.begin()
        if is_mine:
            self._claimed.add(unit)
        return is_mine

    def _attempt(self, connection: Connection, unit: PendingUnit, tried: int) -> None:
        run(connection, "SAVEPOINT unit")
        error = unit.attempt(connection)
        if error is None:
            run(connection, "RELEASE SAVEPOINT unit")
            return
        if is_unavailable(error) or (is_integrity(error) and tried < _INTEGRITY_TRIES):
            raise error
        # What it looked at counts all the same when the commit is judged.
        run(connection, "ROLLBACK TO SAVEPOINT unit")
        run(connection, "RELEASE SAVEPOINT unit")


class ServerConnection:
    """
    The one connection of a thread to a server, which stays open from one transaction to the next.

    While there is none to be had, it is tried ever less often, and whoever asks meanwhile is
    refused at once.

    :param begin: the SQL that begins a transaction.
    """

    def __init__(self, engine: Engine, begin: str) -> None:
        self._engine = engine
        self._begin = begin
        self._connection: Connection | None = None
        self._wait = 0.0
        self._next_try = 0.0
        self._refusal: SQLAlchemyError | None = None

    @contextmanager
    def transaction(
        self, *, durable: bool = True, begin: str | None = None
    ) -> Iterator[Connection]:
        """
        A transaction, which is committed at the end.

        :param durable: whether it outlasts a power cut once it is committed.
        :param begin: the SQL that begins this one, if it is another than usual.
        :raises SQLAlchemyError: nothing of it is stored, unless the connection was lost while it
            was being committed.
        """
        connection, error = self._opened(), None
        try:
            run(connection, begin or self._begin)
            if not durable:
                run(connection, "SET LOCAL synchronous_commit = off")
            yield connection
            run(connection, "COMMIT")
        except BaseException as found:
            error = found
            raise
        finally:
            if error is not None:
                self._let_go(connection, error)

    def close(self) -> None:
        """
        Close it.
        """
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        self._engine.dispose()

    def _opened(self) -> Connection:
        if self._connection is None:
            if self._refusal is not None and time.monotonic() < self._next_try:
                raise self._refusal
            try:
                self._connection = self._engine.connect()
            except SQLAlchemyError as error:
                self._wait = min(_LONGEST_WAIT, 2 * self._wait or _FIRST_WAIT)
                self._next_try, self._refusal = time.monotonic() + self._wait, error
                raise
            self._wait, self._refusal = 0.0, None
        return self._connection

    def _let_go(self, connection: Connection, error: BaseException) -> None:
        if isinstance(error, DBAPIError) and (is_passing(error) or is_integrity(error)):
            with suppress(DBAPIError):
                run(connection, "ROLLBACK")
                return
        # A new connection is sure to be in no transaction.
        self._connection = None
        connection.invalidate(error if isinstance(error, Exception) else None)
        connection.close()


def _together(units: Sequence[PendingUnit]) -> Sequence[PendingUnit]:
    """
    The first units that share a transaction: one that locks its rows has one for itself.
    """
    for count, unit in enumerate(units):
        if unit.locks:
            return units[: max(count, 1)]
    return units


def _is_worth_another(error: SQLAlchemyError, tried: int) -> bool:
    if is_integrity(error):
        return tried < _INTEGRITY_TRIES
    return is_conflict(error) and tried < _MOST_TRIES
