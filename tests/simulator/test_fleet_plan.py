"""
Tests for who does what in a fleet.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.simulator.fleet_plan import SHARES, Part, plan_fleet

_SHARES = {"offline": 10.0, "not-now": 5.0, "failing": 5.0, "slow": 2.0, "wrong-clock": 3.0}
_PRINT = """
from scepd.simulator.fleet_plan import plan_fleet
for plan in plan_fleet(50, {"offline": 10, "slow": 10}, "a seed"):
    print(plan, plan.hardware)
"""


class PlanTests(SynchronousTestCase):
    """
    Tests for plan_fleet.
    """

    def test_same_in_each_process(self) -> None:
        """
        A seed gives the same plans in processes whose hashes differ, another seed gives others.
        """
        printed = {
            subprocess.run(
                [sys.executable, "-c", _PRINT],
                env={"PYTHONHASHSEED": seed},
                capture_output=True,
                check=True,
                timeout=60,
            ).stdout
            for seed in ("1", "2")
        }
        self.assertEqual(len(printed), 1)
        self.assertEqual(printed.pop().count(b"\n"), 50)
        one, other = (plan_fleet(50, {}, seed)[0].hardware.udid for seed in ("a", "b"))
        self.assertNotEqual(one, other)

    def test_parts(self) -> None:
        """
        The shares are exact, whatever the seed, and half of those offline never come back.
        """
        for seed in ("1", "2", "3"):
            parts = Counter(plan.part for plan in plan_fleet(2000, _SHARES, seed))
            self.assertEqual(
                parts,
                {
                    Part.GONE: 100,
                    Part.AWAY: 100,
                    Part.NOT_NOW: 100,
                    Part.FAILING: 100,
                    Part.SLOW: 40,
                    Part.WRONG_CLOCK: 60,
                    Part.WELL: 1500,
                },
            )

    @given(
        st.integers(1, 60),
        st.dictionaries(st.sampled_from(SHARES), st.floats(0, 100 / len(SHARES))),
        st.text(max_size=20),
    )
    def test_sense(self, count: int, shares: dict[str, float], seed: str) -> None:
        """
        Each device does what its part says and nothing else, and no two are the same.
        """
        plans = plan_fleet(count, shares, seed, 30.0)
        self.assertEqual([plan.number for plan in plans], list(range(count)))
        self.assertEqual(len({plan.hardware.udid for plan in plans}), count)
        self.assertEqual(len({plan.hardware.serial_number for plan in plans}), count)
        for plan in plans:
            part = plan.part
            self.assertEqual(plan.is_reachable, part is not Part.GONE)
            self.assertEqual(plan.has_osquery, part is not Part.WITHOUT_OSQUERY)
            self.assertEqual(bool(plan.away), part is Part.AWAY)
            self.assertEqual(plan.not_now in (1, 2, 3), part is Part.NOT_NOW)
            self.assertEqual(plan.refuse, int(part is Part.FAILING))
            self.assertEqual(plan.slow > 0, part is Part.SLOW)
            self.assertEqual(plan.clumsy is not None, part is Part.CLUMSY)
            self.assertEqual(plan.clock != 0, part is Part.WRONG_CLOCK)
            self.assertLessEqual(plan.slow, 10.0)
            self.assertTrue(not plan.away or 10.0 <= plan.away <= 30.0)

    def test_nonsense(self) -> None:
        """
        Unknown words, and more than a whole fleet, are refused, and named.
        """
        for shares, named in (
            ({"lazy": 1.0}, "lazy"),
            ({"slow": 101.0}, "slow"),
            ({"slow": -1.0}, "slow"),
            ({"slow": float("nan")}, "slow"),
            ({"slow": 60.0, "failing": 60.0}, "120 percent"),
        ):
            error = self.assertRaises(ValueError, plan_fleet, 10, shares, "1")
            self.assertIn(named, str(error))
