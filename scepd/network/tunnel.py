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
        return _Opening(self._asked).begin(
            self._endpoint,
            lambda opened: _Tunnel(protocolFactory, self._proxy, self._authority, opened),
        )


class _Opening:
    """
    One tunnel on its way; of a proxy of several addresses the one that is connected first is asked.
    """

    def __init__(self, asked: Callable[[], object]) -> None:
        self._asked = asked
        self._tunnel: _Tunnel | None = None
        self._opened: Deferred[IProtocol] = Deferred(self._cancel)

    def begin(
        self,
        endpoint: IStreamClientEndpoint,
        build: Callable[[Deferred[IProtocol]], _Tunnel],
    ) -> Deferred[IProtocol]:
        """
        Connect, and fire when the tunnel is open.
        """
        factory = Factory.forProtocol(lambda: build(self._opened))
        self._connecting = endpoint.connect(factory)
        self._connecting.addCallbacks(self._connected, self._failed)
        return self._opened

    def _connected(self, tunnel: _Tunnel) -> None:
        self._tunnel = tunnel
        self._asked()
        tunnel.ask()

    def _failed(self, reason: Failure) -> None:
        if not self._opened.called:
            self._opened.errback(reason)

    def _cancel(self, opened: Deferred[IProtocol]) -> None:
        self._connecting.cancel()
        if self._tunnel is not None:
            self._tunnel.give_up()


class _Tunnel(Protocol):
    """
    Asks the proxy, then passes on what comes; what goes out has the transport for itself.
    """

    transport: Any

    def __init__(
        self,
        factory: IProtocolFactory,
        proxy: str,
        authority: bytes,
        opened: Deferred[IProtocol],
    ) -> None:
        self._factory = factory
        self._proxy = proxy
        self._authority = authority
        self._opened = opened
        self._answer = TunnelAnswer()
        self._inner: Any = None
        self._asked = False

    def ask(self) -> None:
        """
        Ask the proxy for the tunnel.
        """
        self._asked = True
        self.transport.write(
            b"CONNECT %b HTTP/1.1\r\nHost: %b\r\nUser-Agent: scepd\r\n\r\n"
            % (self._authority, self._authority)
        )

    def give_up(self) -> None:
        """
        Nobody waits for the tunnel any more.
        """
        self._asked = False
        self.transport.abortConnection()

    # -- IProtocol ---------------------------------------------------------------------------------

    def dataReceived(self, data: bytes) -> None:
        """
        Some of the proxy's answer, or of what comes through the tunnel.
        """
        if self._inner is not None:
            self._inner.dataReceived(data)
            return
        if not self._asked:
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
        elif self._asked:
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
        self._opened.callback(self._inner)

    def _refuse(self, what: str) -> None:
        self.give_up()
        error = UpstreamError(UpstreamFault.PROXY, f"the outgoing proxy {self._proxy} {what}")
        self._opened.errback(error)
