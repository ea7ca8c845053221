"""
The database as the stores see it: units of work go in, results come back after their commit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, insert, select, update
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

from scepd.errors import StorageUnavailable
from scepd.storage.driver import Driver, DriverSettings
from scepd.storage.drivers import driver_opener
from scepd.storage.tables import health_check
from scepd.storage.units import ThreadedReactor, Unit
from scepd.storage.worker import OnBatch

_log = Logger()

T = TypeVar("T")


def _unreported(units: int, seconds: float) -> None:
    """
    What is told of batches when nobody asked.
    """


class Database:
    """
    Units of work in threads, never on the reactor; implements :class:`~scepd.ports.Health`.

    A unit is a function of a SQLAlchemy connection. It touches nothing but the database, returns
    whole values (no cursor), and never commits by itself. Its waiter hears of it after COMMIT.

    :param url: ``sqlite:///`` and the path of a file, or ``postgresql://USER@HOST:PORT/DATABASE``.
    :param deadline: seconds after which a waiter gets StorageUnavailable.
    :param ping_deadline: the same for :meth:`ping`.
    :param queue_limit: how many units may wait; one more gets StorageUnavailable at once.
    :param busy_timeout: seconds that another process may hold the database.
    :param batch_seconds: how long a batch of writes may take before its commit.
    :param on_batch: told of each batch of writes: how many units, how many seconds.
    :raises ConfigurationError: the URL is not one of those.
    """

    def __init__(
        self,
        url: str,
        reactor: ThreadedReactor,
        *,
        deadline: float = 20.0,
        ping_deadline: float = 5.0,
        queue_limit: int = 10_000,
        busy_timeout: float = 5.0,
        batch_seconds: float = 0.01,
        on_batch: OnBatch = _unreported,
    ) -> None:
        self._open = driver_opener(url)
        self._reactor = reactor
        self._deadline = deadline
        self._ping_deadline = ping_deadline
        self._settings = DriverSettings(queue_limit, busy_timeout, batch_seconds, on_batch)
        self._driver: Driver | None = None

    def start(self) -> None:
        """
        Open the database, bring it to the newest tables and start the threads; holds the caller
        that long.

        :raises ConfigurationError: it can't be used as it is; the text says why.
        :raises StorageUnavailable: another process holds it, or its server can't be reached.
        """
        if self._driver is None:
            self._driver = self._open(self._reactor, self._settings)

    async def stop(self) -> None:
        """
        Finish the units that wait, but no longer than the deadline, and close everything; later
        ones are refused.
        """
        driver, self._driver = self._driver, None
        if driver is None:
            return
        stopped = Deferred.fromCoroutine(driver.stop())
        gave_up = self._reactor.callLater(self._deadline, stopped.cancel)
        try:
            await stopped
        except CancelledError:
            _log.error("The database did not close within {seconds} s", seconds=self._deadline)
        finally:
            if gave_up.active():
                gave_up.cancel()

    async def write(
        self, unit: Callable[[Connection], T], *, durable: bool = True, locks: bool = False
    ) -> T:
        """
        Run ``unit`` in a transaction and return what it returned, after the commit.

        :param durable: false: a power cut may take it back, as long as nothing that is durable was
            written after it. The end of the process never does.
        :param locks: it changes many rows, and locks each that it decides by: on a server it is not
            compared with all that others read and wrote meanwhile, which it would hardly survive.
        :raises StorageUnavailable: nothing of it is stored; only when the deadline passed while it
            was running, or the connection to a server was lost while it was being committed, may it
            be stored all the same.
        """
        driver = self._started()
        pending = Unit(unit, self._reactor, self._deadline, durable=durable, locks=locks)
        driver.write(pending)
        return await pending.answered

    async def read(self, query: Callable[[Connection], T], *, glance: bool = False) -> T:
        """
        Run ``query``, which sees what was committed when it began, and return what it returned.

        :param glance: it takes microseconds: one or two prepared statements that find short rows by
            their keys.
        :raises StorageUnavailable: the database could not be read, or not in time.
        """
        driver = self._started()
        if glance and driver.glances:
            return driver.glance(query)
        pending = Unit(query, self._reactor, self._deadline)
        driver.read(pending)
        return await pending.answered

    @property
    def glances(self) -> bool:
        """
        Whether what is read at a glance is there without waiting.

        :raises StorageUnavailable: the database is not open.
        """
        return self._started().glances

    def glance(self, query: Callable[[Connection], T]) -> T:
        """
        What ``read(query, glance=True)`` gives, without waiting; only where it :attr:`glances`.

        :raises StorageUnavailable: the database could not be read.
        """
        return self._started().glance(query)

    def end_of_turn(self, call: Callable[[], object]) -> None:
        """
        Call when this turn of the reactor is over, and all who ask in it have asked.
        """
        self._reactor.callLater(0, call)

    async def ping(self) -> None:
        """
        Return when the database took and answered a read and a write.

        :raises StorageUnavailable: it did not, or not within its deadline.
        """
        driver = self._started()
        written = Unit(_count_check, self._reactor, self._ping_deadline)
        driver.write(written)
        count = await written.answered
        read = Unit(_read_checks, self._reactor, self._ping_deadline)
        driver.read(read)
        if await read.answered < count:
            raise StorageUnavailable("the database does not read what it was written")

    def _started(self) -> Driver:
        if self._driver is None:
            raise StorageUnavailable("the database is not open")
        return self._driver


def _count_check(connection: Connection) -> int:
    count = _read_checks(connection) + 1
    values = {"id": 1, "writes": count}
    changed = connection.execute(update(health_check).values(writes=count))
    if not changed.rowcount:
        connection.execute(insert(health_check).values(values))
    return count


def _read_checks(connection: Connection) -> int:
    return connection.scalar(select(health_check.c.writes)) or 0
