"""
Connections of a listener that send at once what they can.

Twisted's own wait for the reactor to say that the socket takes something, which it nearly always
does: two changes of what epoll watches and one more round of the reactor for each small answer.
"""

from __future__ import annotations

import socket

from twisted.internet.interfaces import IAddress, IListeningPort
from twisted.internet.tcp import Port, Server

_ANY = ("", "0.0.0.0", "::")


class DirectServer(Server):
    """
    A connection that hands to the kernel what it is given while nothing waits to be sent; what the
    kernel does not take goes the usual way, and so does the news that the connection is lost.
    """

    own_address: IAddress | None = None
    _tempDataLen: int
    # The socket is nobody else's, so that close() ends the connection in the same way.
    _shouldShutdown = False

    def write(self, bytes: bytes) -> None:
        """
        Send some bytes, now or later.
        """
        # Not public, and pinned by a test: what waits to be sent.
        waits = self.dataBuffer or self._tempDataLen
        if bytes and self.connected and not (waits or self.TLS or self._writeDisconnected):
            sent = self.writeSomeData(bytes)
            if isinstance(sent, int) and sent > 0:
                bytes = bytes[sent:]
                if not bytes:
                    return
        super().write(bytes)

    def getHost(self) -> IAddress:
        """
        Our end's address, which stays the same.
        """
        address = self.own_address
        if address is None:
            address = self.own_address = super().getHost()
        return address


def send_directly(port: IListeningPort) -> None:
    """
    Let the connections of a TCP listener, with TLS above it or without, be of that kind; any other
    listener stays as it is.
    """
    if isinstance(port, Port):
        port.transport = _kind_for(port)
        # What is sent in two pieces must not wait for the client to confirm the first one. On Linux
        # a connection has this from its listener; elsewhere it may have to wait.
        if port.socket.family in (socket.AF_INET, socket.AF_INET6):
            port.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _kind_for(port: Port) -> type[DirectServer]:
    """
    The connections of a listener with an address of its own have that address; those of one that
    takes whatever comes have to be asked.
    """
    address = port.getHost()
    if getattr(address, "host", "") in _ANY:
        return DirectServer
    return type(DirectServer.__name__, (DirectServer,), {"own_address": address})
