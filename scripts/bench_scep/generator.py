"""
The load generator: many devices at once, each with enrollment after enrollment.

As a program it reads a JSON object a line, does what it says, and prints a JSON object; sockets and
epoll alone, because what it costs is taken from what it measures.
"""

from __future__ import annotations

import contextlib
import json
import math
import select
import socket
import struct
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from scripts.bench_scep.answers import body_of, message_end

SUCCESS = bytes.fromhex("060a6086480186f84501090331031301") + b"0"
"""
The attribute pkiStatus (2.16.840.1.113733.1.9.3) with its one value, PrintableString "0".
"""
_RECEIVE = 65536
_PATIENCE = 30.0
_FAILURES = 200


@dataclass(frozen=True, slots=True)
class Job:
    """
    One measurement.

    :param seconds: for which enrollments are begun; those under way then are finished and counted.
    :param kept: whether a device keeps its connection from one enrollment to the next.
    :param paths: a file with a path a line, one for each enrollment; or the path itself.
    :param messages: a file with the PKCSReqs; empty: one GET of the path is all there is.
    :param first: of the paths and messages, the one to begin with.
    :param limit: enrollments at most.
    :param per_second: so many are begun in a second at most; 0: as many as can be.
    """

    port: int
    devices: int
    seconds: float
    kept: bool
    paths: str
    messages: str
    first: int
    limit: int
    per_second: float = 0.0


@dataclass(frozen=True, slots=True)
class Measured:
    """
    What came of a job; latencies in milliseconds.

    :param used: paths and messages that were taken, those of failures too.
    :param dried: whether the job ended early because there were no more of them.
    """

    count: int
    used: int
    seconds: float
    failures: dict[str, int]
    dried: bool
    operation_p50: float
    operation_p99: float
    whole_p50: float
    whole_p99: float


def pack_messages(messages: list[bytes]) -> bytes:
    """
    Messages as this program reads them from a file.
    """
    return b"".join(struct.pack(">I", len(one)) + one for one in messages)


def unpack_messages(data: bytes) -> list[bytes]:
    """
    The other way round.
    """
    found, at = [], 0
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        found.append(data[at + 4 : at + 4 + length])
        at += 4 + length
    return found


class Supply:
    """
    The enrollments that are still to be done, as the requests of each.
    """

    def __init__(self, job: Job) -> None:
        self.used = 0
        self.dried = False
        is_file = job.paths.endswith(".paths")
        last = job.first + job.limit
        self._paths = (
            Path(job.paths).read_bytes().split(b"\n")[job.first : last] if is_file else None
        )
        self._path = job.paths.encode()
        self._limit = job.limit if self._paths is None else min(job.limit, len(self._paths))
        self._messages = (
            [] if not job.messages else unpack_messages(Path(job.messages).read_bytes())
        )
        if len(self._messages) > 1:
            self._messages = self._messages[job.first : last]
            self._limit = min(self._limit, len(self._messages))

    def take(self) -> Iterator[bytes] | None:
        """
        The requests of the next enrollment; None when there are no more.
        """
        number = self.used
        if number >= self._limit:
            self.dried = True
            return None
        self.used += 1
        path = self._path if self._paths is None else self._paths[number]
        if not self._messages:
            return iter((b"GET %b HTTP/1.1\r\nHost: bench\r\n\r\n" % path,))
        message = self._messages[number if len(self._messages) > 1 else 0]
        return iter(
            (
                b"GET %b?operation=GetCACaps HTTP/1.1\r\nHost: bench\r\n\r\n" % path,
                b"GET %b?operation=GetCACert HTTP/1.1\r\nHost: bench\r\n\r\n" % path,
                b"POST %b?operation=PKIOperation HTTP/1.1\r\nHost: bench\r\n"
                b"Content-Type: application/x-pki-message\r\nContent-Length: %d\r\n\r\n%b"
                % (path, len(message), message),
            )
        )


