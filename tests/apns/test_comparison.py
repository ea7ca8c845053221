"""
The engine and the reference engine, which goes through h2's own streams, under the same scripts.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.apns.engine import PushEngine
from tests.apns.reference_engine import ReferenceEngine
from tests.apns.scripts import FIRST_SETTINGS, MAYBE, Act, Side, Turn, told, turns

# What is left out, because h2's own streams do something else there (and ours is what we want):
# - answers that are malformed (no status, a body before its head): h2 ends the whole connection;
# - windows that overflow with SETTINGS: h2 looks at streams, too, that have their answer;
# - frames that have padding and no content: hyperframe refuses them;
# - 1xx heads on streams that we have reset, and that the server does not know of: so does it;
# - frames on streams that the server itself has ended: so does it;
# - SETTINGS_HEADER_TABLE_SIZE after the first SETTINGS: of two changes between two blocks hpack's
#   encoder announces a size above the last one, or none;
# - a limit for our header list: h2's streams don't heed it;
# - more than a window of bodies: h2 gives credit later, so that the server would have to wait;
# - replies after h2 has seen GOAWAY: it can't deliver them. The reference engine keeps it from it.


class ComparisonTests(SynchronousTestCase):
    """
    Tests that both engines do the same.
    """

    @settings(max_examples=200, deadline=None)
    @given(FIRST_SETTINGS, st.booleans(), turns(), MAYBE | st.integers(0, 19))
    def test_same(
        self,
        first: tuple[int, int, int | None],
        acknowledged: bool,
        script: list[Turn],
        nonsense: int | None,
    ) -> None:
        """
        Under any script both report the same, take the same, and send the same to the server.
        """
        sides = [Side(PushEngine("host")), Side(ReferenceEngine("host"))]
        acts: list[Act] = [("settings", *first)]
        acts += [("acknowledge",)] if acknowledged else []
        for turn in [Turn([], [], acts, []), *script]:
            self._compare(sides, turn, None)
        if nonsense is not None:
            turn = Turn([("push", 30)], [], [("answer", 0, 200, 0, 0)], [])
            self._compare(sides, turn, nonsense)
            self.assertTrue(all(side.engine.spent for side in sides))
            self.assertEqual(len(sides[0].server.gone), 1)
        ours, theirs = (told(side.engine.end("gone")) for side in sides)
        self.assertEqual(ours, theirs)

    def _compare(self, sides: list[Side], turn: Turn, nonsense: int | None) -> None:
        ours, theirs = (told(side.turn(turn, nonsense)) for side in sides)
        self.assertEqual(ours, theirs)
        self.assertEqual(sides[0].state(), sides[1].state())
