"""
A tunnel through an HTTP proxy (CONNECT, RFC 9110 section 9.3.6), as an endpoint that others wrap.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from scepd.errors import UpstreamError, UpstreamFault
from scepd.network.tunnel_answer import TunnelAnswer


@implementer(IStreamClientEndpoint)
class TunnelEndpoint:
    """
    Connects to a proxy and has it open a tunnel; not one byte is sent into it before it is open.

    :param endpoint: what connects to the proxy.
    :param proxy: the proxy, for sentences.
    :param authority: ``host:port`` of the tunnel's far end.
    :param asked: called when the proxy is connected and has been asked.
    """

    def __init__(
        self,
        endpoint: IStreamClientEndpoint,
        proxy: str,
        authority: bytes,
        asked: Callable[[], object],
    ) -> None:
        self._endpoint = endpoint
        self._proxy = proxy
        self._authority = authority
        self._asked = asked

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        A protocol of the factory at the near end of an open tunnel.

        Fails with UpstreamError when the proxy refuses the tunnel, and like the proxy's endpoint
        when that is not to be had.
        """
        tunnel = _Tunnel(protocolFactory, self._proxy, self._authority, self._asked)
        connecting = self._endpoint.connect(Factory.forProtocol(lambda: tunnel))

        def cancel(_: Deferred[IProtocol]) -> None:
            connecting.cancel()
            tunnel.give_up()

        tunnel.opened = Deferred(cancel)
        connecting.addErrback(tunnel.not_connected)
        return tunnel.opened


class _Tunnel(Protocol):
    """
    Asks the proxy, then passes on what comes; what goes out has the transport for itself.
    """

    transport: Any = None
    opened: Deferred[IProtocol]

    def __init__(
        self,
        factory: IProtocolFactory,
        proxy: str,
        authority: bytes,
        asked: Callable[[], object],
    ) -> None:
        self._factory = factory
        self._proxy = proxy
        self._authority = authority
        self._asked = asked
        self._answer = TunnelAnswer()
        self._inner: Any = None
        self._over = False

    def not_connected(self, reason: Failure) -> None:
        """
        The proxy is not to be had.
        """
        self._end(reason)

    def give_up(self) -> None:
        """
        Nobody waits for the tunnel any more.
        """
        self._over = True
        if self.transport is not None:
            self.transport.abortConnection()

    # -- IProtocol ---------------------------------------------------------------------------------

    def connectionMade(self) -> None:
        """
        The proxy is connected.
        """
        self.transport.write(
            b"CONNECT %b HTTP/1.1\r\nHost: %b\r\nUser-Agent: scepd\r\n\r\n"
            % (self._authority, self._authority)
        )
        self._asked()

    def dataReceived(self, data: bytes) -> None:
        """
        Some of the proxy's answer, or of what comes through the tunnel.
        """
        if self._inner is not None:
            self._inner.dataReceived(data)
            return
        if self._over:
            return
        try:
            if self._answer.receive(data):
                self._judge(self._answer.status or 0)
        except ValueError as error:
            self._refuse(f"failed while asked for a tunnel: {error}")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The connection to the proxy is gone, and with it the tunnel.
        """
        if self._inner is not None:
            self._inner.connectionLost(reason)
        else:
            self._refuse(f"closed the connection when asked for a tunnel to {self._far_end}")

    # -- inside ------------------------------------------------------------------------------------

    @property
    def _far_end(self) -> str:
        return self._authority.decode("ascii")

    def _judge(self, status: int) -> None:
        if 200 <= status < 300:
            self._open()
        elif status == 407:
            self._refuse("wants credentials (HTTP status 407), and scepd has none for it")
        elif status in (502, 503, 504):
            self._refuse(f"can't reach {self._far_end} (HTTP status {status})")
        else:
            self._refuse(f"refused a tunnel to {self._far_end} (HTTP status {status})")

    def _open(self) -> None:
        self._inner = self._factory.buildProtocol(self.transport.getPeer())
        self._inner.makeConnection(self.transport)
        self._over = True
        self.opened.callback(self._inner)

    def _refuse(self, what: str) -> None:
        error = UpstreamError(UpstreamFault.PROXY, f"the outgoing proxy {self._proxy} {what}")
        self._end(Failure(error))
        if self.transport is not None:
            self.transport.abortConnection()

    def _end(self, reason: Failure) -> None:
        if not self._over:
            self._over = True
            self.opened.errback(reason)
