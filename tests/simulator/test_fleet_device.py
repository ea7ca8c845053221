"""
Tests for the devices of a fleet.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from scepd.simulator.behaviour import Fault
from scepd.simulator.failures import DeviceError
from scepd.simulator.fleet_device import FleetDevice, FleetWorld
from scepd.simulator.fleet_plan import DevicePlan
from scepd.simulator.keys import KeyFolder
from tests.simulator.server import BASE, ENROLL_URL, HARDWARE, Server, command, profile


class FleetDeviceTests(SynchronousTestCase):
    """
    Tests for a device that does as its plan says.
    """

    def setUp(self) -> None:
        """
        Make a server.
        """
        self.server = Server()
        folder = KeyFolder(Path(self.mktemp()))
        # httpx's client, unlike the fleet's own, is not used again after its end.
        self.world = FleetWorld(BASE, "secret-of-osquery", folder, self._connect)

    def _connect(self) -> Any:
        http = self.server.http()
        self.addCleanup(http.close)
        self.patch(http, "close", lambda: None)
        return http

    def _device(self, **plan: Any) -> FleetDevice:
        return FleetDevice(replace(DevicePlan(0, HARDWARE), **plan), self.world)

    def _poll(self, device: FleetDevice, *commands: bytes) -> bool:
        self.server.messages.clear()
        self.server.commands = list(commands)
        return device.poll()

    def _results(self) -> list[str]:
        return [message["Status"] for message, _ in self.server.messages[1:]]

    def test_enrollment_goes_on(self) -> None:
        """
        An enrollment goes on at the step that failed, with the identity that it has.
        """
        device = self._device()
        self.server.replies["/mdm/checkin"] = (503, b"")
        self.assertRaises(DeviceError, device.enroll, ENROLL_URL)
        identity = device.device.identity
        self.assertIsNotNone(identity)
        self.assertFalse(device.is_enrolled)
        del self.server.replies["/mdm/checkin"]
        self.server.requests.clear()
        device.enroll(ENROLL_URL)
        self.assertTrue(device.is_enrolled)
        self.assertIs(device.device.identity, identity)
        self.assertEqual(self.server.paths(), ["PUT /mdm/checkin"] * 2)
        device.enroll(ENROLL_URL)
        self.assertEqual(len(self.server.requests), 2)

    def test_plan(self) -> None:
        """
        NotNow so many times, Error so many times, then the profile; each counts as a delivery.
        """
        device = self._device(not_now=2, refuse=1)
        device.enroll(ENROLL_URL)
        install = command("InstallProfile", Payload=profile())
        self.assertTrue(self._poll(device, install))
        self.assertEqual(self._results(), ["NotNow"])
        self.assertTrue(self._poll(device, install))
        self.assertFalse(self._poll(device, install))
        self.assertEqual(self._results(), ["Error"])
        self.assertFalse(device.account.acknowledged)
        self.assertFalse(self._poll(device, install))
        self.assertEqual(self._results(), ["Acknowledged"])
        self.assertTrue(device.account.acknowledged)
        self.assertEqual((device.deliveries, device.account.installed), (4, 1))

    def test_clumsy(self) -> None:
        """
        It does its one thing wrong, once.
        """
        faults: tuple[Fault, ...] = ("lose_results", "run_twice", "new_keys")
        for fault, results, challenges in zip(
            faults, ([], ["Acknowledged"] * 2, ["Acknowledged"]), (1, 2, 2), strict=True
        ):
            device = self._device(clumsy=fault)
            device.enroll(ENROLL_URL)
            self.server.challenges.clear()
            self._poll(device, command("InstallProfile", Payload=profile()))
            self.assertEqual(self._results(), results, fault)
            self.assertEqual(len(self.server.challenges), challenges, fault)
            self._poll(device, command("InstallProfile", Payload=profile()))
            self.assertEqual(self._results(), ["Acknowledged"], fault)

    def test_wrong_clock(self) -> None:
        """
        Its profiles have the dates of its own clock.
        """
        well, wrong = self._device(), self._device(clock=7200.0)
        for device in (well, wrong):
            device.enroll(ENROLL_URL)
            self._poll(device, command("InstallProfile", Payload=profile()))
        first, second = (
            device.device.keychain.profiles["com.example.wifi"].installed_at
            for device in (well, wrong)
        )
        self.assertTrue(7200.0 <= (second - first).total_seconds() < 7260.0)

    def test_look(self) -> None:
        """
        Its osquery agent answers, and what it wrote is counted.
        """
        device = self._device()
        device.enroll(ENROLL_URL)
        self.assertEqual(device.look(), 0)
        self.server.queries = {"q": "SELECT identifier FROM macos_profiles"}
        self.assertEqual(device.look(), 1)
        self.assertEqual(device.account.inventories, 1)

    def test_failures(self) -> None:
        """
        The last few are remembered.
        """
        account = self._device().account
        for number in range(9):
            account.note(f"failure {number}")
        self.assertEqual(account.failures, [f"failure {number}" for number in range(4, 9)])
