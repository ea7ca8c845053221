"""
A CA that gives every request a prebuilt answer after a fixed time, for next to no CPU time.

As a program: ``FILE FILE MILLISECONDS``, with the bodies of its GetCACert and PKIOperation
answers; it prints its port.
"""

from __future__ import annotations

import select
import socket
import sys
import time
from collections import deque
from pathlib import Path

from scripts.bench_scep.answers import message_end

_RECEIVE = 65536
_BACKLOG = 1024


def prebuilt(content_type: str, body: bytes) -> bytes:
    """
    An answer, whole.
    """
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def prebuilt_answers(certificate: bytes, cert_rep: bytes) -> dict[bytes, bytes]:
    """
    The answer to each operation.
    """
    return {
        b"GetCACaps": prebuilt("text/plain", b"POSTPKIOperation\nSHA-256\nAES\n"),
        b"GetCACert": prebuilt("application/x-x509-ca-cert", certificate),
        b"PKIOperation": prebuilt("application/x-pki-message", cert_rep),
    }


class StaticCA:
    """
    All its connections, and the answers that wait for their time.

    :param delay: seconds from a request's last byte to its answer.
    """

    def __init__(self, answers: dict[bytes, bytes], delay: float) -> None:
        self._answers = answers
        self._delay = delay
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
        self._listener.setblocking(False)
        self._poll = select.epoll()
        self._poll.register(self._listener.fileno(), select.EPOLLIN)
        self._connections: dict[int, tuple[socket.socket, bytearray]] = {}
        # All wait equally long, so that the first in is the first out.
        self._due: deque[tuple[float, socket.socket, bytes]] = deque()

    @property
    def port(self) -> int:
        """
        Where it listens.
        """
        port: int = self._listener.getsockname()[1]
        return port

    def run(self) -> None:
        """
        Answer until the process ends.
        """
        while True:
            wait = -1.0
            if self._due:
                wait = max(0.0, self._due[0][0] - time.monotonic())
            for number, _ in self._poll.poll(wait):
                if number == self._listener.fileno():
                    self._accept()
                else:
                    self._read(number)
            self._answer(time.monotonic())

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connections[connection.fileno()] = (connection, bytearray())
        self._poll.register(connection.fileno(), select.EPOLLIN)

    def _read(self, number: int) -> None:
        connection, received = self._connections[number]
        try:
            data = connection.recv(_RECEIVE)
        except ConnectionError:
            data = b""
        if not data:
            del self._connections[number]
            connection.close()
            return
        received += data
        if message_end(received) is None:
            return
        line = bytes(received[: received.find(b" HTTP/1.")])
        operation = line.partition(b"operation=")[2].partition(b"&")[0]
        received.clear()
        self._due.append((time.monotonic() + self._delay, connection, self._answers[operation]))

    def _answer(self, now: float) -> None:
        while self._due and self._due[0][0] <= now:
            _, connection, answer = self._due.popleft()
            if connection.fileno() < 0:
                continue
            try:
                connection.sendall(answer)
            except ConnectionError:
                continue


def main() -> None:
    """
    Run it as a program.
    """
    certificate, cert_rep = (Path(name).read_bytes() for name in sys.argv[1:3])
    authority = StaticCA(prebuilt_answers(certificate, cert_rep), float(sys.argv[3]) / 1000)
    print(authority.port, flush=True)
    authority.run()


if __name__ == "__main__":
    main()
