"""
What every part needs of the process: reactor, threads, randomness, the keyring.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool

from scepd.config import Configuration
from scepd.pki.keyring import Keyring
from scepd.services.random_ids import RandomIds

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """
    :param reactor: the clock of all parts, and more to some.
    :param keyring: gives the keyring as it was read last.
    :param new_id: makes a fresh UUID.
    """

    configuration: Configuration
    reactor: Any
    keyring: Callable[[], Keyring]
    new_id: Callable[[], str] = field(default_factory=lambda: RandomIds(os.urandom))

    def in_thread(self, work: Callable[[], T], /) -> Deferred[T]:
        """
        Run ``work`` in one of the reactor's threads (a :class:`scepd.ports.Workers`).
        """
        return deferToThreadPool(self.reactor, self.reactor.getThreadPool(), work)

    def random_bytes(self, count: int) -> bytes:
        """
        Bytes that nobody can guess.
        """
        return os.urandom(count)

    def jitter(self) -> float:
        """
        A number from 0 up to 1, for spreading things in time.
        """
        return random.random()
