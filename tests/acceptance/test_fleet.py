"""
A hundred simulated devices of all kinds, an outage of their CA, and a daemon that is killed: what
``scripts/simulate`` does with two thousand.
"""

from __future__ import annotations

import io
import shutil
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from scepd.simulator.fleet_plan import Part
from scripts.simulate_fleet.options import Options
from scripts.simulate_fleet.outcome import Outcome
from scripts.simulate_fleet.run import Run
from scripts.simulate_fleet.tables import show

_KEYS = Path(__file__).parent.parent.parent / ".venv" / "simulated-keys"
_OPTIONS = Options(
    devices=100,
    seed="of the test",
    shares={"offline": 10.0, "not-now": 5.0, "failing": 5.0, "slow": 2.0, "clumsy": 3.0},
    ca_out=3.0,
    kills=1,
    minutes=4.0,
    keys=_KEYS,
)


class FleetTests(TestCase):
    """
    The script's own code, in a thread.
    """

    timeout = 300

    async def test_hundred_devices(self) -> None:
        """
        All that are ever online end verified, with a certificate that the CA signed and the daemon
        knows; those that are offline for ever wait, and cost the CA nothing.
        """
        outcome, told = await deferToThread(self._simulate)
        self.assertTrue(outcome.is_good, told)
        self.assertEqual(list(outcome.complaints), [])
        states = {part: (len(all_), all_) for part, all_ in outcome.parts()}
        numbers = {part: count for part, (count, _) in states.items()}
        expected = {Part.WELL: 75, Part.CLUMSY: 3, Part.AWAY: 5, Part.GONE: 5}
        expected |= {Part.NOT_NOW: 5, Part.FAILING: 5, Part.SLOW: 2}
        self.assertEqual(numbers, expected)
        for device in states[Part.NOT_NOW][1] + states[Part.FAILING][1]:
            self.assertGreater(device.did["deliveries"], 1)
        for device in states[Part.GONE][1]:
            self.assertEqual((device.status, device.issued), ("pending", 0))
        for device in outcome.devices:
            if device.plan.is_reachable:
                self.assertGreaterEqual(device.issued, 1)
        self.assertIn("kill -9 of the daemon", told)
        self.assertIn("the CA is back", told)

    def _simulate(self) -> tuple[Outcome, str]:
        folder = Path(tempfile.mkdtemp(prefix="scepd-fleet-"))
        written = io.StringIO()
        console = Console(file=written, width=200)
        try:
            with Progress(console=console) as progress:
                run = Run(folder, _OPTIONS, progress)
                try:
                    outcome = run.run()
                finally:
                    run.stop()
            show(outcome, console)
            return outcome, written.getvalue()
        finally:
            shutil.rmtree(folder, ignore_errors=True)
