"""
HTTP at little cost, for many devices in one process.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead
from urllib.parse import urlsplit

from scepd.simulator.failures import DeviceError, NoAnswer
from scepd.simulator.http import Answer, DeviceHTTP

_SECONDS = 60.0
_LARGEST_ANSWER = 32 * 1024 * 1024


class PlainHTTP(DeviceHTTP):
    """
    What DeviceHTTP does, for ``http://`` URLs of one server at a time, and with a tenth of the CPU
    time; of one thread at a time.

    :param seconds: for each step of a request, and until an answer's body has to be there.
    :param clock: seconds that only grow.
    """

    def __init__(
        self, *, seconds: float = _SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._connection: HTTPConnection | None = None
        self._server = ""

    def request(
        self,
        method: str,
        url: str,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        largest: int = _LARGEST_ANSWER,
    ) -> Answer:
        """
        Send a request, as DeviceHTTP does.

        :param method: such as ``GET``.
        :param url: with its query; it may hold a token.
        :param content: the body.
        :param headers: beside the usual ones.
        :param largest: octets of the answer's body.
        :returns: the answer, whatever its status.
        :raises NoAnswer: the URL is none of this scheme, or no answer came.
        :raises DeviceError: no whole answer came in time, or too much of it.
        """
        deadline = self._clock() + self._seconds
        try:
            parts = urlsplit(url)
            if parts.scheme != "http" or not parts.hostname:
                raise ValueError
            target = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
            connection = self._connect(parts.netloc)
            connection.request(method, target, content, dict(headers or {}))
            answer = connection.getresponse()
            return Answer(answer.status, self._read(answer, method, deadline, largest))
        except DeviceError:
            self.close()
            raise
        except (OSError, HTTPException, ValueError) as error:
            self.close()
            # Neither the URL nor the error's own words: both may hold a token.
            raise NoAnswer(f"{method}: no answer: {type(error).__name__}") from None

    def close(self) -> None:
        """
        End the connection; the next request begins another.
        """
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connect(self, server: str) -> HTTPConnection:
        """
        Give the kept connection while it is good: what was sent on a dying one may have arrived.
        """
        kept = self._connection
        if kept is not None and self._server == server and _is_quiet(kept.sock):
            return kept
        self.close()
        connection = self._connection = HTTPConnection(server, timeout=self._seconds)
        self._server = server
        return connection

    def _read(self, answer: HTTPResponse, method: str, deadline: float, largest: int) -> bytes:
        body = bytearray()
        while part := answer.read1(65_536):
            body += part
            if len(body) > largest:
                raise DeviceError(f"{method}: the answer is longer than {largest} bytes")
            if self._clock() > deadline:
                raise DeviceError(f"{method}: the answer took more than {self._seconds:g} s")
        if answer.length:
            raise IncompleteRead(bytes(body), answer.length)
        # Read to its end by read1, it would still keep the connection from another request.
        answer.close()
        return bytes(body)


def _is_quiet(sock: socket.socket | None) -> bool:
    """
    Whether nothing came on a connection that waits: neither its end nor anything unasked.
    """
    if sock is None:
        return False
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return not poll.poll(0)
