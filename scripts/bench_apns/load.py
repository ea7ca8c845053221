"""
What a client under measurement sends, and how that is counted.

A client asks for the next push whenever fewer than ``in_flight`` are out, until there is none.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

TOPIC = "com.apple.mgmt.External.6f1ee3a4-90c2-4d0c-8f5e-2f0f0a4b7c1d"
EXPIRATION = 2_000_000_000
_DISTINCT = 1900
_WARM_SECONDS = 0.5


class Push(NamedTuple):
    """
    One push; the PushMagic is a UUID, so that the body has 46 octets.
    """

    token: bytes
    token_hex: str
    push_magic: str
    apns_id: str


@dataclass(frozen=True, slots=True)
class Job:
    """
    One measurement.

    :param certificate: the PEM file of the push certificate with its key.
    :param roots: the PEM file of the server's CA.
    """

    port: int
    in_flight: int
    seconds: float
    certificate: str
    roots: str


@dataclass(frozen=True, slots=True)
class Measured:
    """
    What came of it.

    :param count: pushes that were answered with 200.
    :param seconds: from the first push to the last answer.
    :param cpu: seconds of CPU time of the client's process meanwhile.
    :param failures: how often each other answer came.
    """

    count: int
    seconds: float
    cpu: float
    failures: dict[str, int] = field(default_factory=dict)


class Load:
    """
    The pushes of one measurement; its clocks begin when it is made.
    """

    def __init__(self, pushes: Iterator[Push], seconds: float) -> None:
        self._pushes = pushes
        self._statuses: Counter[object] = Counter()
        self._cpu = time.process_time()
        self._begin = time.perf_counter()
        self._end = self._begin + seconds
        self.out = 0

    def next(self) -> Push | None:
        """
        One more push to send; None when the time is over.
        """
        if time.perf_counter() >= self._end:
            return None
        self.out += 1
        return next(self._pushes)

    def answered(self, status: object) -> None:
        """
        A push has its answer: a status, or what went wrong.
        """
        self.out -= 1
        self._statuses[status] += 1

    def measured(self) -> Measured:
        """
        What came of it, at its end.
        """
        cpu = time.process_time() - self._cpu
        seconds = time.perf_counter() - self._begin
        count = self._statuses.pop(200, 0)
        return Measured(count, seconds, cpu, {str(key): n for key, n in self._statuses.items()})


def read_job() -> Job:
    """
    The job that a client's process was started with.
    """
    return Job(**json.loads(sys.argv[1]))


def tell(measured: Measured) -> None:
    """
    Print it, for the process that started the client.
    """
    print(json.dumps(asdict(measured)), flush=True)


def tokens(count: int = _DISTINCT) -> Iterator[bytes]:
    """
    The push tokens of so many devices.
    """
    return (number.to_bytes(4, "big") * 8 for number in range(count))


def distinct_pushes() -> Iterator[Push]:
    """
    Pushes to many devices, over and over; made beforehand, for it is no work of a client.
    """
    made = [Push(token, token.hex(), str(uuid.uuid4()), str(uuid.uuid4())) for token in tokens()]
    return itertools.cycle(made)


def both_loads(job: Job) -> Iterator[Load]:
    """
    The load that warms a connection up, then the one that counts, each made when it is asked for.
    """
    pushes = distinct_pushes()
    yield Load(pushes, min(_WARM_SECONDS, job.seconds))
    yield Load(pushes, job.seconds)
