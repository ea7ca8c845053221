"""
Devices that do not behave, and one that only pretends: what the daemon makes of them.
"""

from __future__ import annotations

import contextlib
import json

from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from scepd.pki.certificates import summarize
from scepd.simulator.device import SimulatedDevice
from scepd.simulator.http import DeviceHTTP
from scepd.simulator.scep_client import SCEPClient
from scepd.simulator.subjects import subject_of
from tests.support.fleet import Fleet

_SETTINGS = {"profiles.retry_waits": "[1, 1, 1]"}


def _newest(device: SimulatedDevice) -> set[str]:
    """
    The SHA-1 of the newest certificate that a device has; of two that were issued within the same
    second, which one is newer is not to be seen.
    """
    held = [summarize(one.certificate) for one in device.keychain.identities]
    latest = max(one.not_before for one in held)
    return {one.sha1 for one in held if one.not_before == latest}


class DeviceTests(TestCase):
    """
    The daemon with its embedded CA as the upstream one.
    """

    timeout = 240

    async def _fleet(self) -> Fleet:
        fleet = Fleet(_SETTINGS)
        self.addCleanup(fleet.stop)
        await fleet.start()
        await fleet.add_embedded()
        return fleet

    async def test_all_verified(self) -> None:
        """
        A result that is lost, a command that is run twice, and a fresh key for a request whose
        answer was lost: the profile ends verified on each, with the certificate that is newest
        there, and is then removed from each. Who checks out meanwhile is left in peace.
        """
        fleet = await self._fleet()
        loser, twice, fresh, leaver = await fleet.enroll(4)
        loser.device.behaviour.lose_results = 1
        twice.device.behaviour.run_twice = 1
        fresh.device.behaviour.new_keys = 1
        await deferToThread(leaver.device.check_out)
        profile = await fleet.add_profile()
        fleet.devices.remove(leaver)
        self.addCleanup(leaver.device.close)
        await self._until_verified(fleet, profile, leaver.udid)
        for polled in fleet.devices:
            asked = ("host", "show", polled.udid, "--json")
            shown = json.loads((await deferToThread(fleet.daemon.ctl, *asked)).stdout)
            known = {one["sha1"] for one in shown["certificates"]}
            self.assertTrue(known & _newest(polled.device), polled.udid)
        self.assertEqual(leaver.device.keychain.identities, [])
        behaviours = [polled.device.behaviour for polled in fleet.devices]
        left = sum(one.lose_results + one.run_twice + one.new_keys for one in behaviours)
        self.assertEqual(left, 0)
        await deferToThread(fleet.daemon.ctl, "profile", "delete", profile)
        while any(polled.device.keychain.profiles for polled in fleet.devices):
            await deferLater(reactor, 0.1)

    async def _until_verified(self, fleet: Fleet, profile: str, leaver: str) -> None:
        while True:
            rows = await fleet.rows(profile)
            rows.pop(leaver, None)
            if len(rows) == 3 and {row["status"] for row in rows.values()} == {"verified"}:
                return
            for polled in fleet.devices:
                await polled.look()
            await deferLater(reactor, 0.2)

    async def test_scepctl_simulate(self) -> None:
        """
        ``scepctl simulate`` goes the whole way, with an agent; then it stops at the profile, and
        another SCEP client goes on with the URL and the challenge that it shows.
        """
        fleet = await self._fleet()
        profile = await fleet.add_profile()
        secret = str(fleet.folder / "osquery")
        done = await deferToThread(
            fleet.daemon.ctl,
            *("simulate", "--until-verified", "--osquery-secret-file", secret),
            *("--interval", "1s", "--timeout", "60s", "--json", "--directory", "kept"),
        )
        told = json.loads(done.stdout)
        kept = (fleet.daemon.folder / "kept" / "certificate.pem").read_text()
        self.assertTrue(kept.startswith("-----BEGIN CERTIFICATE-----"), kept)
        (certificate,) = told["certificates"]
        self.assertIn(summarize(bytes.fromhex(certificate)).subject, done.stderr)
        for step in ("PKIOperation: 200", "InstallProfile", "Acknowledged", "Checked out"):
            self.assertIn(step, done.stderr)
        rows = await fleet.rows(profile)
        self.assertIn("not enrolled", rows[told["host"]]["detail"])
        await self._stop_at_profile(fleet)

    async def _stop_at_profile(self, fleet: Fleet) -> None:
        done = await deferToThread(
            fleet.daemon.ctl, "simulate", "--stop-at-profile", "--interval", "1s", "--json"
        )
        (asked,) = json.loads(done.stdout)["requests"]
        self.assertNotIn(asked["challenge"], done.stderr)
        with contextlib.closing(DeviceHTTP()) as http:
            client = SCEPClient(asked["url"], http)
            common_name = asked["subject"].partition("CN=")[2].partition(",")[0]
            subject = subject_of([[["CN", common_name]]], {})
            identity = await deferToThread(client.enroll, subject, asked["challenge"])
        self.assertIn(common_name, summarize(identity.certificate).subject)
