"""
A device's end of an HTTP connection, in memory.
"""

from __future__ import annotations

import http.client
import io
import socket
from dataclasses import dataclass
from typing import cast

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from scepd.web.http_channel import DeadlineChannel
from scepd.web.streaming import StreamingSite

PATH = b"/mdm/scep/proxy/HOST-1%2CaPROFILE-1%2CCORP"


@dataclass(frozen=True)
class HTTPAnswer:
    """
    An answer as :mod:`http.client` reads it.

    :param truncated: whether less of a body came than its head or its chunks said.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    truncated: bool = False


class _Received(io.BufferedReader):
    """
    As much of a socket as http.client asks for; one answer's end does not close it.
    """

    def makefile(self, mode: str) -> io.BufferedReader:
        return self

    def close(self) -> None:
        pass


def read_answers(data: bytes, *methods: str) -> list[HTTPAnswer]:
    """
    Read all answers in ``data``, to requests of these methods (GET for what is not said).
    """
    received, answers = _Received(cast(io.RawIOBase, io.BytesIO(data))), list[HTTPAnswer]()
    while received.peek(1):
        method = methods[len(answers)] if len(answers) < len(methods) else "GET"
        answer = http.client.HTTPResponse(cast(socket.socket, received), method=method)
        answer.begin()
        answers.append(_read_body(answer))
    return answers


def _read_body(answer: http.client.HTTPResponse) -> HTTPAnswer:
    headers = {name.lower(): value for name, value in answer.headers.items()}
    try:
        return HTTPAnswer(answer.status, headers, answer.read())
    except http.client.IncompleteRead as error:
        return HTTPAnswer(answer.status, headers, error.partial, truncated=True)


class DeviceEnd:
    """
    A device's end of a connection to a site.
    """

    def __init__(self, site: StreamingSite, address: IAddress | None = None) -> None:
        protocol = site.buildProtocol(IPv4Address("TCP", "192.0.2.1", 50000))
        assert isinstance(protocol, DeadlineChannel)
        self.channel = protocol
        self.transport = StringTransport(peerAddress=address)
        self.channel.makeConnection(self.transport)

    def send(self, *data: bytes) -> None:
        """
        Each part arrives in a read of its own, unless the connection is closed.
        """
        for part in data:
            if not self.transport.disconnecting:
                self.channel.dataReceived(part)

    def post(
        self, *body: bytes, query: bytes = b"operation=PKIOperation", head: bytes = b""
    ) -> None:
        """
        Send a POST with Content-Length, head and each part of the body in reads of their own.
        """
        length = sum(map(len, body))
        self.send(
            b"POST %b?%b HTTP/1.1\r\nHost: scepd\r\nContent-Length: %d\r\n%b\r\n"
            % (PATH, query, length, head),
            *body,
        )

    def get(self, query: bytes, *, path: bytes = PATH, head: bytes = b"") -> None:
        """
        Send a GET.
        """
        self.send(b"GET %b?%b HTTP/1.1\r\nHost: scepd\r\n%b\r\n" % (path, query, head))

    def vanish(self) -> None:
        """
        End the connection.
        """
        self.channel.connectionLost(Failure(ConnectionDone()))

    @property
    def is_read(self) -> bool:
        """
        Whether the server reads what this end sends.
        """
        return bool(self.transport.producerState == "producing")

    def answers(self, *methods: str) -> list[HTTPAnswer]:
        """
        What came back so far.
        """
        return read_answers(self.transport.value(), *methods)

    def answer(self) -> HTTPAnswer:
        """
        The one answer that came back.
        """
        [answer] = self.answers()
        return answer


def in_chunks(*parts: bytes) -> bytes:
    """
    The chunked form of a body, without its end.
    """
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
