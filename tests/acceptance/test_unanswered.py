"""
Commands that a device never answers, by the limits of the configuration.
"""

from __future__ import annotations

import plistlib
from typing import Any

from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from tests.support.fleet import Fleet, PolledDevice

_PATIENCE = 60.0
_LOOK = 0.1
_QUESTION = {"RequestType": "DeviceInformation", "Queries": ["UDID"]}


class UnansweredTests(TestCase):
    """
    The daemon as a process, and a simulated device that says no more than that it is idle.
    """

    timeout = 120

    async def idle(self, fleet: Fleet, polled: PolledDevice) -> str:
        """
        The command that the device is handed; empty: none.
        """
        url = f"http://127.0.0.1:{fleet.daemon.device_port}/mdm/connect"
        said = plistlib.dumps({"UDID": polled.udid, "Status": "Idle"})
        answer = await deferToThread(polled.device.put_raw, url, said)
        return str(plistlib.loads(answer)["CommandUUID"]) if answer else ""

    async def ask(self, fleet: Fleet, polled: PolledDevice) -> str:
        """
        Queue a command as an operator.
        """
        with fleet.daemon.api() as api:
            path, body = f"/hosts/{polled.udid}/commands", plistlib.dumps(_QUESTION)
            answer = await deferToThread(api.post, path, content=body)
        uuid: str = answer.raise_for_status().json()["uuid"]
        return uuid

    async def commands(self, fleet: Fleet, polled: PolledDevice) -> dict[str, dict[str, Any]]:
        """
        The commands of the host as operators are told, by uuid.
        """
        with fleet.daemon.api() as api:
            answer = await deferToThread(api.get, f"/hosts/{polled.udid}")
        return {one["uuid"]: one for one in answer.raise_for_status().json()["commands"]}

    async def test_limits(self) -> None:
        """
        By the limits that were set, one offer puts a command behind the others, and the second one
        is its last.
        """
        limits = {"patience": "1", "offers": "2", "time": "1.0"}
        fleet = Fleet({f"mdm.unanswered_{name}": value for name, value in limits.items()})
        self.addCleanup(fleet.stop)
        await fleet.start()
        (polled,) = await fleet.enroll()
        # Whom the push service does not know does not poll by itself.
        fleet.devices.clear()
        self.addCleanup(polled.device.close)
        self.addCleanup(polled.agent.close)
        first, second = [await self.ask(fleet, polled) for _ in range(2)]
        self.assertEqual([await self.idle(fleet, polled) for _ in range(2)], [first, second])
        deadline = reactor.seconds() + _PATIENCE
        while await self.idle(fleet, polled):
            self.assertLess(reactor.seconds(), deadline)
            await deferLater(reactor, _LOOK)
        found = await self.commands(fleet, polled)
        for uuid in (first, second):
            self.assertEqual(found[uuid]["status"], "Error")
            self.assertIn("and never answered", found[uuid]["detail"])
