"""
Work that is done again and again, and that nothing stops but :meth:`Periodic.stop`.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from scepd.errors import TemporaryError

_LONGEST_START = 5.0

_log = Logger()


class Periodic:
    """
    Runs ``body`` every so many seconds, never twice at a time; what it raises is logged, and the
    next run comes all the same.

    :param name: of the work, for the log.
    :param seconds: from the start of one run to the start of the next; a run that takes longer
        lets turns pass.
    :param body: one run.
    :param random: a number from 0 up to 1: the first run comes that part of ``seconds`` (of 5
        seconds at most) after the start, so that not everything begins at once.
    """

    def __init__(
        self,
        clock: IReactorTime,
        name: str,
        seconds: float,
        body: Callable[[], Coroutine[Any, Any, object]],
        random: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._name = name
        self._seconds = seconds
        self._body = body
        self._random = random
        self._loop = LoopingCall(self._turn)
        self._loop.clock = clock
        self._first: IDelayedCall | None = None
        self._soon: IDelayedCall | None = None
        self._running: Deferred[None] | None = None
        self._again = False
        self._has_run = False

    def start(self) -> None:
        """
        Begin, with the first run after a moment; the log tells when it will be, and when it is
        over.
        """
        wait = self._random() * min(self._seconds, _LONGEST_START)
        _log.debug(
            "{name}: every {seconds:g} s, for the first time in {first_in:.1f} s",
            name=self._name,
            seconds=self._seconds,
            first_in=wait,
        )
        self._first = self._clock.callLater(wait, self._start_loop)

    def wake(self) -> None:
        """
        Run as soon as possible, once more when a run is under way; nothing before :meth:`start`.
        """
        if self._running is not None:
            self._again = True
        elif self._soon is None and (self._first is not None or self._loop.running):
            self._soon = self._clock.callLater(0, self._woken)

    async def stop(self) -> None:
        """
        Begin no further run, and wait for the one that is under way; to cancel the wait cancels
        the run.
        """
        self._again = False
        for call in (self._first, self._soon):
            if call is not None and call.active():
                call.cancel()
        self._first = self._soon = None
        if self._loop.running:
            self._loop.stop()
        if self._running is not None:
            await self._running

    def _start_loop(self) -> None:
        self._first = None
        started = self._loop.start(self._seconds)
        started.addErrback(lambda failure: _log.failure("{name} ended", failure, name=self._name))

    def _woken(self) -> None:
        self._soon = None
        self._turn()

    def _turn(self) -> None:
        if self._running is not None:
            return
        running = Deferred.fromCoroutine(self._runs())
        if not running.called:
            self._running = running

    async def _runs(self) -> None:
        self._again = True
        while self._again:
            self._again = False
            await self._run()
        self._running = None

    async def _run(self) -> None:
        began = self._clock.seconds()
        try:
            await self._body()
        except CancelledError:
            _log.info("{name} was cut off", name=self._name)
            return
        except TemporaryError as error:
            _log.warn("{name} will be tried again: {reason}", name=self._name, reason=str(error))
        except Exception:  # noqa: BLE001 - the next run must come whatever happened in this one
            _log.failure("{name} failed", name=self._name)
        if not self._has_run:
            self._has_run = True
            _log.debug(
                "{name}: the first run is over, after {first_took:.3f} s",
                name=self._name,
                first_took=self._clock.seconds() - began,
            )
