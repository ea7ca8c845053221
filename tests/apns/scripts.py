"""
Scripts of what an engine and its server do, and their performance.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from scepd.apns.engine import PushEngine
from scepd.apns.events import (
    ConnectionBroken,
    Event,
    PushAnswered,
    PushesAccepted,
    PushLost,
)
from tests.apns.notifications import notification
from tests.apns.reference_engine import ReferenceEngine
from tests.apns.scripted_server import INFORMED, ScriptedServer

Act = tuple[Any, ...]


@dataclass(frozen=True)
class Turn:
    """
    One step of a script.

    :param client: what is pushed and pinged, which the server then sees.
    :param cancels: which streams are given up, which it does not see yet.
    :param server: what it does, all in one go.
    :param cuts: where its bytes are cut before they arrive.
    """

    client: list[Act]
    cancels: list[int]
    server: list[Act]
    cuts: list[int]


_PICK = st.integers(0, 9)
_SIZE = st.sampled_from((0, 0, 1, 100, 600))
_STATUS = st.sampled_from((200, 200, 200, 400, 410, 503))
_FORM = st.sampled_from((0, 0, 32)) | st.integers(0, 63)
_CREDIT = st.integers(1, 100) | st.integers(1, 100_000)
MAYBE = st.none()
_SERVER: st.SearchStrategy[Act] = st.one_of(
    st.tuples(st.just("answer"), _PICK, _STATUS, _SIZE, _FORM),
    st.tuples(st.just("answer"), _PICK, st.just(200), st.just(0), st.sampled_from((0, 32))),
    st.tuples(st.just("head"), _PICK, _STATUS, _FORM),
    st.tuples(st.just("data"), _PICK, _SIZE, _FORM),
    st.tuples(st.just("reset"), _PICK, st.sampled_from((0, 2, 7, 7, 8))),
    st.tuples(
        st.just("settings"),
        MAYBE | st.sampled_from((0, 1, 3, 1000)),
        MAYBE | st.integers(0, 60) | st.sampled_from((65_535, 2**30)),
        MAYBE,
    ),
    st.tuples(st.just("credit"), MAYBE | _PICK, _CREDIT),
    st.tuples(st.just("go_away"), MAYBE | _PICK, st.sampled_from(("Shutdown", "BadCertificate"))),
    st.tuples(st.just("ping"), st.binary(min_size=8, max_size=8)),
    st.tuples(st.just("oddity"), _PICK),
    st.tuples(st.just("acknowledge")),
)
_CLIENT: st.SearchStrategy[Act] = st.one_of(
    st.tuples(st.just("push"), st.integers(1, 80) | st.just(4000)),
    st.tuples(st.just("push"), st.integers(1, 80)),
    st.tuples(st.just("ping"), st.binary(min_size=8, max_size=8)),
)


def turns(*more: st.SearchStrategy[Act]) -> st.SearchStrategy[list[Turn]]:
    """
    Scripts.

    :param more: what the server may also do.
    """
    return st.lists(
        st.builds(
            Turn,
            st.lists(_CLIENT, max_size=5),
            st.lists(_PICK, max_size=1),
            st.lists(st.one_of(_SERVER, *more), max_size=5),
            st.lists(st.integers(1, 300), max_size=3),
        ),
        max_size=12,
    )


FIRST_SETTINGS = st.tuples(
    st.sampled_from((1, 3, 1000)),
    st.sampled_from((0, 9, 65_535)),
    MAYBE | st.sampled_from((0, 100, 4096, 65_536)),
)


class Side:
    """
    An engine and its server.

    :ivar taken: the streams of its pushes.
    :ivar cancelled: those that were given up, perhaps too late.
    """

    def __init__(self, engine: PushEngine | ReferenceEngine) -> None:
        self.engine = engine
        self.server = ScriptedServer()
        self.taken: list[int] = []
        self.cancelled: list[int] = []

    def turn(self, turn: Turn, nonsense: int | None = None) -> list[Event]:
        """
        One step; returns the engine's events.
        """
        for act in turn.client:
            self._client(*act)
        self.read()
        for pick in turn.cancels:
            if self.taken:
                self.cancelled.append(self.taken[-1 - pick % len(self.taken)])
                self.engine.cancel(self.cancelled[-1])
        for name, *arguments in turn.server:
            if turn.cancels and name in ("answer", "head"):
                arguments[-1] &= ~INFORMED
            getattr(self.server, name)(*arguments)
        if nonsense is not None:
            self.server.nonsense(nonsense)
        found = self._deliver(turn.cuts)
        self.read()
        return found

    def read(self) -> None:
        """
        Carry the engine's bytes to the server.
        """
        self.server.read(self.engine.data_to_send())

    def _client(self, name: str, argument: Any) -> None:
        if name == "ping":
            self.engine.ping(argument)
            return
        push = notification(len(self.taken) + 1, magic="m" * argument)
        if self.engine.takes(push):
            self.taken.append(self.engine.push(push))

    def _deliver(self, cuts: list[int]) -> list[Event]:
        data = bytes(self.server.out)
        self.server.out.clear()
        edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
        pieces = [data[start:end] for start, end in pairwise(edges)]
        return [event for piece in pieces for event in self.engine.receive(piece)]

    def state(self) -> tuple[object, ...]:
        """
        All that can be seen of it.
        """
        engine, server = self.engine, self.server
        return (
            engine.in_flight,
            engine.spent,
            engine.capacity,
            [engine.takes(notification(1, magic="m" * size)) for size in (1, 1000, 4000)],
            self.taken,
            [(one.headers, one.body, one.ended) for one in server.requests.values()],
            server.resets,
            server.pongs,
        )


def told(events: list[Event]) -> tuple[list[int], list[object]]:
    """
    What events say, in a form in which both engines say the same: (plain 200s, all else).
    """
    accepted: list[int] = []
    others: list[object] = []
    for event in events:
        match event:
            case PushesAccepted(stream_ids):
                accepted += stream_ids
            case PushAnswered(stream_id, 200):
                accepted.append(stream_id)
            case PushLost(stream_id):
                others.append(("lost", stream_id))
            case ConnectionBroken():
                others.append("broken")
            case _:
                others.append(event)
    return sorted(accepted), others