class Device:
    """
    One device: a connection, and what it is about to send.
    """

    def __init__(self, load: Load) -> None:
        self._load = load
        self._socket: socket.socket | None = None
        self._requests: Iterator[bytes] = iter(())
        self._received = bytearray()
        self._unsent = b""
        self._waits = False
        self._is_operation = False
        self._began = self._sent = 0.0
        self.deadline = 0.0

    def enroll(self) -> bool:
        """
        Begin the next enrollment, or wait for its turn; False when there is none.
        """
        if not self._load.may_begin(self):
            if not self._load.job.kept:
                self.close()
            self.deadline = math.inf
            return True
        requests = self._load.supply.take() if time.monotonic() < self._load.until else None
        if requests is None:
            self.close()
            return False
        self._requests = requests
        self._began = time.monotonic()
        self.deadline = self._began + _PATIENCE
        if not self._load.job.kept:
            self.close()
        try:
            if self._socket is None:
                self._connect()
            self._send_next()
        except OSError as error:
            return self._fail(type(error).__name__)
        return True

    def close(self) -> None:
        """
        Close the connection.
        """
        if self._socket is not None:
            self._load.devices.pop(self._socket.fileno())
            self._socket.close()
            self._socket = None
            self._waits = False

    def move(self, events: int) -> bool:
        """
        Send and read as epoll says; False when this device has ended for good.
        """
        assert self._socket is not None
        try:
            if events & select.EPOLLOUT:
                self._flush()
            if not events & ~select.EPOLLOUT:
                return True
            data = self._socket.recv(_RECEIVE)
        except OSError as error:
            return self._fail(type(error).__name__)
        if not data:
            return self._fail("connection closed")
        self._received += data
        return True if message_end(self._received) is None else self._answered()

    def give_up(self) -> bool:
        """
        The deadline has passed.
        """
        return self._fail("no answer in time")

    def _connect(self) -> None:
        self._socket = socket.socket()
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.connect_ex(("127.0.0.1", self._load.job.port))
        self._load.devices[self._socket.fileno()] = self
        self._load.poll.register(self._socket.fileno(), select.EPOLLIN)

    def _send_next(self) -> bool:
        request = next(self._requests, None)
        if request is None:
            return False
        self._received.clear()
        self._is_operation = request.startswith(b"POST")
        self._sent = time.monotonic()
        self._unsent = request
        self._flush()
        return True

    def _flush(self) -> None:
        """
        Send what can be sent; the rest once epoll says so.
        """
        assert self._socket is not None
        waited = self._waits
        # It blocks while the connection is being made, or its buffer is full.
        with contextlib.suppress(BlockingIOError):
            self._unsent = self._unsent[self._socket.send(self._unsent) :]
        self._waits = bool(self._unsent)
        if waited is not self._waits:
            events = select.EPOLLIN | (select.EPOLLOUT if self._waits else 0)
            self._load.poll.modify(self._socket.fileno(), events)

    def _answered(self) -> bool:
        fault = self._fault()
        if fault:
            return self._fail(fault)
        now = time.monotonic()
        if self._is_operation:
            self._load.operations.append(now - self._sent)
        try:
            if self._send_next():
                return True
        except OSError as error:
            return self._fail(type(error).__name__)
        self._load.wholes.append(now - self._began)
        return self.enroll()

    def _fault(self) -> str:
        if not self._received.startswith(b"HTTP/1.1 200"):
            status = self._received[9:12].decode("latin-1")
            return f"HTTP {status}: {body_of(self._received)[:80].decode('latin-1').strip()}"
        if self._is_operation and SUCCESS not in self._received:
            return "no CertRep SUCCESS"
        return ""

    def _fail(self, reason: str) -> bool:
        """
        Count a failure, and go on; a device that fails at once again and again ends.
        """
        self._load.failures[reason] += 1
        self.close()
        if self._load.failures.total() > _FAILURES:
            return False
        return self.enroll()


class Load:
    """
    All devices of one job.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.supply = Supply(job)
        self.devices: dict[int, Device] = {}
        self.poll = select.epoll()
        self.operations: list[float] = []
        self.wholes: list[float] = []
        self.failures: Counter[str] = Counter()
        self.until = 0.0
        self._waiting: deque[Device] = deque()
        self._next = 0.0

    def may_begin(self, device: Device) -> bool:
        """
        Whether this device may begin its next enrollment; else it will have its turn.
        """
        now = time.monotonic()
        if not self.job.per_second or now >= self.until:
            return True
        if now < self._next:
            self._waiting.append(device)
            return False
        self._next += 1 / self.job.per_second
        return True

    def run(self) -> Measured:
        """
        Do the job.
        """
        began = time.monotonic()
        self._next, self.until = began, began + self.job.seconds
        running = sum(Device(self).enroll() for _ in range(self.job.devices))
        looked = began
        while running:
            for number, events in self.poll.poll(self._until_next()):
                device = self.devices.get(number)
                running -= device is not None and not device.move(events)
            running -= self._begin_next()
            if time.monotonic() > looked + 1:
                looked = time.monotonic()
                running -= self._give_up(looked)
        self.poll.close()
        return self._measured(time.monotonic() - began)

    def _until_next(self) -> float:
        if not self._waiting:
            return 1.0
        return max(min(self._next, self.until) - time.monotonic(), 0.0)

    def _begin_next(self) -> int:
        """
        Let those begin whose turn has come; how many have ended instead.
        """
        ended = 0
        while self._waiting and time.monotonic() >= min(self._next, self.until):
            ended += not self._waiting.popleft().enroll()
        return ended

    def _give_up(self, now: float) -> int:
        late = [device for device in self.devices.values() if device.deadline < now]
        return sum(not device.give_up() for device in late)

    def _measured(self, seconds: float) -> Measured:
        return Measured(
            len(self.wholes),
            self.supply.used,
            seconds,
            dict(self.failures),
            self.supply.dried,
            *(_percentile(self.operations, part) for part in (0.5, 0.99)),
            *(_percentile(self.wholes, part) for part in (0.5, 0.99)),
        )


def _percentile(seconds: list[float], part: float) -> float:
    if not seconds:
        return 0.0
    return sorted(seconds)[min(int(len(seconds) * part), len(seconds) - 1)] * 1000


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
