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

_PATIENCE = 60.0
_LOOK = 0.1
_BOOTSTRAP_TOKEN = b"bootstrap-token"


class IdentityRenewalTests(TestCase):
    """
    The daemon as a process, its own authority for everything, simulated devices.
    """

    timeout = 200

    async def fleet(self, **settings: str) -> tuple[Fleet, PolledDevice, Identity]:
        """
        Start one, with a device.

        :param settings: of ``[mdm]`` and ``[ca]``.
        :returns: with the device's first identity.
        """
        named = {"mdm.identity_interval": "0.3", "mdm.identity_retry": "1.0"}
        named |= {name.replace("__", "."): value for name, value in settings.items()}
        fleet = Fleet(named)
        self.addCleanup(fleet.stop)
        await fleet.start()
        self.url = f"http://127.0.0.1:{fleet.daemon.device_port}/mdm/checkin"
        (polled,) = await fleet.enroll()
        first = polled.device.identity
        assert first is not None
        return fleet, polled, first

    async def until(self, said: Callable[[], bool]) -> None:
        """
        Wait until something is so.
        """
        deadline = reactor.seconds() + _PATIENCE
        while not said():
            self.assertLess(reactor.seconds(), deadline)
            await deferLater(reactor, _LOOK)

    async def until_shown(
        self, fleet: Fleet, polled: PolledDevice, wanted: Callable[[dict[str, Any]], bool]
    ) -> dict[str, Any]:
        """
        Wait until operators are told something of a host, and return all that they are told.
        """
        deadline = reactor.seconds() + _PATIENCE
        while True:
            with fleet.daemon.api() as api:
                answer = await deferToThread(api.get, f"/hosts/{polled.udid}")
            found: dict[str, Any] = answer.raise_for_status().json()
            if wanted(found):
                return found
            self.assertLess(reactor.seconds(), deadline, found)
            await deferLater(reactor, _LOOK)

    async def until_renewed(self, fleet: Fleet, polled: PolledDevice, before: Identity) -> Identity:
        """
        Wait until a device has another identity than before, and nothing waits for it any more.
        """
        await self.until(lambda: polled.device.identity is not before)
        await self.until_shown(fleet, polled, lambda found: not _waiting(found))
        identity = polled.device.identity
        assert identity is not None
        return identity

    async def send(self, polled: PolledDevice, message: Mapping[str, object]) -> bytes:
        """
        Let a device say something.
        """
        said = plistlib.dumps({"UDID": polled.udid, **message})
        return await deferToThread(polled.device.put_raw, self.url, said)

    async def assert_refused(self, polled: PolledDevice, old: Identity) -> None:
        """
        Check that a device is not heard with an identity, by a status that does not unenroll it.
        """
        own, polled.device.identity = polled.device.identity, old
        try:
            await self.send(polled, {"Status": "Idle"})
        except DeviceError as error:
            self.assertIn("HTTP 400", str(error))
        else:
            self.fail("the old identity is heard")
        finally:
            polled.device.identity = own

    async def test_in_time(self) -> None:
        """
        A device gets a new identity before the old one expires, and nothing else changes: its
        profile is not delivered again, its bootstrap token is there. The old identity is refused.
        """
        fleet, polled, first = await self.fleet(ca__identity_lifetime="16.0")
        # Its acknowledgement comes with the identity that it has replaced.
        polled.device.behaviour.old_identity = 1
        await fleet.add_embedded()
        profile = await fleet.add_profile()
        await fleet.until_verified(profile)
        kept = {"MessageType": "SetBootstrapToken", "BootstrapToken": _BOOTSTRAP_TOKEN}
        await self.send(polled, kept)
        second = await self.until_renewed(fleet, polled, first)
        end = first.summary.not_valid_after_utc
        self.assertLess(second.summary.not_valid_before_utc, end)
        await self.assert_refused(polled, first)
        answer = await self.send(polled, {"MessageType": "GetBootstrapToken"})
        self.assertEqual(plistlib.loads(answer), {"BootstrapToken": _BOOTSTRAP_TOKEN})
        rows = await fleet.rows(profile)
        self.assertEqual(rows[polled.udid]["status"], "verified")
        found = await self.until_shown(fleet, polled, lambda found: True)
        delivered = [one for one in found["commands"] if one["profile_uuid"] == profile]
        self.assertEqual([one["status"] for one in delivered], ["Acknowledged"])
        self.assertEqual(found["identities"][-1]["state"], "replaced")
        self.assertEqual(polled.failures, [])

    async def test_expired(self) -> None:
        """
        A device that comes back with an identity that has expired gets a new one, first of all;
        then it gets the rest.
        """
        fleet, polled, first = await self.fleet(
            ca__identity_lifetime="4.0", mdm__identity_interval="3600.0"
        )
        # Nobody wakes it any more.
        polled.device.push_token = type(polled.device.push_token).make()
        await fleet.add_embedded()
        profile = await fleet.add_profile()
        gone = first.summary.not_valid_after_utc.timestamp() - reactor.seconds()
        await deferLater(reactor, max(gone, 0) + 0.5)
        await polled.wake()
        self.assertIsNot(polled.device.identity, first)
        await self.assert_refused(polled, first)
        await self.until_shown(fleet, polled, lambda found: len(found["commands"]) == 2)
        await polled.wake()
        await fleet.until_verified(profile)
        found = await self.until_shown(fleet, polled, lambda found: not _waiting(found))
        by_time = sorted(found["commands"], key=lambda one: str(one["offered_at"]))
        self.assertEqual([one["profile_uuid"] for one in by_time], ["enrollment", profile])

    async def test_unpleasant(self) -> None:
        """
        An answer that is lost, power that is lost with the new identity unused, an Error, and a
        roll-over of the authority: each ends with one identity in use.
        """
        fleet, polled, first = await self.fleet()
        behaviour = polled.device.behaviour
        behaviour.lose_results = 1
        await self.renew(fleet, polled)
        second = await self.until_renewed(fleet, polled, first)
        behaviour.lose_identity = 1
        await self.renew(fleet, polled)
        await self.until(lambda: behaviour.lose_identity == 0)
        self.assertIs(polled.device.identity, second)
        await polled.wake()
        third = await self.until_renewed(fleet, polled, second)
        behaviour.refuse = 1
        await self.renew(fleet, polled)
        fourth = await self.until_renewed(fleet, polled, third)
        for step in ("plan", "commit"):
            await self.post(fleet, "/embedded_ca/rollover", step=step)
        self.assertEqual(await self.send(polled, {"Status": "Idle"}), b"")
        await self.renew(fleet, polled)
        fifth = await self.until_renewed(fleet, polled, fourth)
        self.assertNotEqual(fifth.summary.issuer, fourth.summary.issuer)
        for old in (first, second, third, fourth):
            await self.assert_refused(polled, old)
        found = await self.until_shown(fleet, polled, lambda found: True)
        states = [one["state"] for one in found["identities"]]
        self.assertEqual(states, ["in use"] + ["replaced"] * 5)
        await self.assert_told(fleet)

    async def renew(self, fleet: Fleet, polled: PolledDevice) -> None:
        """
        Renew the identity as an operator.
        """
        await self.post(fleet, f"/hosts/{polled.udid}/identity-renewal")

    async def post(self, fleet: Fleet, path: str, **body: str) -> None:
        """
        Do something by the admin API.
        """
        with fleet.daemon.api() as api:
            answer = await deferToThread(api.post, path, json=body)
        answer.raise_for_status()

    async def assert_told(self, fleet: Fleet) -> None:
        """
        Check that the Error is an activity and in the metrics.
        """
        with fleet.daemon.api() as api:
            listed = (await deferToThread(api.get, "/activities")).json()
            actions = [one["action"] for one in listed["items"]]
            self.assertEqual(actions.count("renewal of the identity failed"), 1)
            self.assertEqual(actions.count("renewed the identity"), 4)
            text = (await deferToThread(api.get, f"{fleet.daemon.admin_url}/metrics")).text
        for line in (
            'scepd_identity_renewals_total{result="renewed"} 4.0',
            'scepd_identity_renewals_total{result="failed"} 1.0',
            'scepd_identities_expiring{days="30"} 0.0',
        ):
            self.assertIn(line, text)


def _waiting(host: dict[str, Any]) -> list[str]:
    final = ("Acknowledged", "Error", "cancelled")
    return [one["uuid"] for one in host["commands"] if one["status"] not in final]
