"""
What came of pushes, gathered for a moment and recorded together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from scepd.errors import TemporaryError
from scepd.model import AnsweredPush
from scepd.ports import PushStore
from scepd.services.clock import utc_now
from scepd.services.push_log import PushLog
from scepd.services.push_settings import PushSettings

_log = Logger()


class PushAnswers:
    """
    One transaction, and one timer, for many answers.

    What can't be recorded is pushed again when its claim ends: to push twice does no harm.

    :param stored: told of how many answers are recorded, or given up.
    """

    def __init__(
        self,
        store: PushStore,
        clock: IReactorTime,
        settings: PushSettings,
        log: PushLog,
        stored: Callable[[int], object],
    ) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
        self._push_log = log
        self._stored = stored
        self._waiting: list[AnsweredPush] = []
        self._timer: IDelayedCall | None = None
        self._hurries = False

    def add(self, answer: AnsweredPush) -> None:
        """
        Record an answer soon.
        """
        self._waiting.append(answer)
        if self._hurries or len(self._waiting) >= self._settings.batch:
            self.flush()
        elif self._timer is None:
            self._timer = self._clock.callLater(self._settings.gathering, self.flush)

    def hurry(self) -> None:
        """
        Record at once what waits, and what is still to come.
        """
        self._hurries = True
        self.flush()

    def flush(self) -> None:
        """
        Record at once what waits.
        """
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()
        answers, self._waiting = self._waiting, []
        if answers:
            recorded = Deferred.fromCoroutine(self._record(answers))
            recorded.addErrback(self._failed).addBoth(lambda _: self._stored(len(answers)))

    async def _record(self, answers: Sequence[AnsweredPush]) -> None:
        for event in await self._store.pushes_answered(answers, utc_now(self._clock)):
            self._push_log.died(event)

    def _failed(self, failure: Failure) -> None:
        if failure.check(TemporaryError):
            _log.warn("Pushes will be sent again: {reason}", reason=str(failure.value))
        else:
            _log.failure("What came of pushes was not recorded", failure)
