"""
The engine alone under scripts that go beyond what h2's own streams understand.
"""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.apns.engine import PushEngine
from scepd.apns.events import (
    ConnectionBroken,
    Event,
    PushAnswered,
    PushesAccepted,
    PushLost,
    PushRefused,
)
from tests.apns.scripts import FIRST_SETTINGS, Act, Side, Turn, turns

_TABLES: st.SearchStrategy[Act] = st.tuples(
    st.just("settings"),
    st.none(),
    st.none(),
    st.sampled_from((0, 100, 4096, 65_536)),
)


class ScriptTests(SynchronousTestCase):
    """
    Tests of what holds whatever the server does.
    """

    @settings(max_examples=200, deadline=None)
    @given(FIRST_SETTINGS, turns(_TABLES))
    def test_accounted_for(self, first: tuple[int, int, int | None], script: list[Turn]) -> None:
        """
        Each push has exactly one end, or was given up; a server that keeps to the rules of HTTP/2
        is never accused, and sees no rule broken.
        """
        side = Side(PushEngine("host"))
        side.server.pads_nothing = True
        ends: Counter[int] = Counter()
        for turn in [Turn([], [], [("settings", *first)], []), *script]:
            for event in side.turn(turn):
                self.assertNotIsInstance(event, ConnectionBroken)
                ends.update(stream_ids(event))
        for event in side.engine.end("gone"):
            ends.update(stream_ids(event))
        self.assertEqual([one for one in ends if ends[one] > 1], [])
        self.assertEqual(set(side.taken) - set(ends), set(side.cancelled) - set(ends))


def stream_ids(event: Event) -> list[int]:
    """
    The pushes that an event is the end of.
    """
    match event:
        case PushesAccepted(several):
            return list(several)
        case PushAnswered(one) | PushRefused(one) | PushLost(one):
            return [one]
        case _:
            return []
