"""
The connections to Apple's push service: those that take pushes, and those that wait for answers.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from scepd.apns.credentials import PushCredentials
from scepd.apns.reasons import suspends
from scepd.apns.retry import Random
from scepd.network.apns_connection import APNsConnection
from scepd.network.apns_dial import Dial
from scepd.network.apns_limits import APNsLimits
from scepd.network.apns_maker import ConnectionMaker, Route
from scepd.network.apns_metrics import APNsMetrics, ReconnectCause, Tally
from scepd.network.apns_owner import PoolOwner, TokenSource
from scepd.network.apns_rotation import Rotation
from scepd.network.apns_size import PoolSize

_log = Logger()

_GOOD_LIFE = 60.0
_GRAIN = 1e-6


class APNsPool:
    """
    Keeps connections up: one, more under load (a ConnectionOwner, and a DialOwner).

    Whatever ends a connection's use, another one is there before it is closed, if that can be.

    :param pushes: what connections send, and whom they tell about it.
    :param tokens: None: there is a client certificate.
    :ivar stopped: whether nothing may be dialled.
    """

    def __init__(
        self,
        reactor: Any,
        route: Route,
        credentials: PushCredentials,
        limits: APNsLimits,
        random: Random,
        pushes: PoolOwner,
        metrics: APNsMetrics,
        tokens: TokenSource | None,
    ) -> None:
        self.host = route.host
        self.stopped = False
        self._reactor = reactor
        self._limits = limits
        self._random = random
        self._pushes = pushes
        self._metrics = metrics
        self._rotation = Rotation(credentials)
        maker = ConnectionMaker(reactor, route, limits, pushes, Tally(metrics), tokens)
        self._dial = Dial(reactor, limits.connect_timeout, random, maker, self)
        self._size = PoolSize(reactor, limits, self._grow, self._shrink)
        # Those that are asked first come first; stale ones are last.
        self._open: list[APNsConnection] = []
        self._leaving: set[APNsConnection] = set()
        self._complaint = ""
        self._closers: list[Deferred[None]] = []

    # -- what others want to know ------------------------------------------------------------------

    @property
    def credentials(self) -> PushCredentials:
        """
        Those that all connections should have.
        """
        return self._rotation.wanted

    @property
    def complaint(self) -> str:
        """
        What ended the last connection or attempt, for operators; empty when all is well.
        """
        return "; ".join(filter(None, (self._rotation.complaint, self._complaint)))

    @property
    def connections(self) -> int:
        """
        Connections that take pushes.
        """
        return len(self._open)

    @property
    def connecting(self) -> bool:
        """
        Whether a connection is about to be there, or will be tried.
        """
        return self._dial.under_way

    @property
    def in_flight(self) -> int:
        """
        Pushes that were sent and have no answer yet.
        """
        return sum(connection.in_flight for connection in (*self._open, *self._leaving))

    def is_open(self, connection: APNsConnection) -> bool:
        """
        Whether pushes may still be sent on it.
        """
        return connection in self._open

    # -- what others have it do --------------------------------------------------------------------

    def ensure(self) -> None:
        """
        See to it that what waits is sent, now or when there is a connection.
        """
        if self._open:
            self._open[0].stir()
        elif not self.stopped:
            self._dial.begin()

    def replace(self, connection: APNsConnection, cause: ReconnectCause) -> None:
        """
        Send nothing more on a connection, and dial another.
        """
        if connection in self._open:
            busy = connection.in_flight > 0 or self._pushes.waiting_since() is not None
            self._set_aside(connection)
            self._judge_life(connection)
            if cause is ReconnectCause.STREAMS_SPENT:
                # It carried all that it could.
                self._dial.proved()
            self._renew(cause, even_if_fresh=busy)

    def use_credentials(self, credentials: PushCredentials, *, at_once: bool) -> None:
        """
        Go over to other credentials, once a connection with them is ready.

        :param at_once: those of before can't be used any more.
        """
        if not self._rotation.renew(credentials, at_once=at_once):
            return
        self.stopped = False
        self._cancel_dial()
        self._dial.proved()
        for connection in list(self._open):
            if at_once:
                self._set_aside(connection)
            else:
                self._note_staleness(connection)
        self._renew(ReconnectCause.CREDENTIAL)

    def falls_back(self, connection: APNsConnection, reason: str) -> bool:
        """
        Apple refuses a connection's credentials: use no connection with them.

        :returns: whether there are others, so that pushes may go on.
        """
        refused = connection.credentials
        if not self._rotation.knows(refused):
            if connection in self._open:
                self._set_aside(connection)
            return True
        if not self._rotation.refused(refused, reason):
            return False
        for one in list(self._open):
            if one.credentials is refused:
                self._set_aside(one)
            else:
                self._note_staleness(one)
        if self._dial.resting or self._dial.credentials is refused:
            self._cancel_dial()
        self._dial.proved()
        self._renew(ReconnectCause.CREDENTIAL)
        return True

    def hang_up(self) -> None:
        """
        Dial no more, and let the connections end when their answers are in.
        """
        self.stopped = True
        self._size.stop()
        self._cancel_dial()
        for connection in list(self._open):
            self._set_aside(connection)

    async def closed(self) -> None:
        """
        Return when no connection is left, after :meth:`hang_up`.
        """
        if self._leaving:
            ended: Deferred[None] = Deferred()
            self._closers.append(ended)
            await ended

    # -- ConnectionOwner ---------------------------------------------------------------------------

    def connection_secured(self, connection: APNsConnection) -> None:
        """
        TLS is established.
        """
        self._dial.secured(connection)

    def connection_open(self, connection: APNsConnection) -> None:
        """
        Pushes may be sent.
        """
        self._dial.opened(connection)
        self._complaint = ""
        self._rotation.connected(connection.credentials)
        self._note_staleness(connection)
        fresh = [one for one in self._open if not one.stale]
        self._open = [*fresh, connection, *(one for one in self._open if one.stale)]
        connection.age_after(self._limits.lifetime * (0.9 + 0.2 * self._random()))
        _log.info("Connected to the push service {host}", host=self.host)
        if len(self._open) > 1:
            self._size.several()
        connection.stir()

    def connection_ready(self, connection: APNsConnection) -> None:
        """
        The connection can do without those that it replaces.
        """
        if not connection.stale:
            for stale in [one for one in self._open if one.stale]:
                self._set_aside(stale)
        self._renew(ReconnectCause.CREDENTIAL)

    def connection_proved(self, connection: APNsConnection) -> None:
        """
        Apple takes pushes with its credentials.
        """
        self._rotation.proved(connection.credentials)

    def connection_full(self, connection: APNsConnection) -> None:
        """
        Pushes wait: for another connection, or for one that is to be dialled.
        """
        room = [one for one in self._open if one.has_room]
        for one in room:
            one.stir()
        if not room and len(self._open) < self._limits.max_connections:
            self._size.no_room()

    def connection_aged(self, connection: APNsConnection) -> None:
        """
        It is replaced, while it goes on.
        """
        connection.aged = connection.stale = True
        if any(not one.stale for one in self._open):
            self._set_aside(connection)
        self._renew(ReconnectCause.LIFETIME)

    def connection_spent(
        self, connection: APNsConnection, cause: ReconnectCause, reason: str | None
    ) -> None:
        """
        Another one is dialled at once; this one may still bring answers.
        """
        _log.info(
            "A connection to the push service {host} takes no more pushes: {cause}, {reason}",
            host=self.host,
            cause=cause.value,
            reason=reason or "no reason given",
        )
        if suspends(reason):
            self._pushes.credential_refused(connection, reason or "")
        self.replace(connection, cause)

    def connection_ended(self, connection: APNsConnection, complaint: str) -> None:
        """
        It is gone.
        """
        self._leaving.discard(connection)
        if connection in self._open:
            self._lost(connection, complaint)
        elif self._dial.done(connection):
            self.not_connected(connection.credentials, complaint)
        if not self._leaving:
            closers, self._closers = self._closers, []
            for closer in closers:
                closer.callback(None)

    # -- DialOwner ---------------------------------------------------------------------------------

    def choose_credentials(self) -> PushCredentials:
        """
        Those that are wanted, or by turns the former ones while there is no connection at all.
        """
        return self._rotation.choose(alone=not self._open)

    def not_connected(self, credentials: PushCredentials, complaint: str) -> None:
        """
        There is no connection any more, or still none.
        """
        if not self._rotation.failed(credentials, complaint):
            self._complaint = complaint
        _log.warn(
            "No connection to the push service {host}: {complaint}",
            host=self.host,
            complaint=complaint,
        )
        self._renew(None)
        if self._open and self._pushes.waiting_since() is not None:
            self._size.no_room()

    # -- inside ------------------------------------------------------------------------------------

    def _renew(self, cause: ReconnectCause | None, *, even_if_fresh: bool = False) -> None:
        fresh = any(not one.stale for one in self._open)
        if self.stopped or self._dial.under_way or (fresh and not even_if_fresh):
            return
        if cause is not None:
            self._metrics.reconnecting(cause)
        self._dial.begin(more=cause is ReconnectCause.LOAD)

    def _lost(self, connection: APNsConnection, complaint: str) -> None:
        self._open.remove(connection)
        self._judge_life(connection)
        if connection.proved or not self._rotation.failed(connection.credentials, complaint):
            self._complaint = complaint
        _log.warn(
            "A connection to the push service {host} ended: {complaint}",
            host=self.host,
            complaint=complaint,
        )
        self._renew(connection.cause, even_if_fresh=self._pushes.waiting_since() is not None)

    def _note_staleness(self, connection: APNsConnection) -> None:
        connection.stale = connection.aged or connection.credentials is not self.credentials

    def _judge_life(self, connection: APNsConnection) -> None:
        # One that was idle and then closed did no harm; only quick ends call for a back-off.
        since, now = connection.open_since, self._reactor.seconds()
        if connection.proved or (since is not None and now - since >= _GOOD_LIFE):
            self._dial.proved()
            if not self._open and self._dial.resting:
                # What it rests from has nothing to do with this connection, whose like comes first.
                self._dial.cancel()
                self._rotation.prefer_trusted()

    def _set_aside(self, connection: APNsConnection) -> None:
        self._open.remove(connection)
        self._leaving.add(connection)
        connection.drain()

    def _cancel_dial(self) -> None:
        if self._dial.connection is not None:
            self._leaving.add(self._dial.connection)
        self._dial.cancel()

    def _grow(self) -> None:
        since = self._pushes.waiting_since()
        if since is None or any(one.has_room for one in self._open):
            return
        waited = self._reactor.seconds() - since + _GRAIN >= self._limits.grow_after
        if len(self._open) < self._limits.max_connections:
            if waited:
                self._renew(ReconnectCause.LOAD, even_if_fresh=True)
            else:
                self._size.no_room()

    def _shrink(self) -> None:
        idle_since = self._reactor.seconds() - self._limits.idle_after + _GRAIN
        for connection in reversed(self._open[1:]):
            if connection.last_sent <= idle_since and not connection.in_flight:
                self._set_aside(connection)
                break
        if len(self._open) > 1:
            self._size.several()
