"""
One attempt to connect to a certificate authority.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.error import (
    ConnectError,
    ConnectionRefusedError,
    DNSLookupError,
    TCPTimedOutError,
    TimeoutError,
)
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure

from scepd.errors import UpstreamError, UpstreamFault
from scepd.network.addresses import GuardedReactor
from scepd.network.handshake import handshake_complaint
from scepd.network.http_connection import HTTPConnection
from scepd.network.limits import UpstreamLimits

_MOST_SHOWN = 4


class Dialler(Protocol):
    """
    Whoever waits for a connection; exactly one of the two is called, unless the dial is cancelled.
    """

    def connected(self, connection: HTTPConnection) -> None:
        """
        Here it is.
        """

    def not_connected(self, error: UpstreamError) -> None:
        """
        None is to be had.
        """


class DialPlan(Protocol):
    """
    Whoever knows the way and keeps the connections.
    """

    @property
    def host(self) -> str:
        """
        The host, for sentences.
        """

    @property
    def secure(self) -> bool:
        """
        Whether TLS is spoken.

        :raises ValueError: the URL can't be used.
        """

    @property
    def peer(self) -> str:
        """
        What is dialled, for sentences: the host, or the proxy on the way to it.
        """

    def endpoint(
        self, reactor: GuardedReactor, tunnelling: Callable[[], object]
    ) -> IStreamClientEndpoint:
        """
        What connects.

        :param tunnelling: called when a proxy is asked for a tunnel.
        :raises ValueError: the URL or its trusted certificates can't be used.
        """

    def adopt(self, connection: HTTPConnection) -> None:
        """
        Count a new connection.
        """

    def forget(self, connection: HTTPConnection) -> None:
        """
        The connection is gone.
        """

    def dial_ended(self, dial: Dial) -> None:
        """
        The dial is over.
        """


class Dial:
    """
    Connects, within one deadline for name, TCP, a proxy's tunnel and TLS (a
    :class:`~scepd.network.http_connection.ConnectionOwner`).
    """

    def __init__(
        self, reactor: Any, plan: DialPlan, limits: UpstreamLimits, waiter: Dialler
    ) -> None:
        self._plan = plan
        self._timeout = limits.connect_timeout
        self._waiter: Dialler | None = waiter
        self._connection: HTTPConnection | None = None
        self._attempt: Deferred[None] | None = None
        self._tunnelling = False
        self._reactor = GuardedReactor(reactor, allow_private=limits.allow_private)
        self._deadline = reactor.callLater(limits.connect_timeout, self._time_out)

    def begin(self) -> None:
        """
        Start; the waiter may hear of the end before this returns.
        """
        fault = UpstreamFault.ADDRESS
        try:
            self._secure = self._plan.secure
            fault = UpstreamFault.TLS
            endpoint = self._plan.endpoint(self._reactor, self._tunnel_asked)
        except ValueError as error:
            self._fail(fault, f"there is no way to {self._plan.host}: {error}")
            return
        attempt = endpoint.connect(Factory.forProtocol(self._build))
        self._attempt = attempt.addCallbacks(self._tcp_connected, self._failed)

    @property
    def doing(self) -> str:
        """
        What it is at, in the middle of a sentence.
        """
        if self._connection is not None:
            return "in the TLS handshake"
        if self._tunnelling:
            return f"{self._plan.peer} was opening a tunnel"
        return "connecting" if self._reactor.resolved else "its name was looked up"

    def cancel(self) -> None:
        """
        Nobody waits any more.
        """
        self._end()
        if self._attempt is not None:
            self._attempt.cancel()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def fail(self, error: UpstreamError) -> None:
        """
        Give up and tell the waiter.
        """
        waiter = self._waiter
        self.cancel()
        if waiter is not None:
            waiter.not_connected(error)

    # -- ConnectionOwner ---------------------------------------------------------------------------

    def connection_ready(self, connection: HTTPConnection) -> None:
        """
        The connection can carry a request.
        """
        self._connection = None
        self._plan.adopt(connection)
        waiter = self._end()
        if waiter is None:
            connection.close()
        else:
            waiter.connected(connection)

    def connection_ended(self, connection: HTTPConnection, reason: Failure) -> None:
        """
        The connection is gone; before it was ready, that is a failed TLS handshake.
        """
        self._connection = None
        self._plan.forget(connection)
        sentence = f"TLS with {self._plan.host} failed: {handshake_complaint(reason)}"
        self._fail(UpstreamFault.TLS, sentence)

    # -- inside ------------------------------------------------------------------------------------

    def _build(self) -> HTTPConnection:
        return HTTPConnection(self, secure=self._secure)

    def _tcp_connected(self, connection: HTTPConnection | None) -> None:
        # Plain HTTP is ready by now, and TLS is about to shake hands.
        if self._waiter is not None:
            self._connection = connection

    def _tunnel_asked(self) -> None:
        self._tunnelling = True

    def _time_out(self) -> None:
        host, peer, within = self._plan.host, self._plan.peer, f"within {self._timeout:g} s"
        if self._connection is not None:
            sentence = f"the TLS handshake with {host} was not complete {within}"
        elif self._tunnelling:
            sentence = f"{peer} did not open a tunnel to {host} {within}"
        elif self._reactor.resolved:
            sentence = f"no connection to {peer} {within}"
        else:
            sentence = f"the name server did not answer for {peer} {within}"
        self.fail(UpstreamError(UpstreamFault.TIMEOUT, sentence))

    def _failed(self, reason: Failure) -> None:
        host, error = self._plan.peer, reason.value
        if isinstance(error, UpstreamError):
            self._fail(error.fault, error.sentence)
        elif isinstance(error, DNSLookupError) and self._reactor.refused:
            refused = ", ".join(self._reactor.refused[:_MOST_SHOWN])
            self._fail(
                UpstreamFault.ADDRESS, f"the address of {host} ({refused}) may not be connected to"
            )
        elif isinstance(error, DNSLookupError):
            self._fail(UpstreamFault.DNS, f"the host name {self._name} has no address")
        elif isinstance(error, ValueError):
            self._fail(UpstreamFault.DNS, f"{host} is not a valid host name")
        elif isinstance(error, TimeoutError | TCPTimedOutError):
            self._fail(UpstreamFault.TIMEOUT, f"no connection to {host}: it does not answer")
        elif isinstance(error, ConnectionRefusedError):
            self._fail(UpstreamFault.REFUSED, f"{host} refused the connection")
        else:
            self._fail(UpstreamFault.REFUSED, f"no connection to {host}: {_why(error)}")

    @property
    def _name(self) -> str:
        plan = self._plan
        return plan.host if plan.peer == plan.host else f"of {plan.peer}"

    def _fail(self, fault: UpstreamFault, sentence: str) -> None:
        waiter = self._end()
        if waiter is not None:
            waiter.not_connected(UpstreamError(fault, sentence))

    def _end(self) -> Dialler | None:
        waiter, self._waiter = self._waiter, None
        if self._deadline.active():
            self._deadline.cancel()
        self._plan.dial_ended(self)
        return waiter


def _why(error: BaseException | None) -> str:
    number = getattr(error, "osError", None)
    if isinstance(error, ConnectError) and isinstance(number, int):
        return os.strerror(number)
    return type(error).__name__
