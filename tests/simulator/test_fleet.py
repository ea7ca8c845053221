"""
Tests for when the devices of a fleet do something.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from scepd.simulator.fleet import Fleet
from scepd.simulator.fleet_device import FleetWorld
from scepd.simulator.fleet_plan import DevicePlan, Part
from scepd.simulator.fleet_schedule import Lane, Work
from scepd.simulator.hardware import Hardware
from scepd.simulator.keys import KeyFolder
from tests.simulator.server import BASE, ENROLL_URL, HARDWARE, Server, command, profile

_INTERVAL = 100.0


@dataclass
class ClockSchedule:
    """
    Does work on a Clock.
    """

    clock: Clock
    lanes: list[Lane] = field(default_factory=list)

    def after(self, seconds: float, work: Work, lane: Lane = "devices") -> None:
        """
        As the port says.
        """
        self.lanes.append(lane)
        self.clock.callLater(seconds, work)

    def end(self) -> None:
        """
        As the port says.
        """


class FleetTests(SynchronousTestCase):
    """
    Tests for a fleet against a server in memory.
    """

    def setUp(self) -> None:
        """
        Make the server and the time.
        """
        self.server = Server()
        self.clock = Clock()
        self.keys = KeyFolder(Path(self.mktemp()))

    def _connect(self) -> Any:
        http = self.server.http()
        self.addCleanup(http.close)
        self.patch(http, "close", lambda: None)
        return http

    def _fleet(self, *plans: DevicePlan) -> Fleet:
        world = FleetWorld(BASE, "secret-of-osquery", self.keys, self._connect)
        self.schedule = ClockSchedule(self.clock)
        return Fleet(
            plans,
            world,
            ENROLL_URL,
            agents_interval=_INTERVAL,
            schedule=self.schedule,
            clock=self.clock.seconds,
        )

    def _enrolled(self, **plan: Any) -> Fleet:
        fleet = self._fleet(DevicePlan(0, HARDWARE, **plan))
        fleet.enroll(1)
        self.clock.advance(0)
        self.server.requests.clear()
        return fleet

    def _token(self, fleet: Fleet) -> str:
        (token,) = fleet._tokens
        return token

    def _polls(self) -> int:
        """
        Requests to the server's command endpoint since the last call.
        """
        count = self.server.paths().count("PUT /mdm/connect")
        self.server.requests.clear()
        return count

    def test_enroll(self) -> None:
        """
        So many enroll as are told, in their order; who fails tries again by itself.
        """
        other = Hardware("0A1B2C3D-0000-4000-8000-00000000000E", "C02OTHER")
        fleet = self._fleet(DevicePlan(0, HARDWARE), DevicePlan(1, other))
        self.server.replies["/mdm/enroll"] = (503, b"")
        fleet.enroll(1)
        self.clock.advance(0)
        self.assertEqual(fleet.progress()["enrolled"], 0)
        self.server.replies.clear()
        self.clock.advance(3)
        self.assertEqual(fleet.progress(), {"enrolled": 1, "acknowledged": 0})
        self.assertEqual(self.server.messages[0][0]["UDID"], HARDWARE.udid)
        fleet.enroll(5)
        self.clock.advance(0)
        self.assertEqual(fleet.progress()["enrolled"], 2)

    def test_push(self) -> None:
        """
        A device polls when it is pushed to, once for pushes that come together, and never else.
        """
        fleet = self._enrolled()
        self.clock.advance(10)
        self.assertEqual(self._polls(), 0)
        self.assertTrue(fleet.push(self._token(fleet)))
        self.assertTrue(fleet.push(self._token(fleet)))
        self.assertFalse(fleet.push("00" * 32))
        self.clock.advance(0)
        self.assertEqual(self._polls(), 1)
        fleet.push(self._token(fleet))
        self.clock.advance(0)
        self.assertEqual(self._polls(), 1)

    def test_offline(self) -> None:
        """
        Who is offline for a while gets its push when it is back; who is so for ever never does.
        Neither's agent talks meanwhile.
        """
        fleet = self._enrolled(part=Part.AWAY, away=30.0, phase=0.1)
        fleet.begin_absence()
        fleet.push(self._token(fleet))
        self.clock.pump([10, 10, 9])
        self.assertEqual(self.server.requests, [])
        self.clock.pump([1, 0])
        self.assertIn("POST /api/osquery/enroll", self.server.paths())
        self.assertEqual(self._polls(), 1)
        gone = self._enrolled(part=Part.GONE, away=None)
        gone.begin_absence()
        gone.push(self._token(gone))
        self.clock.pump([100, 100])
        self.assertEqual(self._polls(), 0)

    def test_enrolled_after_upload(self) -> None:
        """
        Who enrolls when there is something to fetch already goes offline then.
        """
        fleet = self._fleet(DevicePlan(0, HARDWARE, Part.AWAY, away=30.0))
        fleet.begin_absence()
        self.clock.advance(100)
        fleet.enroll(1)
        self.clock.advance(0)
        fleet.push(self._token(fleet))
        self.clock.advance(29)
        self.assertEqual(self._polls(), 0)
        self.clock.advance(1)
        self.assertEqual(self._polls(), 1)

    def test_not_now(self) -> None:
        """
        Who said NotNow comes by itself.
        """
        fleet = self._enrolled(part=Part.NOT_NOW, not_now=1)
        install = command("InstallProfile", Payload=profile())
        self.server.commands = [install]
        fleet.push(self._token(fleet))
        self.clock.advance(0)
        self.assertEqual(self._polls(), 2)
        self.server.commands = [install]
        self.clock.advance(5)
        self.assertEqual(self._polls(), 2)
        self.assertEqual(fleet.progress()["acknowledged"], 1)
        (told,) = fleet.report()
        self.assertEqual((told["deliveries"], told["installed"]), (2, 1))
        self.assertEqual(len(told["certificates"]), 1)
        self.clock.advance(60)
        self.assertEqual(self._polls(), 0)

    def test_server_gone_after_not_now(self) -> None:
        """
        Who said NotNow does not cease to try: no push would come.
        """
        fleet = self._enrolled(part=Part.NOT_NOW, not_now=1)
        install = command("InstallProfile", Payload=profile())
        self.server.commands = [install]
        fleet.push(self._token(fleet))
        self.clock.advance(0)
        self.server.replies["/mdm/connect"] = (502, b"")
        self.clock.pump([9] * 20)
        self.assertGreater(self._polls(), 15)
        del self.server.replies["/mdm/connect"]
        self.server.commands = [install]
        self.clock.advance(9)
        self.assertEqual(fleet.progress()["acknowledged"], 1)
        self._polls()
        self.clock.pump([9, 9])
        self.assertEqual(self._polls(), 0)

    def test_server_gone(self) -> None:
        """
        Who finds no server tries six times more, and then waits for a push.
        """
        fleet = self._enrolled()
        self.server.replies["/mdm/connect"] = (502, b"")
        fleet.push(self._token(fleet))
        self.clock.pump([0, 3, 6, 9, 9, 9, 9])
        self.assertEqual(self._polls(), 7)
        self.clock.advance(90)
        self.assertEqual(self._polls(), 0)
        del self.server.replies["/mdm/connect"]
        fleet.push(self._token(fleet))
        self.clock.advance(0)
        self.assertEqual(self._polls(), 1)
        self.assertIn("502", fleet.report()[0]["failures"][-1])

    def test_agent(self) -> None:
        """
        An osquery agent asks at its time, and goes on after a failure; without one nobody asks.
        """
        self._enrolled(phase=0.5)
        self.server.replies["/api/osquery/distributed/read"] = (503, b"")
        self.clock.advance(50)
        self.assertEqual(self.server.paths()[-1], "POST /api/osquery/distributed/read")
        self.server.replies.clear()
        self.server.requests.clear()
        self.clock.advance(_INTERVAL)
        self.assertEqual(self.server.paths(), ["POST /api/osquery/distributed/read"])
        self.clock = Clock()
        self._enrolled(part=Part.WITHOUT_OSQUERY)
        self.clock.pump([100, 100])
        self.assertEqual(self.server.requests, [])

    def test_slow(self) -> None:
        """
        Slow devices keep no others from their threads, nor do agents.
        """
        self._enrolled(part=Part.SLOW, slow=1.0)
        self.assertEqual(set(self.schedule.lanes), {"slow"})
        self._enrolled(phase=0.5)
        self.assertEqual(self.schedule.lanes, ["devices", "agents"])
