"""
A profile for the user of a Mac, through the daemon: it waits, goes by the user's channel, is
proved.
"""

from __future__ import annotations

import json
import plistlib
from typing import Any

from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from tests.support.daemon import SAMPLE_PROFILE
from tests.support.fleet import Fleet, PolledDevice

PLAIN = "com.example.plain"
WAITS = "waits for a user channel of the host"


def user_profile() -> bytes:
    """
    The sample with its SCEP variables, for users.
    """
    root = plistlib.loads(SAMPLE_PROFILE.read_bytes())
    return plistlib.dumps(root | {"PayloadScope": "User"})


def plain_profile() -> bytes:
    """
    One for the device, without a certificate.
    """
    root = plistlib.loads(SAMPLE_PROFILE.read_bytes())
    return plistlib.dumps(root | {"PayloadIdentifier": PLAIN, "PayloadContent": []})


class UserChannelTests(TestCase):
    """
    The daemon, its embedded CA, and a Mac with users.
    """

    timeout = 240

    async def test_user_scope(self) -> None:
        """
        It waits and says why, is pushed to the user who logs in, delivered and verified there,
        waits again when the channel ends, and is removed where it was installed. The device's own
        channel has no part in it.
        """
        fleet = Fleet({"verification.interval": "1.0"})
        self.addCleanup(fleet.stop)
        await fleet.start()
        await fleet.add_embedded()
        (polled,) = await fleet.enroll()
        device = polled.device
        profile = await fleet.add_profile(user_profile())
        await fleet.until(profile, lambda row: row["detail"] == WAITS)
        plain = await fleet.add_profile(plain_profile())
        await fleet.until(plain, lambda row: row["status"] == "verified")
        self.assertEqual(list(device.keychain.profiles), [PLAIN])
        user = await polled.log_in("ann")
        await fleet.until_verified(profile)
        (identity,) = user.keychain.identities
        self.assertEqual(device.keychain.identities, [])
        await self._check_shown(fleet, polled, identity.summary.serial_number)
        await polled.log_out(user)
        (row,) = (await fleet.until(profile, lambda row: row["detail"] == WAITS)).values()
        self.assertEqual((row["status"], row["delivered_at"]), ("pending", None))
        bob = await polled.log_in("bob")
        await fleet.until_verified(profile)
        (other,) = bob.keychain.identities
        self.assertNotEqual(other.summary.serial_number, identity.summary.serial_number)
        await deferToThread(fleet.daemon.ctl, "profile", "delete", profile)
        deadline = reactor.seconds() + 60
        while bob.keychain.profiles:
            self.assertLess(reactor.seconds(), deadline)
            await deferLater(reactor, 0.1)
        self.assertEqual(list(device.keychain.profiles), [PLAIN])
        self.assertEqual(device.errors + bob.errors + polled.failures, [])

    async def _check_shown(self, fleet: Fleet, polled: PolledDevice, serial: int) -> None:
        shown = await deferToThread(fleet.daemon.ctl, "host", "show", polled.udid, "--json")
        host: dict[str, Any] = json.loads(shown.stdout)
        own, channel = host["enrollments"]
        self.assertEqual((own["id"], own["kind"]), (polled.udid, "device"))
        self.assertTrue(channel["id"].startswith(f"{polled.udid}:"))
        self.assertEqual(
            (channel["kind"], channel["user_name"], channel["enabled"]), ("user", "ann", True)
        )
        scopes = {row["identifier"] == PLAIN: row["scope"] for row in host["profiles"]}
        self.assertEqual(scopes, {True: "System", False: "User"})
        self.assertEqual([int(each["serial"], 16) for each in host["certificates"]], [serial])
