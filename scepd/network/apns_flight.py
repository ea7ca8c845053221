"""
The pushes in flight on one connection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from typing import TYPE_CHECKING, Any

from scepd.apns.engine import PushEngine
from scepd.apns.events import Event, PushAnswered, PushesAccepted, PushLost, PushRefused
from scepd.network.apns_deadlines import Deadlines
from scepd.network.apns_metrics import Tally
from scepd.network.apns_owner import PushSource
from scepd.network.apns_push import SENT, PendingPush, PushState

if TYPE_CHECKING:
    from scepd.network.apns_connection import APNsConnection

# Others want their turn of the reactor, too. The time is looked at between batches.
_MOST_PER_TURN = 500
_LONGEST_TURN = 0.005
_BETWEEN_LOOKS = 50
_OK = 200


class Filled(Enum):
    """
    Why no more pushes were sent.
    """

    NONE_WAIT = "none-wait"
    NO_ROOM = "no-room"
    TURN_OVER = "turn-over"


class Flight:
    """
    From being sent to the end: every push has a deadline, and is reported once.

    :param clock: provides IReactorTime.
    :param seconds: for each answer.
    :param timed_out: is called with the number of pushes that had no answer in time, after each was
        reported.
    :ivar last_sent: when a push was sent last (the reactor's seconds).
    """

    def __init__(
        self,
        clock: Any,
        seconds: float,
        engine: PushEngine,
        connection: APNsConnection,
        pushes: PushSource,
        tally: Tally,
        timed_out: Callable[[int], object],
    ) -> None:
        self._clock = clock
        self._complaint = f"no answer within {seconds:g} s"
        self._engine = engine
        self._connection = connection
        self._pushes = pushes
        self._tally = tally
        self._timed_out = timed_out
        # In the order of ``since``, as stream ids grow.
        self._sent: dict[int, PendingPush] = {}
        self._deadlines = Deadlines(clock, seconds, self._expire)
        self.last_sent = 0.0

    def __len__(self) -> int:
        return len(self._sent)

    def fill(self, most: int = _MOST_PER_TURN) -> Filled:
        """
        Send what waits, as far as there is room and time.
        """
        now = begun = self._clock.seconds()
        while most > 0 and now - begun <= _LONGEST_TURN:
            why = self._send(min(most, _BETWEEN_LOOKS), now)
            if why is not None:
                return why
            most -= _BETWEEN_LOOKS
            now = self._clock.seconds()
        return Filled.TURN_OVER

    def report(self, event: Event) -> None:
        """
        Tell what became of a push; other events are not looked at.
        """
        match event:
            case PushesAccepted(stream_ids):
                self._accepted(stream_ids)
            case PushAnswered(stream_id, status) if status == _OK:
                self._accepted((stream_id,))
            case PushAnswered(stream_id):
                push = self._sent.pop(stream_id)
                self._tally.ended(event.status, event.reason or "")
                self._tally.seconds.append(self._clock.seconds() - push.since)
                self._connection.heard_answer()
                self._pushes.push_answered(self._connection, push, event)
            case PushRefused(stream_id):
                self._pushes.push_refused(self._connection, self._sent.pop(stream_id))
            case PushLost(stream_id, complaint):
                self._tally.ended(None, PushState.LOST.value)
                push = self._sent.pop(stream_id)
                self._pushes.push_lost(push, complaint, PushState.LOST)

    def stop(self) -> None:
        """
        The connection is gone, and each push was reported.
        """
        self._deadlines.stop()

    # -- inside ------------------------------------------------------------------------------------

    def _send(self, most: int, now: float) -> Filled | None:
        source, engine, sent = self._pushes, self._engine, self._sent
        why, before = None, len(sent)
        for _ in range(most):
            push = source.next_push()
            if push is None:
                why = Filled.NONE_WAIT
                break
            notification = push.notification
            if not engine.takes(notification):
                why = Filled.NO_ROOM
                break
            source.push_sent(push)
            try:
                stream_id = engine.push(notification)
            except Exception:
                # Whoever catches it ends the connection, and nothing of this turn was written.
                source.push_failed(push)
                raise
            push.state, push.since = SENT, now
            sent[stream_id] = push
        if len(sent) > before:
            self.last_sent = now
            self._deadlines.watch()
        return why

    def _accepted(self, stream_ids: Iterable[int]) -> None:
        sent, now = self._sent, self._clock.seconds()
        pushes = [sent.pop(stream_id) for stream_id in stream_ids]
        self._tally.ended(_OK, "", len(pushes))
        self._tally.seconds += [now - push.since for push in pushes]
        self._connection.heard_answer()
        self._connection.prove()
        self._pushes.pushes_accepted(pushes)

    def _expire(self, begun: float) -> float | None:
        due = []
        for stream_id, push in self._sent.items():
            if push.since > begun:
                break
            due.append(stream_id)
        pushes = [self._sent.pop(stream_id) for stream_id in due]
        for stream_id, push in zip(due, pushes, strict=True):
            self._engine.cancel(stream_id)
            self._pushes.push_lost(push, self._complaint, PushState.TIMED_OUT)
        if due:
            self._tally.ended(None, PushState.TIMED_OUT.value, len(due))
            self._timed_out(len(due))
        return next((push.since for push in self._sent.values()), None)
