"""
How pushes are sent.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PushSettings:
    """
    Times are in seconds.

    :param check_interval: between two looks at what is due.
    :param claim: for which a wish is this process's own.
    :param deadline: for a push: longer than the gateway's own deadlines, one after the other, as
        the gateway knows whether Apple may have seen it; and less than ``claim``, by as much as an
        answer may wait for the database, so that no other sends it meanwhile.
    :param in_flight: at most so many pushes are claimed and not answered at one time.
    :param per_second: at most so many pushes are begun: their devices come to scepd, too.
    :param batch: at most so many wishes are claimed, or answers recorded, at once: one unit of
        work, and one turn of the reactor, of a few milliseconds.
    :param gathering: for which answers wait for others, to be recorded with them.
    :param tries: how often a push is sent in a row of which it is never known whether Apple took
        it; then it is tried as seldom as one that Apple took.
    :param suspended: for which nothing is claimed after Apple refused the push certificate.
    :param addresses: so many opened addresses of devices are kept in memory.
    :param sweep_interval: between two pieces of the sweep.
    :param sweep_batch: enrollments with waiting commands that a piece looks at.
    """

    check_interval: float = 5.0
    claim: float = 70.0
    deadline: float = 45.0
    in_flight: int = 2000
    per_second: float = 10_000.0
    batch: int = 250
    gathering: float = 0.02
    tries: int = 5
    suspended: float = 60.0
    addresses: int = 20_000
    sweep_interval: float = 60.0
    sweep_batch: int = 200

    @classmethod
    def with_deadline(cls, seconds: float) -> PushSettings:
        """
        Those with another deadline for a push, and a claim that is longer than it.
        """
        return cls(deadline=seconds, claim=1.5 * seconds + 2.5)
