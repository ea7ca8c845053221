"""
What the APNs double did with each push, to be compared with what the client says became of it.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from scepd.apns.outcome import OutcomeKind, PushOutcome
from tests.support.apns_requests import Reply, Request

_NOT_PROCESSED = 403
_LONGEST_BODY = 4000
_TINY = 1e-6


class Fate(Enum):
    """
    What became of a request.
    """

    ANSWERED = "answered"
    """
    And the client has surely seen it.
    """
    REFUSED = "refused"
    """
    Surely not processed, as REFUSED_STREAM and GOAWAY say.
    """
    UNKNOWN = "unknown"
    """
    There was no answer, or the client may not have seen it.
    """


@dataclass(slots=True)
class Entry:
    """
    A whole request.

    :param came: when it came.
    :param reply: what it was answered with, seen or not.
    :param at: when that was.
    """

    request: Request
    came: float
    fate: Fate = Fate.UNKNOWN
    reply: Reply | None = None
    at: float = 0.0

    @property
    def counts(self) -> bool:
        """
        Whether Apple may have taken the push.
        """
        refused = self.reply is not None and self.reply.status == _NOT_PROCESSED
        return self.fate is not Fate.REFUSED and not refused


class Ledger:
    """
    All requests by their apns-id, in order.

    :ivar seconds: tells the time.
    :ivar doubt: seconds before a connection's end in which an answer may be lost on its way.
    :ivar patience: seconds after which the client gives a push up: an answer in that very moment
        crosses its RST_STREAM.
    """

    def __init__(self) -> None:
        self.seconds: Callable[[], float] = time.monotonic
        self.doubt = 1.0
        self.patience = float("inf")
        self.entries: defaultdict[str, list[Entry]] = defaultdict(list)

    def arrived(self, request: Request) -> Entry:
        """
        A whole request came.
        """
        entry = Entry(request, self.seconds())
        self.entries[request.value("apns-id")].append(entry)
        return entry

    def answered(self, entry: Entry, reply: Reply) -> None:
        """
        The last octet of its answer was sent.
        """
        entry.reply, entry.at = reply, self.seconds()
        in_time = entry.at - entry.came < self.patience - _TINY
        entry.fate = Fate.ANSWERED if in_time else Fate.UNKNOWN

    def cut(self, entries: Iterable[Entry]) -> None:
        """
        The connection has ended: the newest answers may not have arrived.
        """
        oldest = self.seconds() - self.doubt
        for entry in entries:
            if entry.fate is Fate.ANSWERED and entry.at >= oldest:
                entry.fate = Fate.UNKNOWN

    def count(self, fate: Fate) -> int:
        """
        How many requests met a fate.
        """
        return sum(entry.fate is fate for found in self.entries.values() for entry in found)

    def complaints(self, outcomes: Mapping[str, Sequence[PushOutcome | None]]) -> list[str]:
        """
        What does not fit together, a sentence each.

        :param outcomes: by apns-id, of each time it was pushed, in order; None: there is none yet.
        """
        found = [f"{apns_id} was never pushed" for apns_id in self.entries.keys() - outcomes.keys()]
        for apns_id, told in outcomes.items():
            entries = self.entries.get(apns_id, [])
            if None in told:
                found.append(f"{apns_id} hangs")
            known = [one for one in told if one is not None]
            found += [f"{apns_id}: {text}" for text in _judge(entries, known)]
        return found

    def assert_accounted(self, outcomes: Mapping[str, Sequence[PushOutcome | None]]) -> None:
        """
        Nothing lost, nothing hung, nothing twice unless the outcome was unknown.

        :raises AssertionError: with all that is wrong.
        """
        complaints = self.complaints(outcomes)
        if complaints:
            raise AssertionError("\n".join(complaints))


def _judge(entries: list[Entry], outcomes: list[PushOutcome]) -> Iterable[str]:
    """
    The complaints about one apns-id.
    """
    taken = sum(entry.counts for entry in entries)
    told = sum(one.sent for one in outcomes)
    if taken > told:
        yield f"it came {taken} times, though the client said {told} times that it may have"
    replies = Counter(_words(one.reply) for one in entries if one.reply is not None)
    said = Counter((one.status, one.reason) for one in outcomes if one.status is not None)
    if said - replies:
        yield f"the client made up {dict(said - replies)}"
    seen = Counter(
        _words(one.reply)
        for one in entries
        if one.reply is not None and one.fate is Fate.ANSWERED and one.counts
    )
    if seen - said:
        yield f"the client lost {dict(seen - said)}"
    done = sum(one.kind is OutcomeKind.DONE for one in outcomes)
    if done > 1:
        yield f"it was done {done} times"


def _words(reply: Reply) -> tuple[int, str]:
    # Of a body that is too long to be Apple's the client keeps no reason.
    return reply.status, "" if reply.filler > _LONGEST_BODY else reply.reason or ""
