"""
A profile's life beyond its first delivery: labels, replacement, facts, removal.
"""

from __future__ import annotations

import plistlib
from pathlib import Path

from cryptography.x509.oid import NameOID
from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from tests.services.test_profiles import profile
from tests.support.fleet import Fleet, PolledDevice

EMAIL = "HOST_END_USER_EMAIL_IDP"


def content(common_name: str, *, binary: bool = False) -> bytes:
    """
    A profile whose certificate has this common name.
    """
    root = plistlib.loads(profile())
    scep = root["PayloadContent"][0]["PayloadContent"]
    scep["Subject"] = [[["CN", common_name]], [["OU", "$FLEET_VAR_SCEP_RENEWAL_ID"]]]
    return plistlib.dumps(root, fmt=plistlib.FMT_BINARY if binary else plistlib.FMT_XML)


class ProfileChangeTests(TestCase):
    """
    The daemon as a process, its embedded CA, and one simulated device.
    """

    timeout = 240

    async def test_whole_life(self) -> None:
        """
        A profile aimed at a label reaches the host when it gets the label; other content is
        delivered again; one that needs a fact fails and says so until the fact is told; without
        the label the device loses the profile, and the row goes.
        """
        fleet = Fleet()
        self.addCleanup(fleet.stop)
        await fleet.start()
        await fleet.add_embedded()
        (polled,) = await fleet.enroll()
        file = fleet.folder / "scep.mobileconfig"
        file.write_bytes(content("first"))
        added = await self.ctl(fleet, "profile", "add", str(file), "--labels-any", "staff")
        self.assertIn("any of staff", added)
        uuid = next(line.split()[1] for line in added.splitlines() if line.startswith("uuid"))
        self.assertEqual(await fleet.rows(uuid), {})

        await self.ctl(fleet, "host", "label", "add", polled.udid, "staff")
        await fleet.until_verified(uuid)
        self.assertIn("com.example.scep", polled.device.keychain.profiles)
        self.assertEqual(self.names(polled), ["first"])

        await self.replace(fleet, uuid, file, content("second"))
        await fleet.until(uuid, lambda row: self.names(polled)[-1] == "second", agents=False)
        await fleet.until_verified(uuid)
        self.assertIn("nothing changes", await self.replace(fleet, uuid, file, content("second")))

        await self.replace(fleet, uuid, file, content(f"${{FLEET_VAR_{EMAIL}}}", binary=True))
        rows = await fleet.until(uuid, lambda row: row["status"] == "failed")
        self.assertIn(f"$FLEET_VAR_{EMAIL} needs the fact", rows[polled.udid]["detail"])
        self.assertEqual(self.names(polled)[-1], "second")

        await self.ctl(fleet, "host", "fact", "set", polled.udid, f"{EMAIL}=ann@example.com")
        await fleet.until_verified(uuid)
        self.assertEqual(self.names(polled)[-1], "ann@example.com")

        await self.ctl(fleet, "host", "label", "remove", polled.udid, "staff")
        await self.until_gone(fleet, uuid)
        self.assertNotIn("com.example.scep", polled.device.keychain.profiles)
        self.assertNotIn("ann@example.com", self.names(polled))
        shown = await self.ctl(fleet, "profile", "targets", uuid)
        self.assertEqual(shown.splitlines()[-1].split(), ["hosts", "0"])

    async def ctl(self, fleet: Fleet, *arguments: str) -> str:
        """
        What scepctl writes.
        """
        done = await deferToThread(fleet.daemon.ctl, *arguments)
        return done.stdout + done.stderr

    async def replace(self, fleet: Fleet, uuid: str, file: Path, new: bytes) -> str:
        """
        Put new content in place of the profile.
        """
        file.write_bytes(new)
        return await self.ctl(fleet, "profile", "replace", uuid, str(file))

    async def until_gone(self, fleet: Fleet, uuid: str) -> None:
        """
        Wait until no host has the profile, or is to lose it.
        """
        deadline = reactor.seconds() + 60
        while rows := await fleet.rows(uuid):
            self.assertLess(reactor.seconds(), deadline, rows)
            await deferLater(reactor, 0.2)

    def names(self, polled: PolledDevice) -> list[str]:
        """
        The common names of the certificates that the device has from profiles, oldest first.
        """
        found = []
        for identity in polled.device.keychain.identities:
            (attribute,) = identity.summary.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
            found.append(str(attribute.value))
        return found
