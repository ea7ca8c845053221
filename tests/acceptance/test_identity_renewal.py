"""
The MDM identities of devices, which are renewed before they expire, or after.
"""

from __future__ import annotations

import plistlib
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from scepd.simulator.failures import DeviceError
from scepd.simulator.identity import Identity
from tests.support.fleet import Fleet, PolledDevice

_PATIENCE = 40.0
_LOOK = 0.1
_SETTINGS = {"mdm.identity_interval": "0.3", "ca.identity_lifetime": "16.0"}
_BOOTSTRAP_TOKEN = b"bootstrap-token"


class IdentityRenewalTests(TestCase):
    """
    The daemon as a process, its own authority for everything, simulated devices.
    """

    timeout = 120

    async def fleet(self, **settings: str) -> Fleet:
        """
        Start one.
        """
        named = {name.replace("__", "."): value for name, value in settings.items()}
        fleet = Fleet({**_SETTINGS, **named})
        self.addCleanup(fleet.stop)
        await fleet.start()
        return fleet

    async def until(self, said: Callable[[], bool]) -> None:
        """
        Wait until something is so.
        """
        deadline = reactor.seconds() + _PATIENCE
        while not said():
            self.assertLess(reactor.seconds(), deadline)
            await deferLater(reactor, _LOOK)

    async def send(self, polled: PolledDevice, message: Mapping[str, object]) -> bytes:
        """
        Let a device say something.
        """
        device = polled.device
        said = plistlib.dumps({"UDID": polled.udid, **message})
        assert device.identity is not None
        return await deferToThread(device.put_raw, self.url, said)

    async def shown(self, fleet: Fleet, polled: PolledDevice) -> dict[str, Any]:
        """
        What operators are told of a host.
        """
        with fleet.daemon.api() as api:
            answer = await deferToThread(api.get, f"/hosts/{polled.udid}")
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    async def refused(self, polled: PolledDevice, old: Identity) -> str:
        """
        What a device hears that says something with an identity.
        """
        own, polled.device.identity = polled.device.identity, old
        try:
            await self.send(polled, {"Status": "Idle"})
        except DeviceError as error:
            return str(error)
        finally:
            polled.device.identity = own
        self.fail("the old identity is heard")

    async def test_renewed(self) -> None:
        """
        A device gets a new identity in time, and nothing else changes: its profile is not delivered
        again, its bootstrap token is there. The old identity is refused.
        """
        fleet = await self.fleet()
        self.url = f"http://127.0.0.1:{fleet.daemon.device_port}/mdm/checkin"
        await fleet.add_embedded()
        (polled,) = await fleet.enroll()
        first = polled.device.identity
        assert first is not None
        profile = await fleet.add_profile()
        await fleet.until_verified(profile)
        kept = {"MessageType": "SetBootstrapToken", "BootstrapToken": _BOOTSTRAP_TOKEN}
        await self.send(polled, kept)
        polled.device.behaviour.old_identity = 1
        await self.until(lambda: polled.device.identity is not first)
        await self.until(lambda: polled.device.behaviour.old_identity == 0)
        rows = await fleet.rows(profile)
        self.assertEqual(rows[polled.udid]["status"], "verified")
        self.assertIn("400", await self.refused(polled, first))
        answer = await self.send(polled, {"MessageType": "GetBootstrapToken"})
        self.assertEqual(plistlib.loads(answer), {"BootstrapToken": _BOOTSTRAP_TOKEN})
        shown = await self.shown(fleet, polled)
        kinds = [(one["request_type"], one["status"]) for one in shown["commands"]]
        self.assertEqual(kinds, [("InstallProfile", "Acknowledged")] * 2)
        self.assertEqual([one["state"] for one in shown["identities"]], ["in use", "replaced"])
        self.assertEqual(polled.failures, [])
        self.assertEqual(await self.poll(polled), 0)

    async def poll(self, polled: PolledDevice) -> int:
        """
        How many commands wait for a device.
        """
        return await deferToThread(polled.device.poll)

    async def test_expired(self) -> None:
        """
        A device that comes back with an identity that has expired gets a new one, first of all;
        then it gets the rest.
        """
        fleet = await self.fleet(ca__identity_lifetime="3.0", mdm__identity_interval="3600.0")
        self.url = f"http://127.0.0.1:{fleet.daemon.device_port}/mdm/checkin"
        (polled,) = await fleet.enroll()
        first = polled.device.identity
        assert first is not None
        # Nobody wakes it any more.
        polled.device.push_token = type(polled.device.push_token).make()
        await fleet.add_embedded()
        profile = await fleet.add_profile()
        gone = first.summary.not_valid_after_utc.timestamp() - reactor.seconds()
        await deferLater(reactor, max(gone, 0) + 1)
        await self.poll(polled)
        self.assertIsNot(polled.device.identity, first)
        await self.poll(polled)
        await fleet.until_verified(profile)
        self.assertIn("400", await self.refused(polled, first))
