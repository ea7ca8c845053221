"""
The connections to one certificate authority: dialled when needed, kept alive for a while.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import (
    IDelayedCall,
    IOpenSSLClientConnectionCreator,
    IStreamClientEndpoint,
)

from scepd.errors import UpstreamError, UpstreamFault
from scepd.network.addresses import GuardedReactor
from scepd.network.destination import Destination, host_of
from scepd.network.dial import Dial, Dialler
from scepd.network.http_connection import HTTPConnection
from scepd.network.limits import UpstreamLimits as UpstreamLimits
from scepd.network.tls import client_options
from scepd.network.tunnel import TunnelEndpoint
from scepd.ports import UpstreamTarget

STOPPING = "scepd is stopping"


@dataclass(frozen=True, slots=True)
class _Rest:
    """
    Since when a connection has been idle, and the timer that ends it.
    """

    since: float
    expiry: IDelayedCall


class UpstreamPool:
    """
    The connections to one target (a :class:`~scepd.network.dial.DialPlan`).

    :param reactor: provides IReactorTCP, IReactorTime and IReactorPluggableNameResolver.
    :ivar closed: whether it dials no more, as scepd is stopping.
    """

    def __init__(self, reactor: Any, target: UpstreamTarget, limits: UpstreamLimits) -> None:
        self._reactor = reactor
        self._target = target
        self._limits = limits
        self._idle: dict[HTTPConnection, _Rest] = {}
        self._all: set[HTTPConnection] = set()
        self._dials: set[Dial] = set()
        self.closed = False

    @property
    def empty(self) -> bool:
        """
        Whether it has no connection, nor is about to have one.
        """
        return not self._all and not self._dials

    @cached_property
    def host(self) -> str:
        """
        The host, for sentences.
        """
        return host_of(self._target.url)

    @cached_property
    def destination(self) -> Destination:
        """
        Where the target's URL leads.

        :raises ValueError: the URL can't be used.
        """
        destination = Destination.of(self._target.url)
        # What goes through TLS is not for the proxy to read.
        through = self._target.outgoing_proxy is not None and not destination.secure
        return replace(destination, through_proxy=through)

    @cached_property
    def proxy(self) -> str | None:
        """
        ``host:port`` of the proxy on the way, for sentences; None: there is none.
        """
        proxy = self._target.outgoing_proxy
        return None if proxy is None else proxy.removeprefix("http://").rstrip("/")

    # -- what exchanges do with it -----------------------------------------------------------------

    def take_idle(self, *, within: float | None = None) -> HTTPConnection | None:
        """
        The connection that was used last, or None.

        :param within: only one that was used in these last seconds, and whose end is not to be read
            by now.
        """
        while self._idle:
            connection, rest = self._idle.popitem()
            if within is not None and self._reactor.seconds() - rest.since > within:
                self._idle[connection] = rest
                return None
            rest.expiry.cancel()
            if connection.usable and (within is None or connection.quiet):
                return connection
            connection.close()
        return None

    def dial(self, waiter: Dialler) -> Dial:
        """
        A dial that will open a connection for ``waiter``, once it begins.
        """
        dial = Dial(self._reactor, self, self._limits, waiter)
        self._dials.add(dial)
        return dial

    def give_back(self, connection: HTTPConnection) -> None:
        """
        The connection's exchange is over; keep it for the next one if that is possible.
        """
        if not connection.usable or len(self._idle) >= self._limits.max_idle_connections:
            connection.close()
            return
        # Its last exchange may have ended while it was paused.
        connection.resume_response()
        expiry = self._reactor.callLater(self._limits.idle_timeout, self._expire, connection)
        self._idle[connection] = _Rest(self._reactor.seconds(), expiry)

    def close(self) -> None:
        """
        Close every connection; running exchanges fail, and so do later ones.
        """
        self.closed = True
        for dial in list(self._dials):
            dial.fail(UpstreamError(UpstreamFault.CLOSED, STOPPING))
        for rest in self._idle.values():
            rest.expiry.cancel()
        self._idle.clear()
        for connection in list(self._all):
            connection.break_off(STOPPING)

    def _expire(self, connection: HTTPConnection) -> None:
        self._idle.pop(connection, None)
        connection.close()

    # -- DialPlan ----------------------------------------------------------------------------------

    @property
    def secure(self) -> bool:
        """
        Whether TLS is spoken.

        :raises ValueError: the URL can't be used.
        """
        return self.destination.secure

    @property
    def peer(self) -> str:
        """
        What is dialled, for sentences.
        """
        return self.host if self.proxy is None else f"the outgoing proxy {self.proxy}"

    def endpoint(
        self, reactor: GuardedReactor, tunnelling: Callable[[], object]
    ) -> IStreamClientEndpoint:
        """
        What connects; its TLS settings are made once, for they take milliseconds.

        :param tunnelling: called when a proxy is asked for a tunnel.
        :raises ValueError: the URL or its trusted certificates can't be used.
        """
        where = self.destination
        # Settings that can't be used are found before anything is dialled.
        tls = self._tls if where.secure else None
        next_hop = where if self.proxy is None else self._proxy_destination
        endpoint: IStreamClientEndpoint = HostnameEndpoint(
            reactor, next_hop.host, next_hop.port, timeout=self._limits.connect_timeout
        )
        if tls is None:
            return endpoint
        if self.proxy is not None:
            endpoint = TunnelEndpoint(endpoint, self.proxy, where.host_and_port, tunnelling)
        wrapped: IStreamClientEndpoint = wrapClientTLS(tls, endpoint, clock=reactor)
        return wrapped

    @cached_property
    def _proxy_destination(self) -> Destination:
        return Destination.of(self._target.outgoing_proxy or "")

    def adopt(self, connection: HTTPConnection) -> None:
        """
        Count a new connection.
        """
        self._all.add(connection)

    def forget(self, connection: HTTPConnection) -> None:
        """
        The connection is gone.
        """
        self._all.discard(connection)
        rest = self._idle.pop(connection, None)
        if rest is not None:
            rest.expiry.cancel()

    def dial_ended(self, dial: Dial) -> None:
        """
        The dial is over.
        """
        self._dials.discard(dial)

    @cached_property
    def _tls(self) -> IOpenSSLClientConnectionCreator:
        target = self._target
        return client_options(
            self.destination.host,
            target.trusted_certificates,
            pinned_sha256=target.pinned_sha256,
            client=target.client,
        )
