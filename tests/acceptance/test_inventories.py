"""
What hosts have is proved whichever way they tell of it, and whatever is odd about them.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import gatherResults
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from scepd.simulator.alterations import alter_certificates, alter_clock
from scepd.simulator.hardware import some_phone
from tests.support.fleet import Fleet, PolledDevice

_PATIENCE = 60.0
_LOOK = 0.2
_CERTIFICATE_LIST = frozenset({"CertificateList"})
_PROFILE_LIST = frozenset({"ProfileList"})


class InventoryTests(TestCase):
    """
    One daemon with the embedded CA as the upstream one, and devices each of which has its quirk.
    """

    timeout = 240

    async def test_quirks(self) -> None:
        """
        Whatever tells of its profiles and certificates at all is verified, once, with one delivery;
        what does not is shown as unproved, and verified when it does.
        """
        fleet = self.fleet = Fleet(
            {"verification.interval": "2.0", "verification.grace": "6.0", "ca.key_bits": "2048"}
        )
        self.addCleanup(fleet.stop)
        await fleet.start()
        await fleet.add_embedded()
        macs, phones = await fleet.enroll(2), await fleet.enroll(6, some_phone)
        blind, late_clock = macs
        plain, back_dated, rewritten, partial, late, lost = phones
        blind.device.behaviour.missing_tables = frozenset({"macos_profiles"})
        self._after(late_clock, lambda each, name: alter_clock(each, name, timedelta(days=-1)))
        early = timedelta(minutes=10)
        self._after(back_dated, lambda each, name: alter_certificates(each, name, earlier=early))
        subject = "CN=as the authority likes,O=Example"
        self._after(rewritten, lambda each, name: alter_certificates(each, name, subject=subject))
        partial.device.behaviour.refused_requests = _CERTIFICATE_LIST
        late.device.behaviour.late_requests = _PROFILE_LIST
        lost.device.behaviour.after_install = lambda: self._lose(lost)
        self.agents = macs
        profile = await fleet.add_profile()
        verified = (blind, late_clock, plain, back_dated, rewritten)
        rows = await self._until(
            profile,
            lambda rows: all(rows[each.udid]["status"] == "verified" for each in verified),
        )
        for each in verified:
            self.assertEqual(rows[each.udid]["attempts"], 0)
            detail = "certificate not identified" if each is rewritten else ""
            self.assertEqual(rows[each.udid]["detail"], detail)
            self.assertEqual(len(each.device.keychain.identities), 1)
        await self._operators_see(plain, rewritten)
        # The one that lost its certificate got another one after the grace.
        await self._until(profile, lambda rows: rows[lost.udid]["status"] == "verified")
        self.assertEqual(len(lost.device.keychain.identities), 1)
        for each, kind in ((partial, "certificates"), (late, "profiles")):
            rows = await self._until(
                profile,
                lambda rows, each=each: bool(rows[each.udid]["detail"]),  # type: ignore[misc]
            )
            self.assertEqual(rows[each.udid]["status"], "verifying")
            self.assertIn(f"the host has listed no {kind} since", rows[each.udid]["detail"])
        for each in (partial, late):
            each.device.behaviour.refused_requests = frozenset()
            each.device.behaviour.late_requests = frozenset()
            await self._call("POST", f"/hosts/{each.udid}/verify")
            await each.wake()
        await self._until(
            profile, lambda rows: all(row["status"] == "verified" for row in rows.values())
        )
        commands = await self._inventory_commands(plain)
        self.assertLessEqual(len(commands), 2)

    def _after(self, polled: PolledDevice, alter: Callable[[Any, str], None]) -> None:
        """
        Alter what the device holds whenever it installed a profile.
        """
        device = polled.device

        def altered() -> None:
            for identifier in list(device.keychain.profiles):
                alter(device.keychain, identifier)

        device.behaviour.after_install = altered

    def _lose(self, polled: PolledDevice) -> None:
        """
        Lose the certificate that came with a profile, this once.
        """
        polled.device.keychain.identities.clear()
        polled.device.behaviour.after_install = None

    async def _operators_see(self, plain: PolledDevice, rewritten: PolledDevice) -> None:
        shown = await self._call("GET", f"/hosts/{plain.udid}")
        inventory = shown["inventory"]
        self.assertEqual(inventory["profiles_source"], "MDM")
        self.assertEqual(inventory["certificates_source"], "MDM")
        [certificate] = shown["certificates"]
        self.assertEqual(certificate["source"], "MDM")
        told = await self._call("GET", "/activities")
        alarms = [one for one in told["items"] if one["action"] == "certificate not identified"]
        self.assertEqual([one["subject"].split("/")[0] for one in alarms], [rewritten.udid])

    async def _inventory_commands(self, polled: PolledDevice) -> list[dict[str, Any]]:
        shown = await self._call("GET", f"/hosts/{polled.udid}")
        commands: list[dict[str, Any]] = shown["commands"]
        return [one for one in commands if one["request_type"].endswith("List")]

    async def _call(self, method: str, path: str) -> dict[str, Any]:
        """
        What the admin API answers.
        """
        with self.fleet.daemon.api() as api:
            answer = await deferToThread(api.request, method, path)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    async def _until(
        self, profile: str, wanted: Callable[[dict[str, dict[str, Any]]], bool]
    ) -> dict[str, dict[str, Any]]:
        """
        Wait until the rows are as wanted; the Macs' agents look meanwhile.
        """
        deadline = reactor.seconds() + _PATIENCE
        while True:
            rows = await self.fleet.rows(profile)
            if len(rows) == len(self.fleet.devices) and wanted(rows):
                return rows
            if reactor.seconds() > deadline:
                failures = [polled.failures for polled in self.fleet.devices]
                raise AssertionError(f"still {rows}, failures {failures}")
            await gatherResults([polled.look() for polled in self.agents])
            await deferLater(reactor, _LOOK)
