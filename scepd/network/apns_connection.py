"""
One connection to Apple's push service: a thin protocol over :mod:`scepd.apns.engine`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IHandshakeListener
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from scepd.apns.engine import PushEngine
from scepd.apns.events import (
    ConnectionBroken,
    Event,
    GoAwayReceived,
    PingAcknowledged,
    PushAnswered,
    PushLost,
    PushRefused,
    SettingsReceived,
)
from scepd.network.apns_deadlines import Deadlines
from scepd.network.apns_keepalive import PAYLOAD, Keepalive
from scepd.network.apns_limits import APNsLimits
from scepd.network.apns_owner import ConnectionOwner, ConnectionState, PushSource
from scepd.network.apns_waiting import PendingPush
from scepd.network.handshake import alert_complaint, handshake_complaint

_PROBE_AFTER = 3
_REPLACE_AFTER = 10
# Opening a stream takes a fraction of a millisecond; others want their turn, too.
_MOST_PER_TURN = 50


@implementer(IHandshakeListener)
class APNsConnection(Protocol):
    """
    A connection that takes pushes from their source as long as there is room.
    """

    transport: Any = None

    def __init__(
        self,
        reactor: Any,
        authority: str,
        limits: APNsLimits,
        owner: ConnectionOwner,
        pushes: PushSource,
    ) -> None:
        self.state = ConnectionState.SHAKING_HANDS
        self._reactor = reactor
        self._limits = limits
        self._owner = owner
        self._pushes = pushes
        self._engine = PushEngine(authority, most_streams=limits.max_streams)
        self._sent: dict[int, PendingPush] = {}
        self._answers_due = Deadlines[int](reactor, limits.push_timeout, self._time_out)
        self._keepalive = Keepalive(reactor, limits, self._ping, self._not_alive)
        self._received: list[bytes] = []
        self._turn: IDelayedCall | None = None
        self._deadline: IDelayedCall | None = None
        self._timeouts = 0
        self._complaint: str | None = None

    # -- what others do with it ---------------------------------------------------------------

    @property
    def in_flight(self) -> int:
        """
        Pushes that have no answer yet.
        """
        return len(self._sent)

    def stir(self) -> None:
        """
        Look for pushes to send, once in this turn of the reactor.
        """
        if self._turn is None and self.state is not ConnectionState.CLOSED:
            self._turn = self._reactor.callLater(0, self._take_turn)

    def drain(self) -> None:
        """
        Take no more pushes, wait for the answers that are due, and close.
        """
        if self.state in (ConnectionState.READY, ConnectionState.THROTTLED):
            patience = self._limits.push_timeout + self._limits.close_timeout
            self._enter(ConnectionState.DRAINING, patience, "its last answers did not come")
            self.stir()
        elif self.state is not ConnectionState.DRAINING:
            self.abort("it is not needed any more")

    def abort(self, complaint: str) -> None:
        """
        End it at once; what is in flight is lost.

        :param complaint: why, as the end of a sentence.
        """
        if self.state is not ConnectionState.CLOSED:
            self._complaint = complaint
            self._enter(ConnectionState.CLOSED)
        if self.transport is not None:
            self.transport.abortConnection()

    # -- IProtocol, IHandshakeListener -------------------------------------------------------------

    def handshakeCompleted(self) -> None:
        """
        TLS is established.
        """
        self._owner.connection_secured(self)
        if self.transport.negotiatedProtocol != b"h2":
            self.abort("the server does not offer HTTP/2")
            return
        complaint = f"no SETTINGS within {self._limits.settings_timeout:g} s"
        self._enter(ConnectionState.AWAITING_SETTINGS, self._limits.settings_timeout, complaint)
        self._flush()

    def dataReceived(self, data: bytes) -> None:
        """
        The content of one TLS record; it is looked at once per turn, with all that came besides.
        """
        self._received.append(data)
        self._keepalive.heard()
        self.stir()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The connection is gone; answers that came before still count.
        """
        complaint = self._complaint or _complaint(reason, self.state)
        self._receive()
        self.state = ConnectionState.CLOSED
        self._disarm()
        self._keepalive.stop()
        self._answers_due.clear()
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        for event in self._engine.end(complaint):
            self._report(event)
        self._owner.connection_ended(self, complaint)

    # -- one turn ----------------------------------------------------------------------------------

    def _take_turn(self) -> None:
        self._turn = None
        self._receive()
        self._send_waiting()
        self._flush()
        if self.state is ConnectionState.DRAINING and not self._sent:
            self._close()

    def _receive(self) -> None:
        data, self._received = b"".join(self._received), []
        if data:
            for event in self._engine.receive(data):
                self._report(event)

    def _report(self, event: Event) -> None:
        match event:
            case SettingsReceived():
                self._settings_received()
            case PushAnswered(stream_id):
                self._timeouts = 0
                self._pushes.push_answered(self, self._take(stream_id), event)
            case PushRefused(stream_id):
                self._pushes.push_refused(self, self._take(stream_id))
            case PushLost(stream_id, complaint):
                self._pushes.push_lost(self._take(stream_id), complaint)
            case GoAwayReceived(_, _, reason):
                self._spent(reason)
            case PingAcknowledged(payload) if payload == PAYLOAD:
                self._keepalive.acknowledged()
            case ConnectionBroken(complaint):
                self.abort(complaint)

    def _settings_received(self) -> None:
        if self.state is ConnectionState.AWAITING_SETTINGS:
            self._enter(ConnectionState.READY)
            self._keepalive.start()
            self._owner.connection_ready(self)

    def _send_waiting(self) -> None:
        if self.state not in (ConnectionState.READY, ConnectionState.THROTTLED):
            return
        for _ in range(_MOST_PER_TURN):
            push = self._pushes.next_push()
            if push is None or not self._engine.takes(push.notification):
                break
            self._send(push)
        else:
            self.stir()
            return
        self._note_throttling(stuck=push is not None and not self._sent)
        if push is not None and self._engine.spent:
            self._spent(None)

    def _send(self, push: PendingPush) -> None:
        self._pushes.push_sent(push)
        stream_id = self._engine.push(push.notification)
        self._sent[stream_id] = push
        self._answers_due.add(stream_id)

    def _note_throttling(self, *, stuck: bool) -> None:
        # While pushes are in flight, an answer or a deadline comes by itself.
        if stuck and self.state is ConnectionState.READY:
            complaint = f"it took no push for {self._limits.push_timeout:g} s"
            self._enter(ConnectionState.THROTTLED, self._limits.push_timeout, complaint)
        elif not stuck and self.state is ConnectionState.THROTTLED:
            self._enter(ConnectionState.READY)

    # -- inside ------------------------------------------------------------------------------------

    def _take(self, stream_id: int) -> PendingPush:
        self._answers_due.remove(stream_id)
        return self._sent.pop(stream_id)

    def _time_out(self, stream_ids: list[int]) -> None:
        complaint = f"no answer within {self._limits.push_timeout:g} s"
        for stream_id in stream_ids:
            self._engine.cancel(stream_id)
            self._pushes.push_lost(self._sent.pop(stream_id), complaint)
        self._timeouts += len(stream_ids)
        if self._timeouts >= _REPLACE_AFTER:
            self._spent(None)
        elif self._timeouts >= _PROBE_AFTER:
            self._keepalive.probe()
        self.stir()

    def _spent(self, reason: str | None) -> None:
        if self.state in (ConnectionState.READY, ConnectionState.THROTTLED):
            self.drain()
            self._owner.connection_spent(self, reason)
        elif self.state is ConnectionState.AWAITING_SETTINGS:
            self.abort(f"the server went away at once ({reason or 'no reason given'})")
            self._owner.connection_spent(self, reason)

    def _ping(self) -> None:
        self._engine.ping(PAYLOAD)
        self._flush()

    def _not_alive(self) -> None:
        self.abort(f"no answer to a PING within {self._limits.ping_timeout:g} s")

    def _flush(self) -> None:
        data = self._engine.data_to_send()
        if data:
            self.transport.write(data)

    def _close(self) -> None:
        self._engine.close()
        self._flush()
        self._complaint = "all is answered"
        self._enter(ConnectionState.CLOSED, self._limits.close_timeout, self._complaint)
        self.transport.loseConnection()

    def _enter(
        self, state: ConnectionState, seconds: float | None = None, complaint: str = ""
    ) -> None:
        self._disarm()
        self.state = state
        if seconds is not None:
            abort: Callable[[str], None] = self.abort
            self._deadline = self._reactor.callLater(seconds, abort, complaint)

    def _disarm(self) -> None:
        deadline, self._deadline = self._deadline, None
        if deadline is not None and deadline.active():
            deadline.cancel()


def _complaint(reason: Failure, state: ConnectionState) -> str:
    if state is ConnectionState.SHAKING_HANDS or alert_complaint(reason) is not None:
        return f"TLS failed: {handshake_complaint(reason)}"
    return "the server closed the connection"
