"""
Both sequences whole: from an uploaded profile to a verified certificate.
"""

from __future__ import annotations

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
    A certificate of a minute is renewed before it expires.
    """

    timeout = 240

    async def test_renewal(self) -> None:
        """
        The device holds a newer certificate before the first one expires, and the row is verified
        again.
        """
        fleet = Fleet(
            {
                "ca.certificate_lifetime": "60.0",
                "verification.interval": "1.0",
                "renewal.interval": "1.0",
            }
        )
        self.addCleanup(fleet.stop)
        await fleet.start()
        await fleet.add_embedded()
        (polled,) = await fleet.enroll()
        profile = await fleet.add_profile()
        await fleet.until_verified(profile)
        first = polled.device.keychain.identities[-1].summary
        await fleet.until(profile, lambda row: row["status"] != "verified", patience=60)
        await fleet.until_verified(profile, patience=60)
        second = polled.device.keychain.identities[-1].summary
        self.assertNotEqual(first.serial_number, second.serial_number)
        self.assertGreater(second.not_valid_after_utc, first.not_valid_after_utc)
        self.assertLess(second.not_valid_before_utc, first.not_valid_after_utc)
        shown = await deferToThread(fleet.daemon.ctl, "host", "show", polled.udid)
        self.assertIn(f"{second.serial_number:X}", shown.stdout)
