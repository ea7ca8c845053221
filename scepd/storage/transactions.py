"""
What the threads of a database do with their units: SQLite's group commit and glances, and reading.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Protocol, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from scepd.errors import StorageUnavailable
from scepd.storage.engines import BEGIN_WRITING, OWN_TRANSACTIONS
from scepd.storage.faults import is_passing, is_unavailable, sentence
from scepd.storage.prepared import run
from scepd.storage.units import PendingUnit

T = TypeVar("T")
_BATCH_UNITS = 64
_GATHERING_SECONDS = 0.001


class GroupCommit:
    """
    One transaction for many units: one sync of the disk serves them all.

    Hardly any fails, so that none has a savepoint at first: two statements more would be as many as
    most units have. When one fails, what ran before it is taken back and runs again, and from then
    on each has a savepoint of its own. When the database fails, every unit of the batch has failed:
    SQLite may have ended the transaction at any statement.

    :param batch_seconds: after that long the units so far are committed, and the rest follows; so
        long, too, is waited for more of them while many come at once.
    """

    batch_limit = _BATCH_UNITS

    def __init__(self, engine: Engine, batch_seconds: float) -> None:
        self._kept = KeptConnection(engine, BEGIN_WRITING)
        self._batch_seconds = batch_seconds
        self.gathering_seconds = _GATHERING_SECONDS

    def serve(self, units: Sequence[PendingUnit]) -> int:
        """
        Run and commit units until the time of a batch is over.

        :returns: how many are through.
        """
        begun: list[PendingUnit] = []
        is_durable = any(unit.durable for unit in units)
        try:
            with self._kept.transaction(durable=is_durable) as connection:
                if len(units) == 1:
                    begun.extend(units)
                    self._run_alone(connection, units[0])
                else:
                    self._run(connection, units, begun)
        except SQLAlchemyError as error:
            # None has begun when the transaction did not.
            lost = begun or units
            lose(lost, error)
            return len(lost)
        return len(begun)

    def close(self) -> None:
        """
        Close the connection, which moves the write-ahead log into the database.
        """
        self._kept.close()

    def _run(
        self, connection: Connection, units: Sequence[PendingUnit], begun: list[PendingUnit]
    ) -> None:
        end = time.monotonic() + self._batch_seconds
        claimed: list[PendingUnit] = []
        is_apart = False
        for unit in units:
            begun.append(unit)
            if unit.begin():
                claimed.append(unit)
                if is_apart:
                    self._attempt_apart(connection, unit)
                elif not _attempt(connection, unit):
                    is_apart = True
                    _start_over(connection)
                    for each in claimed:
                        self._attempt_apart(connection, each)
            if time.monotonic() >= end:
                break

    def _run_alone(self, connection: Connection, unit: PendingUnit) -> None:
        """
        Run a batch of one, which has the transaction for its savepoint.
        """
        if unit.begin() and not _attempt(connection, unit):
            _start_over(connection)

    def _attempt_apart(self, connection: Connection, unit: PendingUnit) -> None:
        # SQLAlchemy's own savepoints cost as much as three look-ups.
        run(connection, "SAVEPOINT unit")
        if not _attempt(connection, unit):
            run(connection, "ROLLBACK TO SAVEPOINT unit")
        run(connection, "RELEASE SAVEPOINT unit")


class Kept(Protocol):
    """
    The one connection of a thread, whatever the kind of database.
    """

    def transaction(self, *, durable: bool = True) -> AbstractContextManager[Connection]:
        """
        A transaction, which is committed at the end.

        :raises SQLAlchemyError: nothing of it is stored.
        """

    def close(self) -> None:
        """
        Close it.
        """


class Reading:
    """
    A transaction of its own for each query, which sees what was committed when it began.
    """

    batch_limit = 1
    gathering_seconds = 0.0

    def __init__(self, kept: Kept) -> None:
        self._kept = kept

    def serve(self, units: Sequence[PendingUnit]) -> int:
        """
        Run one query.
        """
        unit = units[0]
        if unit.begin():
            try:
                with self._kept.transaction() as connection:
                    _attempt(connection, unit)
            except SQLAlchemyError as error:
                lose([unit], error)
        return 1

    def close(self) -> None:
        """
        Close the connection.
        """
        self._kept.close()


class Glancing:
    """
    Single statements that read, each a transaction by itself.
    """

    def __init__(self, engine: Engine) -> None:
        self._kept = KeptConnection(engine, "")

    def look(self, query: Callable[[Connection], T]) -> T:
        """
        Run one query.

        :raises StorageUnavailable: the database could not be read.
        """
        connection = None
        try:
            connection = self._kept.opened()
            return query(connection)
        except SQLAlchemyError as error:
            if connection is not None:
                if not is_unavailable(error):
                    raise
                self._kept.let_go(connection, error)
            raise StorageUnavailable(_refusal(error)) from error

    def close(self) -> None:
        """
        Close the connection.
        """
        self._kept.close()


class KeptConnection:
    """
    The one connection of a thread, which stays open from one transaction to the next.

    SQLAlchemy's own transactions would cost more than what is done in them.

    :param begin: the SQL that begins a transaction.
    """

    def __init__(self, engine: Engine, begin: str) -> None:
        self._engine = engine
        self._begin = begin
        self._connection: Connection | None = None
        # As the connection is set; None: not known.
        self._is_durable: bool | None = None

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[Connection]:
        """
        A transaction, which is committed at the end.

        :param durable: whether it outlasts a power cut once it is committed; it outlasts the end of
            the process in any case.
        :raises SQLAlchemyError: nothing of it is stored.
        """
        connection, error = self.opened(), None
        try:
            if durable is not self._is_durable:
                self._is_durable = durable
                run(connection, f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            run(connection, self._begin)
            yield connection
            run(connection, "COMMIT")
        except BaseException as found:
            error = found
            raise
        finally:
            if error is not None:
                self.let_go(connection, error)

    def close(self) -> None:
        """
        Close it.
        """
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        self._engine.dispose()

    def opened(self) -> Connection:
        """
        The connection, for a statement without a transaction around it.

        :raises SQLAlchemyError: there is none to be had.
        """
        if self._connection is None:
            self._connection = self._engine.connect().execution_options(**{OWN_TRANSACTIONS: True})
            # It may be the one of before, whose last transaction failed, as it was set for that.
            self._is_durable = None
        return self._connection

    def let_go(self, connection: Connection, error: BaseException) -> None:
        """
        Take another connection from now on, after an error of this one.
        """
        self._connection = None
        # SQLite may have ended the transaction itself. One that lasted would lock the others out.
        with suppress(DBAPIError):
            run(connection, "ROLLBACK")
        if isinstance(error, SQLAlchemyError) and not is_passing(error):
            # A new connection notices a file that was put right, or put in this one's place.
            connection.invalidate(error)
        connection.close()


def _attempt(connection: Connection, unit: PendingUnit) -> bool:
    """
    Run a unit; false: it raised something that is its own affair.

    :raises Exception: what it raised, when the database is not available.
    """
    error = unit.attempt(connection)
    if error is not None and is_unavailable(error):
        raise error
    return error is None


def _start_over(connection: Connection) -> None:
    run(connection, "ROLLBACK")
    run(connection, BEGIN_WRITING)


def lose(units: Sequence[PendingUnit], error: Exception) -> None:
    """
    Answer units that the database took nothing of.
    """
    for unit in units:
        unit.lose(_refusal(error))


def _refusal(error: Exception) -> str:
    return f"the database is not available: {sentence(error)}"
