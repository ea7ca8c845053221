"""
Both sequences whole: from an uploaded profile to a verified certificate.
"""

from __future__ import annotations

import json
from itertools import pairwise

from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from tests.support.fleet import Fleet
from tests.support.sequence import SEQUENCE_A, SEQUENCE_B

_CROWD = 50


class FlowTests(TestCase):
    """
    The daemon as a process, ``scepserver`` as the CA, simulated devices.
    """

    timeout = 240

    async def _fleet(self, settings: dict[str, str] | None = None) -> Fleet:
        fleet = Fleet(settings)
        self.addCleanup(fleet.stop)
        await fleet.start()
        return fleet

    async def test_every_arrow(self) -> None:
        """
        Every arrow of both sequences happens once and in order; the certificate is the CA's, for
        the device's own key and the subject of the profile; the answer to Acknowledged is empty.
        """
        fleet = await self._fleet()
        ca = await fleet.add_scepserver()
        (polled,) = await fleet.enroll()
        profile = await fleet.add_profile()
        await fleet.until(profile, lambda row: row["status"] == "verifying", agents=False)
        await fleet.until_verified(profile)
        device = polled.device
        identity = device.keychain.identities[-1]
        certificate = identity.summary
        certificate.verify_directly_issued_by(ca.certificate)
        self.assertEqual(certificate.public_key(), identity.key.public_key())
        serial = device.hardware.serial_number
        # The CA writes the subject's parts in an order of its own.
        self.assertEqual(
            {part.rfc4514_string() for part in certificate.subject.rdns},
            {f"CN={serial} WIFI", "OU=FLEET DEVICE MANAGEMENT"},
        )
        self.assertEqual(device.last_answer, b"")
        self.assertEqual(fleet.device_steps, ["B12", "B25"])
        told = [step for step in SEQUENCE_A + SEQUENCE_B if step not in fleet.device_steps]
        self.assertEqual(fleet.daemon.steps(), told)

    async def test_crowd(self) -> None:
        """
        50 devices that one tick queues all end verified, and no two certificates are the same.
        """
        fleet = await self._fleet({"profiles.deliveries_per_tick": "0"})
        await fleet.add_scepserver()
        devices = await fleet.enroll(_CROWD)
        profile = await fleet.add_profile()
        await fleet.until_verified(profile, patience=180)
        serials = {
            polled.device.keychain.identities[-1].summary.serial_number for polled in devices
        }
        self.assertEqual(len(serials), _CROWD)
        self.assertEqual(fleet.daemon.steps().count("B4"), 1)


class RenewalTests(TestCase):
    """
    Certificates of less than a minute are renewed before they expire.
    """

    timeout = 240

    async def test_renewals(self) -> None:
        """
        A device is renewed twice, each time before its certificate expires; the list shows
        the newest certificate, and the others only as retired.
        """
        fleet = Fleet(
            {
                "ca.certificate_lifetime": "44.0",
                "verification.interval": "1.0",
                "renewal.interval": "0.5",
            }
        )
        self.addCleanup(fleet.stop)
        await fleet.start()
        await fleet.add_embedded()
        (polled,) = await fleet.enroll()
        profile = await fleet.add_profile()
        await fleet.until_verified(profile)
        identities = polled.device.keychain.identities
        wanted = len(identities) + 2
        await fleet.until(
            profile,
            lambda row: len(identities) >= wanted and row["status"] == "verified",
            patience=120,
        )
        made = [identity.summary for identity in identities[-3:]]
        for old, new in pairwise(made):
            self.assertGreater(new.not_valid_after_utc, old.not_valid_after_utc)
        arguments = "certificate list --state current --all --json".split()
        listed = await deferToThread(fleet.daemon.ctl, *arguments)
        (found,) = json.loads(listed.stdout)
        self.assertEqual((found["host"], found["state"]), (polled.udid, "expiring"))
        known = [found["certificate"], *found["retired"]]
        serials = [int(one["serial"], 16) for one in known]
        self.assertEqual(serials[:3], [one.serial_number for one in reversed(made)])
        self.assertIsNone(known[0]["retired_at"])
        self.assertTrue(all(one["retired_at"] for one in known[1:]))
        shown = await deferToThread(fleet.daemon.ctl, "host", "show", polled.udid)
        self.assertIn(known[0]["sha1"], shown.stdout)
        self.assertNotIn(known[1]["sha1"], shown.stdout)
        told = await deferToThread(fleet.daemon.ctl, "activity", "list", "--json")
        self.assertNotIn("certificate expired", [one["action"] for one in json.loads(told.stdout)])
