"""
Deliveries that can't go well end as the lifecycle says, with a reason that operators see.
"""

from __future__ import annotations

import json
import plistlib

from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from scepd.simulator.failures import DeviceError
from scepd.simulator.hardware import some_hardware
from tests.support.apns_requests import Reply
from tests.support.fleet import OSQUERY_SECRET, STATIC_CHALLENGE, Fleet, PolledDevice
from tests.support.processes import PATIENCE
from tests.support.scepserver import CHALLENGE

_LOOK = 0.1


class FailureTests(TestCase):
    """
    The daemon with the embedded CA as the upstream one, and a device that misbehaves.
    """

    timeout = 240

    async def _fleet(self, settings: dict[str, str] | None = None) -> tuple[Fleet, PolledDevice]:
        fleet = Fleet(settings)
        self.addCleanup(fleet.stop)
        await fleet.start()
        await fleet.add_embedded()
        (polled,) = await fleet.enroll()
        return fleet, polled

    async def _told(self, fleet: Fleet, profile: str) -> str:
        done = await deferToThread(fleet.daemon.ctl, "profile", "status", profile, "--json")
        (row,) = json.loads(done.stdout)
        return f"{row['status']}: {row['detail']}"

    async def test_deleted_ca(self) -> None:
        """
        A profile whose CA was deleted fails, and says so.
        """
        fleet = Fleet()
        self.addCleanup(fleet.stop)
        await fleet.start()
        await fleet.add_embedded()
        profile = await fleet.add_profile()
        await deferToThread(fleet.daemon.ctl, "ca", "delete", "Test_SCEP", "--force")
        (polled,) = await fleet.enroll()
        await fleet.until(profile, lambda row: row["status"] == "failed")
        told = await self._told(fleet, profile)
        self.assertIn("Test_SCEP", told)
        self.assertEqual(polled.device.keychain.identities, [])

    async def test_errors(self) -> None:
        """
        A device that answers Error to the delivery and to all three retries: failed, with what the
        device said.
        """
        fleet, polled = await self._fleet({"profiles.retry_waits": "[1, 1, 1]"})
        polled.device.behaviour.refuse = 4
        profile = await fleet.add_profile()
        await fleet.until(profile, lambda row: row["status"] == "failed")
        self.assertIn("the profile could not be installed", await self._told(fleet, profile))
        self.assertEqual(polled.device.behaviour.refuse, 0)

    async def test_wrong_challenge(self) -> None:
        """
        A CA that refuses: the row tells the device's error and what the CA said.
        """
        fleet, _ = await self._fleet({"profiles.max_retries": "0"})
        await deferToThread(fleet.daemon.ctl, "ca", "delete", "Test_SCEP", "--force")
        url = f"http://127.0.0.1:{fleet.daemon.device_port}/mdm/scep/ca"
        await deferToThread(fleet.daemon.add_ca, "Test_SCEP", url, "another challenge")
        profile = await fleet.add_profile()
        await fleet.until(profile, lambda row: row["status"] == "failed")
        told = await self._told(fleet, profile)
        self.assertIn("the CA refused", told)
        self.assertIn("the certificate authority refused", told)

    async def test_not_now(self) -> None:
        """
        NotNow: the command waits, and is taken the next time.
        """
        fleet, polled = await self._fleet()
        polled.device.behaviour.not_now = 1
        profile = await fleet.add_profile()
        await fleet.until(profile, lambda row: polled.device.behaviour.not_now == 0, agents=False)
        shown = await deferToThread(fleet.daemon.ctl, "host", "show", polled.udid)
        self.assertIn("NotNow", shown.stdout)
        await polled.wake()
        await fleet.until_verified(profile)

    async def test_wrong_signature(self) -> None:
        """
        A message that another key signed gets 400, never 401, and changes nothing.
        """
        fleet, polled = await self._fleet()
        other = (await fleet.enroll())[0]
        own = polled.device.identity
        polled.device.identity = other.device.identity
        body = plistlib.dumps({"UDID": polled.udid, "Status": "Idle"})
        url = f"http://127.0.0.1:{fleet.daemon.device_port}/mdm/connect"
        error = await self._refused(polled, url, body)
        self.assertIn("HTTP 400", error)
        polled.device.identity = own
        await polled.wake()
        self.assertEqual(polled.failures, [])

    async def test_another_udid(self) -> None:
        """
        A message that names another device than its certificate's gets 400.
        """
        fleet, polled = await self._fleet()
        body = plistlib.dumps({"UDID": some_hardware().udid, "Status": "Idle"})
        url = f"http://127.0.0.1:{fleet.daemon.device_port}/mdm/connect"
        self.assertIn("HTTP 400", await self._refused(polled, url, body))

    async def test_dead_push_token(self) -> None:
        """
        A push token that Apple calls dead is pushed to no more; the host shows why.
        """
        fleet, polled = await self._fleet()
        token = polled.device.push_token.token.hex()
        gone = Reply(410, "Unregistered", timestamp=4_102_444_800_000)
        fleet.double.behaviour.answers[token] = gone
        await fleet.add_profile()
        await self._until_told(fleet, polled.udid, "Unregistered")
        shown = await deferToThread(fleet.daemon.ctl, "host", "show", polled.udid)
        self.assertIn("Unregistered", shown.stdout)
        self.assertEqual(polled.device.keychain.identities, [])

    async def test_no_secret_in_clear(self) -> None:
        """
        After a whole delivery: no challenge, token or private key in the database's files, the log,
        or what ``scepctl`` printed.
        """
        fleet, polled = await self._fleet()
        profile = await deferToThread(fleet.daemon.scepctl_profile_add)
        await fleet.until_verified(profile)
        url = f"http://127.0.0.1:{fleet.daemon.device_port}/mdm/scep/ca"
        await deferToThread(fleet.daemon.scepctl_ca_add, "ANOTHER", url, STATIC_CHALLENGE)
        create = ("enroll-token", "create", "--name", "another", "--json")
        created = await deferToThread(fleet.daemon.ctl, *create)
        for arguments in (("host", "list"), ("host", "show", polled.udid), ("ca", "list")):
            await deferToThread(fleet.daemon.ctl, *arguments)
            await deferToThread(fleet.daemon.ctl, *arguments, "--json")
        secrets = [STATIC_CHALLENGE, CHALLENGE, OSQUERY_SECRET, "PRIVATE KEY"]
        secrets += [polled.device.push_token.magic, polled.device.push_token.token.hex()]
        token = (fleet.daemon.folder / "admin.token").read_text().strip()
        # These are printed, or written, for the operator; nowhere else.
        shown = [token, fleet.enrollment_token, json.loads(created.stdout)["token"]]
        self.assertTrue(all(len(secret) > 10 for secret in secrets + shown))
        kept = [secret.encode() for secret in secrets + shown] + [polled.device.push_token.token]
        stored = [path for path in fleet.daemon.folder.iterdir() if "sqlite" in path.name]
        self.assertIn("scepd.sqlite", [path.name for path in stored])
        for path in stored:
            for secret in kept:
                self.assertNotIn(secret, path.read_bytes(), path.name)
        log = fleet.daemon.running_program.output
        for text in secrets + shown:
            self.assertNotIn(text, log)
        for output in fleet.daemon.outputs:
            for text in secrets:
                self.assertNotIn(text, output)

    async def _until_told(self, fleet: Fleet, udid: str, wanted: str) -> None:
        deadline = reactor.seconds() + PATIENCE
        with fleet.daemon.api() as api:
            while wanted not in (await deferToThread(api.get, f"/hosts/{udid}")).text:
                self.assertLess(reactor.seconds(), deadline, "it is not told")
                await deferLater(reactor, _LOOK)

    async def _refused(self, polled: PolledDevice, url: str, body: bytes) -> str:
        try:
            await deferToThread(polled.device.put_raw, url, body)
        except DeviceError as error:
            return str(error)
        return "not refused"
