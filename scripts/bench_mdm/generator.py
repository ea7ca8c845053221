"""
The load generator: connections that are kept, on each of which devices poll one after the other.

As a program it reads a JSON object a line, does what it says, and prints a JSON object; sockets and
epoll alone, and requests that were made and signed beforehand, because what it costs is taken from
what it measures.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from scripts.bench_scep.answers import message_end
from scripts.bench_scep.generator import unpack_messages

_RECEIVE = 65536
_PATIENCE = 30.0
_MOST_FAILURES = 200


@dataclass(frozen=True, slots=True)
class Job:
    """
    One measurement.

    :param connections: that are kept open.
    :param seconds: for which polls are begun; those under way then are finished and counted.
    :param per_second: polls that are begun in a second; 0: each as soon as the one before on its
        connection is answered.
    :param requests: a file with whole HTTP requests, of one device each.
    """

    port: int
    connections: int
    seconds: float
    per_second: float
    requests: str


@dataclass(frozen=True, slots=True)
class Measured:
    """
    What came of a job.

    :param seconds: from its begin to its last answer.
    :param latencies: milliseconds of each poll that was answered 200 and empty, in no order; with
        ``per_second`` from the time at which it was to begin.
    :param failures: how often anything else came.
    """

    seconds: float
    latencies: list[float]
    failures: dict[str, int]

    @property
    def count(self) -> int:
        """
        Polls that went well.
        """
        return len(self.latencies)

    def percentile(self, part: float) -> float:
        """
        Milliseconds that this part of the polls did not exceed; 1.0: all of them.
        """
        return percentile(self.latencies, part)


def percentile(latencies: Sequence[float], part: float) -> float:
    """
    The value that this part of them does not exceed; 0 when there are none.
    """
    if not latencies:
        return 0.0
    return sorted(latencies)[min(int(len(latencies) * part), len(latencies) - 1)]


class Connection:
    """
    One connection, whose devices take turns.
    """

    def __init__(self, load: Load, number: int) -> None:
        self._load = load
        self._turn = number
        self._received = bytearray()
        self._unsent = b""
        self._waits = False
        self._socket: socket.socket | None = None
        self.begin = 0.0
        self.is_busy = False

    def poll(self, begin: float) -> None:
        """
        Send the next device's request.

        :param begin: when it was to be sent.
        """
        requests = self._load.requests
        self.begin, self.is_busy = begin, True
        self._unsent = requests[self._turn % len(requests)]
        self._turn += self._load.job.connections
        try:
            if self._socket is None:
                self._connect()
            self._flush()
        except OSError as error:
            self._fail(type(error).__name__)

    def move(self, events: int) -> None:
        """
        Send and read as epoll says.
        """
        assert self._socket is not None
        try:
            if events & select.EPOLLOUT:
                self._flush()
            if not events & ~select.EPOLLOUT:
                return
            data = self._socket.recv(_RECEIVE)
        except OSError as error:
            self._fail(type(error).__name__)
            return
        if not data:
            self._fail("connection closed")
            return
        self._received += data
        end = message_end(self._received)
        if end is not None:
            self._answered(end)

    def close(self) -> None:
        """
        Close it.
        """
        if self._socket is not None:
            self._load.connections.pop(self._socket.fileno(), None)
            self._socket.close()
            self._socket, self._waits = None, False
        self._received.clear()

    def give_up(self) -> None:
        """
        The answer is not coming.
        """
        self._fail("no answer in time")

    def _answered(self, end: int) -> None:
        status = bytes(self._received[9:12])
        if status != b"200" or not self._received.endswith(b"\r\n\r\n"):
            self._fail(f"HTTP {status.decode('latin-1')}: {_body(self._received)}")
            return
        del self._received[:end]
        self.is_busy = False
        self._load.answered(self)

    def _connect(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self._load.job.port), _PATIENCE)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._load.connections[self._socket.fileno()] = self
        self._load.epoll.register(self._socket.fileno(), select.EPOLLIN)

    def _flush(self) -> None:
        assert self._socket is not None
        waited = self._waits
        with contextlib.suppress(BlockingIOError):
            self._unsent = self._unsent[self._socket.send(self._unsent) :]
        self._waits = bool(self._unsent)
        if waited is not self._waits:
            events = select.EPOLLIN | (select.EPOLLOUT if self._waits else 0)
            self._load.epoll.modify(self._socket.fileno(), events)

    def _fail(self, reason: str) -> None:
        self.close()
        self.is_busy = False
        self._load.failed(self, reason)


class Load:
    """
    All connections of one job.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.requests = _requests(job.requests)
        self.connections: dict[int, Connection] = {}
        self.epoll = select.epoll()
        self._latencies: list[float] = []
        self._failures: Counter[str] = Counter()
        self._all = [Connection(self, number) for number in range(job.connections)]
        self._free: list[Connection] = []
        self._until = self._next = 0.0

    def run(self) -> Measured:
        """
        Do the job.
        """
        began = time.perf_counter()
        self._until, self._next = began + self.job.seconds, began
        if self.job.per_second:
            self._free = list(self._all)
        else:
            for one in self._all:
                one.poll(time.perf_counter())
        while self._is_going_on():
            for number, events in self.epoll.poll(self._wait()):
                one = self.connections.get(number)
                if one is not None:
                    one.move(events)
            self._begin_due()
        measured = Measured(time.perf_counter() - began, self._latencies, dict(self._failures))
        for one in self._all:
            one.close()
        self.epoll.close()
        return measured

    def answered(self, one: Connection) -> None:
        """
        A poll is over, and went well.
        """
        now = time.perf_counter()
        self._latencies.append(1000 * (now - one.begin))
        self._go_on(one, now)

    def failed(self, one: Connection, reason: str) -> None:
        """
        A poll is over, and went wrong.
        """
        self._failures[reason] += 1
        self._go_on(one, time.perf_counter())

    def _go_on(self, one: Connection, now: float) -> None:
        if self.job.per_second:
            self._free.append(one)
        elif now < self._until and self._failures.total() < _MOST_FAILURES:
            one.poll(now)

    def _begin_due(self) -> None:
        """
        Begin what is due; what finds no free connection is late from its own time on.
        """
        if not self.job.per_second:
            return
        now = time.perf_counter()
        while self._next <= min(now, self._until) and self._free:
            self._free.pop(0).poll(self._next)
            self._next += 1 / self.job.per_second

    def _wait(self) -> float:
        if not self.job.per_second or not self._free:
            return 1.0
        return max(0.0, min(1.0, self._next - time.perf_counter()))

    def _is_going_on(self) -> bool:
        now = time.perf_counter()
        busy = [one for one in self._all if one.is_busy]
        for one in busy:
            if one.begin < now - _PATIENCE:
                one.give_up()
        waits = bool(self.job.per_second) and self._next <= self._until
        return bool(busy) or (waits and self._failures.total() < _MOST_FAILURES)


def _body(message: bytearray) -> str:
    return bytes(message[message.find(b"\r\n\r\n") + 4 :])[:80].decode("latin-1").strip()


@cache
def _requests(name: str) -> list[bytes]:
    return unpack_messages(Path(name).read_bytes())


def main() -> None:
    """
    Do job after job.
    """
    print("ready", flush=True)
    for line in sys.stdin:
        measured = Load(Job(**json.loads(line))).run()
        print(json.dumps(asdict(measured)), flush=True)


if __name__ == "__main__":
    main()
