"""
The connections to Apple's push service: one that takes pushes, and those that wait for answers.
"""

from __future__ import annotations

from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.logger import Logger

from scepd.apns.credentials import PushCredentials
from scepd.apns.reasons import suspends
from scepd.apns.retry import Random
from scepd.network.apns_connection import APNsConnection
from scepd.network.apns_dial import Dial
from scepd.network.apns_limits import APNsLimits
from scepd.network.apns_owner import ConnectionState, PushSource

_log = Logger()

_GOOD_LIFE = 60.0
_CONNECTED = frozenset((ConnectionState.READY, ConnectionState.THROTTLED))


class Route(Protocol):
    """
    Knows the way (see :class:`scepd.network.apns_route.APNsRoute`).
    """

    host: str

    def endpoint(self, credentials: PushCredentials) -> IStreamClientEndpoint:
        """
        What connects.
        """


class APNsPool:
    """
    Keeps one connection up (a ConnectionOwner, and a DialOwner).

    :param pushes: what connections send, and whom they tell about it.
    :ivar complaint: what ended the last connection or attempt, for operators; empty when all is
        well.
    :ivar stopped: whether nothing may be dialled.
    """

    def __init__(
        self,
        reactor: Any,
        route: Route,
        credentials: PushCredentials,
        limits: APNsLimits,
        random: Random,
        pushes: PushSource,
    ) -> None:
        self.host = route.host
        self.credentials = credentials
        self.complaint = ""
        self.stopped = False
        self._reactor = reactor
        self._route = route
        self._limits = limits
        self._pushes = pushes
        self._dial = Dial(reactor, limits.connect_timeout, random, self)
        self._current: APNsConnection | None = None
        self._others: set[APNsConnection] = set()
        self._ready_at: float | None = None
        self._outdated: set[APNsConnection] = set()
        self._closers: list[Deferred[None]] = []

    @property
    def connected(self) -> bool:
        """
        Whether pushes can be sent now.
        """
        return self._current is not None and self._current.state in _CONNECTED

    @property
    def connecting(self) -> bool:
        """
        Whether a connection is about to be there, or will be tried.
        """
        return not self.connected and (self._current is not None or self._dial.under_way)

    @property
    def in_flight(self) -> int:
        """
        Pushes that were sent and have no answer yet.
        """
        current = self._current.in_flight if self._current is not None else 0
        return current + sum(connection.in_flight for connection in self._others)

    @property
    def connections(self) -> int:
        """
        How many there are, those included that only wait for answers.
        """
        return len(self._others) + (self._current is not None)

    def uses(self, connection: APNsConnection) -> bool:
        """
        Whether a connection was made with the certificate of now.
        """
        return connection not in self._outdated

    def ensure(self) -> None:
        """
        See to it that what waits is sent, now or when there is a connection.
        """
        if self.stopped:
            return
        if self._current is None:
            self._dial.begin()
        else:
            self._current.stir()

    def proved(self) -> None:
        """
        The connection was worth it: its replacement is dialled at once.
        """
        self._dial.proved()

    def replace(self, connection: APNsConnection) -> None:
        """
        Send nothing more on a connection, if it is the one for that, and dial another.
        """
        if connection is self._current:
            self._judge_life()
            self._set_aside()
            self.ensure()

    def hang_up(self) -> None:
        """
        Dial no more, and let the connections end when their answers are in.
        """
        self.stopped = True
        self._dial.cancel()
        self._set_aside()

    def resume(self, credentials: PushCredentials) -> None:
        """
        Connect anew with another certificate.
        """
        self.hang_up()
        self._outdated |= self._others
        self.stopped = False
        self.credentials = credentials
        self._dial.proved()
        self.ensure()

    async def closed(self) -> None:
        """
        Return when no connection is left, after :meth:`hang_up`.
        """
        if self._others:
            ended: Deferred[None] = Deferred()
            self._closers.append(ended)
            await ended

    # -- ConnectionOwner ---------------------------------------------------------------------------

    def connection_secured(self, connection: APNsConnection) -> None:
        """
        TLS is established.
        """
        if connection is self._current:
            self._dial.done()

    def connection_ready(self, connection: APNsConnection) -> None:
        """
        Pushes may be sent.
        """
        self.complaint = ""
        self._ready_at = self._reactor.seconds()
        _log.info("Connected to the push service {host}", host=self.host)

    def connection_spent(self, connection: APNsConnection, reason: str | None) -> None:
        """
        Another one is dialled at once; this one may still bring answers.
        """
        _log.info(
            "A connection to the push service {host} takes no more pushes: {reason}",
            host=self.host,
            reason=reason or "no reason given",
        )
        if suspends(reason) and self.uses(connection):
            self._pushes.credential_refused(reason or "")
        self.replace(connection)

    def connection_ended(self, connection: APNsConnection, complaint: str) -> None:
        """
        It is gone.
        """
        self._others.discard(connection)
        self._outdated.discard(connection)
        if connection is self._current:
            self._current = None
            self._dial.done()
            self._judge_life()
            self.not_connected(complaint)
        if not self._others:
            closers, self._closers = self._closers, []
            for closer in closers:
                closer.callback(None)

    # -- DialOwner ---------------------------------------------------------------------------------

    def make_endpoint(self) -> IStreamClientEndpoint:
        """
        What connects, with the certificate of now.
        """
        return self._route.endpoint(self.credentials)

    def make_connection(self) -> APNsConnection:
        """
        The connection of a new attempt.
        """
        return APNsConnection(self._reactor, self.host, self._limits, self, self._pushes)

    def tcp_connected(self, connection: APNsConnection) -> None:
        """
        The attempt has come as far as TLS.
        """
        self._current = connection
        self._ready_at = None

    def not_connected(self, complaint: str) -> None:
        """
        There is no connection any more, or still none.
        """
        self.complaint = complaint
        _log.warn(
            "No connection to the push service {host}: {complaint}",
            host=self.host,
            complaint=complaint,
        )
        self.ensure()

    # -- inside ------------------------------------------------------------------------------------

    def _judge_life(self) -> None:
        # One that was idle and then closed did no harm; only quick ends call for a back-off.
        if self._ready_at is not None and self._reactor.seconds() - self._ready_at >= _GOOD_LIFE:
            self._dial.proved()

    def _set_aside(self) -> None:
        connection, self._current = self._current, None
        if connection is not None:
            self._others.add(connection)
            connection.drain()
