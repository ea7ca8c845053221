"""
The observer's copy of a request, whole however large it may be.
"""

from __future__ import annotations

from collections.abc import Callable
from tempfile import TemporaryFile
from typing import IO, TypeAlias

from twisted.logger import Logger

from scepd.scep.observer import BoundedCopy

Spool: TypeAlias = Callable[[], IO[bytes]]
"""
Makes a file for what does not stay in memory; nobody else sees it, and it ends with its closing.
"""

_log = Logger()


def temporary_file() -> IO[bytes]:
    """
    Open a file without a name, in the folder that ``TMPDIR`` names.

    :raises OSError: there is no room for one.
    """
    return TemporaryFile()


class RequestCopy:
    """
    Keeps the first 256 kB in memory, and the rest, of the few requests that have one, in a file: so
    a transfer takes the same memory whatever its size, and each request that may be sent can be
    read, for the window that it locks. How large it may be is for others to say.

    :param spool: makes the file, when it is needed.
    """

    __slots__ = ("_broken", "_first", "_rest", "_spool")

    def __init__(self, spool: Spool = temporary_file) -> None:
        self._first = BoundedCopy()
        self._rest: IO[bytes] | None = None
        self._spool = spool
        self._broken = False

    def feed(self, data: bytes) -> None:
        """
        Take the next octets of the request.

        :param data: any number of octets.
        """
        self._first.feed(data)
        over = self._first.over
        if over > 0 and not self._broken:
            self._keep(data[-over:] if over < len(data) else data)

    @property
    def total(self) -> int:
        """
        How many octets came in all.
        """
        return self._first.total

    def getvalue(self) -> bytes:
        """
        Return the octets that were kept; of a request of which not all were, the first ones.
        """
        first = self._first.getvalue()
        if self._rest is None:
            return first
        try:
            # What is written next goes to the end again: all was read.
            self._rest.seek(0)
            return first + self._rest.read()
        except OSError as error:
            self._give_up(error)
            return first

    def close(self) -> None:
        """
        Keep nothing of it outside of the memory any longer.
        """
        if self._rest is not None:
            self._rest.close()
            self._rest = None

    def _keep(self, data: bytes) -> None:
        try:
            if self._rest is None:
                self._rest = self._spool()
            self._rest.write(data)
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self._broken = True
        _log.warn("A large SCEP message is not recorded: {reason}", reason=error.strerror or "")
        try:
            self.close()
        except OSError:
            # What could not be written is tried once more when it is closed.
            self._rest = None
