"""
One connection to Apple's push service: a thin protocol over :mod:`scepd.apns.engine`.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IDelayedCall, IHandshakeListener, IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from scepd.apns.credentials import PushCredentials
from scepd.apns.engine import PushEngine
from scepd.apns.events import (
    ConnectionBroken,
    Event,
    GoAwayReceived,
    PingAcknowledged,
    SettingsReceived,
)
from scepd.network.apns_flight import Filled, Flight
from scepd.network.apns_keepalive import PAYLOAD, Keepalive
from scepd.network.apns_limits import APNsLimits
from scepd.network.apns_metrics import ReconnectCause, Tally
from scepd.network.apns_owner import TAKING, ConnectionOwner, ConnectionState, PushSource
from scepd.network.apns_timers import StateTimers
from scepd.network.handshake import alert_complaint, handshake_complaint

_log = Logger()

_PING_AFTER = 3
_REPLACE_AFTER = 10


@implementer(IHandshakeListener, IPushProducer)
class APNsConnection(Protocol):
    """
    A connection that takes pushes from their source as long as there is room.

    :param credentials: what it was made with.
    :param probe: whether a push has to be accepted before there may be more.
    :ivar aged: whether it has lived long enough.
    :ivar stale: whether it is to drain once another is ready.
    :ivar open_since: since when it takes pushes (the reactor's seconds); None: it never did.
    :ivar proved: whether a push was accepted on it.
    :ivar cause: why another is needed when it ends by itself.
    """

    transport: Any = None

    def __init__(
        self,
        reactor: Any,
        engine: PushEngine,
        credentials: PushCredentials,
        limits: APNsLimits,
        owner: ConnectionOwner,
        pushes: PushSource,
        tally: Tally,
        *,
        probe: bool = False,
    ) -> None:
        self.state = ConnectionState.CONNECTING
        self.credentials = credentials
        self.aged = self.stale = self.proved = False
        self.open_since: float | None = None
        self.cause = ReconnectCause.LOST
        self._reactor = reactor
        self._engine = engine
        self._limits = limits
        self._owner = owner
        self._tally = tally
        self._probe = probe
        self._paused = self._full = self._gone = False
        self._flight = Flight(
            reactor, limits.push_timeout, engine, self, pushes, tally, self._timed_out
        )
        self._keepalive = Keepalive(reactor, limits, self._ping, self._not_alive)
        self._timers = StateTimers(reactor, self.abort)
        self._received: list[bytes] = []
        self._turn: IDelayedCall | None = None
        self._timeouts = 0
        self._complaint: str | None = None

    # -- what others do with it --------------------------------------------------------------------

    @property
    def in_flight(self) -> int:
        """
        Pushes that have no answer yet.
        """
        return len(self._flight)

    @property
    def last_sent(self) -> float:
        """
        When it took a push last, or was ready for the first (the reactor's seconds).
        """
        return self._flight.last_sent

    @property
    def has_room(self) -> bool:
        """
        Whether it takes pushes, as far as is known.
        """
        return self.state in TAKING and not self._paused and not self._full

    def stir(self) -> None:
        """
        Look for pushes to send, once in this turn of the reactor.
        """
        if self._turn is None and self.state is not ConnectionState.CLOSED:
            self._turn = self._reactor.callLater(0, self._take_turn)

    def prove(self) -> None:
        """
        A push was accepted, or refused for its own sake.
        """
        if not self.proved:
            self.proved = True
            self._owner.connection_proved(self)
            if self._probe and self.state in TAKING:
                self._enter(ConnectionState.READY)
                self._owner.connection_ready(self)
                self.stir()

    def heard_answer(self) -> None:
        """
        A push was answered, so that time-outs before it mean nothing.
        """
        self._timeouts = 0

    def age_after(self, seconds: float) -> None:
        """
        Tell the owner when it has lived that long from now.
        """
        self._timers.age_after(seconds, lambda: self._owner.connection_aged(self))

    def drain(self) -> None:
        """
        Take no more pushes, wait for the answers that are due, and close.
        """
        if self.state in TAKING:
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

    def connectionMade(self) -> None:
        """
        TCP is connected.
        """
        self._enter(ConnectionState.TLS)

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
        self.transport.registerProducer(self, True)
        self._flush()

    def dataReceived(self, data: bytes) -> None:
        """
        The content of one TLS record; it is looked at once per turn, with all that came besides.
        """
        self._received.append(data)
        self.stir()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The connection is gone; answers that came before still count.
        """
        state, self._gone = self.state, True
        self._receive()
        complaint = self._complaint or _complaint(reason, state)
        self._enter(ConnectionState.CLOSED)
        self._keepalive.stop()
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        for event in self._engine.end(complaint):
            self._flight.report(event)
        self._flight.stop()
        self._tally.tell()
        self._owner.connection_ended(self, complaint)

    # -- IPushProducer -----------------------------------------------------------------------------

    def pauseProducing(self) -> None:
        """
        The peer does not take bytes as fast as they come: send no pushes.
        """
        self._paused = True
        self._note_throttling(stuck=True, complaint="it took no bytes")

    def resumeProducing(self) -> None:
        """
        The transport has room again.
        """
        self._paused = False
        self.stir()

    def stopProducing(self) -> None:
        """
        The transport is about to end; that it did, comes by :meth:`connectionLost`.
        """
        self._paused = True

    # -- one turn ----------------------------------------------------------------------------------

    def _take_turn(self) -> None:
        self._turn = None
        try:
            self._work()
        except Exception:  # noqa: BLE001 - a fault of ours must leave no push without an outcome
            _log.failure("A connection to the push service failed")
            self.abort("of a fault in scepd")
        self._tally.tell()

    def _work(self) -> None:
        self._receive()
        self._send_waiting()
        if self.state is not ConnectionState.CLOSED:
            self._flush()
        if self.state is ConnectionState.DRAINING and not self.in_flight:
            self._close("all is answered")

    def _receive(self) -> None:
        data, self._received = b"".join(self._received), []
        if data:
            self._keepalive.heard()
            for event in self._engine.receive(data):
                self._report(event)

    def _report(self, event: Event) -> None:
        match event:
            case SettingsReceived():
                self._settings_received()
            case GoAwayReceived(_, _, reason):
                self._spent(ReconnectCause.GO_AWAY, reason)
            case PingAcknowledged(payload):
                self._keepalive.acknowledged(payload)
            case ConnectionBroken(complaint):
                # Its GOAWAY tells the server what we did not like.
                self._close(complaint)
            case _:
                self._flight.report(event)

    def _settings_received(self) -> None:
        if self.state is not ConnectionState.AWAITING_SETTINGS:
            return
        self._keepalive.start()
        self.open_since = self._flight.last_sent = self._reactor.seconds()
        if self._probe:
            self._enter(ConnectionState.PROBING)
            self._owner.connection_open(self)
        else:
            self._enter(ConnectionState.READY)
            self._owner.connection_open(self)
            self._owner.connection_ready(self)

    def _send_waiting(self) -> None:
        if self.state not in TAKING:
            return
        if self._paused:
            self._owner.connection_full(self)
            return
        if self.state is ConnectionState.PROBING:
            filled = Filled.NO_ROOM if self.in_flight else self._flight.fill(1)
        else:
            filled = self._flight.fill()
        if filled is Filled.TURN_OVER and self.state is not ConnectionState.PROBING:
            self.stir()
            return
        self._full = full = filled is not Filled.NONE_WAIT
        self._note_throttling(stuck=full and not self.in_flight, complaint="it took no push")
        if full and self._engine.spent:
            self._spent(ReconnectCause.STREAMS_SPENT, None)
        elif full:
            self._owner.connection_full(self)

    def _note_throttling(self, *, stuck: bool, complaint: str) -> None:
        # While pushes are in flight, an answer or a deadline comes by itself.
        probing = self.state is ConnectionState.PROBING
        if stuck and (probing or self.state is ConnectionState.READY):
            within = f"{complaint} for {self._limits.push_timeout:g} s"
            self._enter(ConnectionState.THROTTLED, self._limits.push_timeout, within)
        elif not stuck and self.state is ConnectionState.THROTTLED:
            probes = self._probe and not self.proved
            self._enter(ConnectionState.PROBING if probes else ConnectionState.READY)

    # -- inside ------------------------------------------------------------------------------------

    def _timed_out(self, count: int) -> None:
        self._timeouts += count
        if self.state is ConnectionState.PROBING or self._timeouts >= _REPLACE_AFTER:
            self._spent(ReconnectCause.NO_ANSWER, None)
        elif self._timeouts >= _PING_AFTER:
            self._keepalive.probe()
        self.stir()

    def _spent(self, cause: ReconnectCause, reason: str | None) -> None:
        if self.state in TAKING:
            self.drain()
            self._owner.connection_spent(self, cause, reason)
        elif self.state is ConnectionState.AWAITING_SETTINGS:
            self.abort(f"the server went away at once ({reason or 'no reason given'})")
            self._owner.connection_spent(self, cause, reason)

    def _ping(self) -> None:
        self._engine.ping(PAYLOAD)
        self._flush()

    def _not_alive(self) -> None:
        self.cause = ReconnectCause.NO_ANSWER
        self.abort(f"no answer to a PING within {self._limits.ping_timeout:g} s")

    def _flush(self) -> None:
        data = self._engine.data_to_send()
        if data:
            self.transport.write(data)

    def _close(self, complaint: str) -> None:
        if self._gone or self.state is ConnectionState.CLOSED:
            return
        self._engine.close()
        self._complaint = complaint
        self._enter(ConnectionState.CLOSED, self._limits.close_timeout, complaint)
        self._flush()
        # With a producer the transport would wait for it to end.
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def _enter(
        self, state: ConnectionState, seconds: float | None = None, complaint: str = ""
    ) -> None:
        self.state = state
        self._timers.enter(seconds, complaint)
        if state not in TAKING:
            self._timers.stop_ageing()


def _complaint(reason: Failure, state: ConnectionState) -> str:
    if state is ConnectionState.TLS or alert_complaint(reason) is not None:
        return f"TLS failed: {handshake_complaint(reason)}"
    return "the server closed the connection"
