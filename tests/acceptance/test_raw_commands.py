"""
An operator's command goes to a device, and its answer comes back, through the daemon; so does a
bootstrap token.
"""

from __future__ import annotations

import json
import plistlib
from typing import Any

from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from tests.support.fleet import Fleet, PolledDevice


class RawCommandTests(TestCase):
    """
    The daemon and one device that is pushed to.
    """

    timeout = 120

    async def test_question(self) -> None:
        """
        A DeviceInformation is pushed, answered, listed and shown; a bootstrap token is given back,
        and both are activities.
        """
        fleet = Fleet()
        self.addCleanup(fleet.stop)
        await fleet.start()
        (polled,) = await fleet.enroll()
        path = fleet.folder / "question.plist"
        path.write_bytes(
            plistlib.dumps({"RequestType": "DeviceInformation", "Queries": ["UDID", "OSVersion"]})
        )
        ctl = fleet.daemon.ctl
        sent = await deferToThread(ctl, "command", "send", polled.udid, str(path), "--json")
        uuid = json.loads(sent.stdout)["uuid"]
        deadline = reactor.seconds() + 60
        while True:
            shown = await deferToThread(ctl, "host", "show", polled.udid, "--json")
            (command,) = json.loads(shown.stdout)["commands"]
            if command["status"] == "Acknowledged":
                break
            self.assertLess(reactor.seconds(), deadline, command)
            await deferLater(reactor, 0.2)
        self.assertEqual((command["uuid"], command["answer_kept"]), (uuid, True))
        shown = await deferToThread(ctl, "command", "answer", polled.udid, uuid)
        answer = plistlib.loads(shown.stdout.encode())
        self.assertEqual((answer["CommandUUID"], answer["Status"]), (uuid, "Acknowledged"))
        self.assertEqual(answer["QueryResponses"]["UDID"], polled.udid)
        await self._check_bootstrap_token(fleet, polled)
        log = await deferToThread(ctl, "activity", "list", "--json")
        actions = [each["action"] for each in json.loads(log.stdout)]
        self.assertIn("sent command DeviceInformation", actions)
        self.assertEqual(actions.count("read bootstrap token"), 1)

    async def test_answer_too_long(self) -> None:
        """
        A command whose answer is too long to be taken holds up neither the next one nor a profile;
        it stays in the queue, and the log tells of it.
        """
        fleet = Fleet()
        self.addCleanup(fleet.stop)
        await fleet.start()
        await fleet.add_embedded()
        (polled,) = await fleet.enroll()
        polled.device.behaviour.swollen_requests = frozenset({"CertificateList"})
        path = fleet.folder / "question.plist"
        uuids = []
        for kind in ("CertificateList", "DeviceInformation"):
            path.write_bytes(plistlib.dumps({"RequestType": kind, "Queries": ["UDID"]}))
            sent = await deferToThread(
                fleet.daemon.ctl, "command", "send", polled.udid, str(path), "--json"
            )
            uuids.append(json.loads(sent.stdout)["uuid"])
        profile = await fleet.add_profile()
        deadline = reactor.seconds() + 60
        while True:
            # As after each of the pushes that are repeated, which would take longer.
            await polled.wake()
            commands = await self._commands(fleet, polled)
            if commands[uuids[1]]["status"] == "Acknowledged":
                break
            self.assertLess(reactor.seconds(), deadline, commands)
            await deferLater(reactor, 0.2)
        await fleet.until_verified(profile)
        poison = (await self._commands(fleet, polled))[uuids[0]]
        self.assertEqual((poison["status"], poison["finished_at"]), ("offered", None))
        self.assertTrue(all("HTTP 400" in each or "no answer" in each for each in polled.failures))
        told = [each for each in fleet.daemon.events() if "Refused a message" in str(each)]
        # At most one a minute.
        self.assertIn(len(told), (1, 2))
        self.assertEqual((told[0]["level"], told[0]["host"]), ("warn", polled.udid))

    async def _commands(self, fleet: Fleet, polled: PolledDevice) -> dict[str, dict[str, Any]]:
        """
        The commands of a device, by uuid.
        """
        shown = await deferToThread(fleet.daemon.ctl, "host", "show", polled.udid, "--json")
        return {each["uuid"]: each for each in json.loads(shown.stdout)["commands"]}

    async def _check_bootstrap_token(self, fleet: Fleet, polled: PolledDevice) -> None:
        """
        A bootstrap token comes back as it went, and is in no file in clear.
        """
        secret, device = b"secret-bootstrap-token", polled.device
        url = f"http://127.0.0.1:{fleet.daemon.device_port}/mdm/checkin"
        for kind, more, expected in (
            ("SetBootstrapToken", {"BootstrapToken": secret}, None),
            ("GetBootstrapToken", {}, {"BootstrapToken": secret}),
        ):
            said = {"MessageType": kind, "UDID": polled.udid, **more}
            body = plistlib.dumps(said, fmt=plistlib.FMT_BINARY)
            answer = await deferToThread(device.put_raw, url, body)
            self.assertEqual(plistlib.loads(answer) if answer else None, expected)
        files = [path for path in fleet.daemon.folder.iterdir() if path.is_file()]
        self.assertTrue(any(path.suffix == ".sqlite" for path in files))
        for path in files:
            self.assertNotIn(secret, path.read_bytes(), path.name)
