"""
What operators see of pushes, with the daemon as a process and a double of Apple's push service.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import httpx
from twisted.internet import reactor as installed_reactor
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from tests.apns.test_credentials_forms import PASSWORD, packed
from tests.support.apns_certificates import Pair, PushAuthority, PushFiles, new_topic
from tests.support.apns_requests import Reply
from tests.support.fleet import Fleet

reactor: Any = installed_reactor
PATIENCE = 20


class OperatorTests(TestCase):
    """
    Tests with one enrolled device.
    """

    timeout = 120

    async def start(self) -> Fleet:
        """
        Start everything, and wait until the device got its first push.
        """
        fleet = Fleet()
        self.addCleanup(fleet.stop)
        self.authority, self.topic = PushAuthority(), new_topic()
        self.files = PushFiles(fleet.folder / "push")
        self.files.folder.mkdir()
        server = self.authority.server()
        self.write("ca", self.authority.certificate)
        self.write("server_certificate", server.certificate)
        self.write("server_key", server.key)
        self.renew()
        await fleet.start()
        (self.polled,) = await fleet.enroll()
        self.host = self.polled.device.hardware.udid
        await self.until(lambda: bool(fleet.double.requests))
        return fleet

    def write(self, name: str, pem: bytes) -> None:
        """
        Write one of the files of the push service and its client.
        """
        self.files.paths[name].touch(mode=0o600)
        self.files.paths[name].write_bytes(pem)

    def renew(self) -> None:
        """
        Write another push certificate of the same topic.
        """
        pair = self.authority.push(self.topic)
        self.write("push_certificate", pair.certificate)
        self.write("push_key", pair.key)

    async def until(self, wanted: Callable[[], bool]) -> None:
        """
        Wait for something that comes by itself.
        """
        deadline = time.monotonic() + PATIENCE
        while not wanted():
            self.assertLess(time.monotonic(), deadline, "it did not come")
            await deferLater(reactor, 0.05)

    async def push(self, fleet: Fleet, expect: int = 0) -> str:
        """
        ``scepctl host push``; returns what it says.
        """
        done = await deferToThread(fleet.daemon.ctl, "host", "push", self.host, expect=expect)
        return done.stdout + done.stderr

    async def status(self, fleet: Fleet) -> dict[str, Any]:
        """
        ``scepctl push status``.
        """
        done = await deferToThread(fleet.daemon.ctl, "push", "status", "--json")
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    async def test_well(self) -> None:
        """
        A push by hand reaches the device; status, metrics and doctor tell that all is well.
        """
        fleet = await self.start()
        before = len(fleet.double.requests)
        said = await self.push(fleet)
        self.assertIn("The push is sent now", said)
        await self.until(lambda: len(fleet.double.requests) > before)
        found = await self.status(fleet)
        self.assertEqual((found["state"], found["complaint"]), ("connected", ""))
        self.assertEqual(found["topics"], {found["topic"]: 1})
        self.assertEqual(found["refusals"], [])
        text = (await self.get(fleet, "/metrics")).text
        self.assertRegex(text, r'(?m)^scepd_push_total\{reason="",status="200"\} [1-9]')
        self.assertRegex(text, r"(?m)^scepd_push_seconds_count [1-9]")
        self.assertRegex(text, r"(?m)^scepd_push_connections 1\.0$")
        self.assertRegex(text, r"(?m)^scepd_push_suspended 0\.0$")
        done = await deferToThread(fleet.daemon.ctl, "doctor", "--config", "scepd.toml", "--json")
        verdicts = {one["what"]: one["verdict"] for one in json.loads(done.stdout)}
        self.assertEqual(set(verdicts.values()), {"ok"}, done.stdout)
        self.assertLessEqual(
            {"push topic", "Apple's push service", "listeners", "database"}, set(verdicts)
        )

    async def test_dead_token(self) -> None:
        """
        A token that Apple calls dead is forgotten, and the next push by hand refused with that.
        """
        fleet = await self.start()
        token = self.polled.device.push_token.token.hex()
        dead = Reply(410, "Unregistered", int((time.time() + 60) * 1000))
        fleet.double.behaviour.answers[token] = dead
        await self.push(fleet)
        await self.until(lambda: any(a.get("reason") == "Unregistered" for a in self.told(fleet)))
        found = await self.status(fleet)
        self.assertEqual(
            [(one["status"], one["reason"]) for one in found["refusals"]], [(410, "Unregistered")]
        )
        said = await self.push(fleet, expect=1)
        self.assertIn("no push token that Apple knows", said)

    async def test_suspended(self) -> None:
        """
        A certificate that Apple refuses suspends all pushes, which every place tells; the renewed
        one has them go by themselves.
        """
        fleet = await self.start()
        token = self.polled.device.push_token.token.hex()
        fleet.double.behaviour.answers[token] = Reply(403, "BadCertificate")
        await self.push(fleet)
        await self.until(lambda: any("suspended" in str(a["message"]) for a in self.told(fleet)))
        found = await self.status(fleet)
        self.assertEqual(found["state"], "suspended")
        self.assertIn("BadCertificate", found["complaint"])
        self.assertIn("waits for another push certificate", await self.push(fleet))
        ready = (await self.get(fleet, "/readyz")).json()
        self.assertEqual(ready["status"], "degraded")
        self.assertIn("BadCertificate", ready["parts"]["apns"])
        text = (await self.get(fleet, "/metrics")).text
        self.assertRegex(text, r"(?m)^scepd_push_suspended 1\.0$")
        doctor = ("doctor", "--config", "scepd.toml")
        done = await deferToThread(fleet.daemon.ctl, *doctor, expect=1)
        self.assertIn("suspended", done.stdout)
        before = len(fleet.double.requests)
        del fleet.double.behaviour.answers[token]
        self.renew()
        await self.hang_up(fleet, "Pushing as")
        await self.until(lambda: len(fleet.double.requests) > before)
        self.assertEqual((await self.status(fleet))["state"], "connected")

    async def get(self, fleet: Fleet, path: str) -> httpx.Response:
        """
        Read something from the admin listener.
        """
        url = f"{fleet.daemon.admin_url}{path}"
        return await deferToThread(lambda: httpx.get(url, trust_env=False))

    async def test_reload(self) -> None:
        """
        SIGHUP with the same certificate in another file changes nothing; a certificate of another
        topic is refused with both topics named, and pushes go on.
        """
        fleet = await self.start()
        files = self.files
        pair = Pair(files.read("push_certificate"), files.read("push_key"))
        (fleet.folder / "same.p12").write_bytes(packed(pair, []))
        (fleet.folder / "password").write_bytes(PASSWORD)
        path = fleet.folder / "etc" / "scepd.toml"
        text = path.read_text()
        certificate, key = files.paths["push_certificate"], files.paths["push_key"]
        same = f'pkcs12_file = "{fleet.folder}/same.p12"\npassword_file = "{fleet.folder}/password"'
        text = text.replace(f'key_file = "{key}"', "")
        path.write_text(text.replace(f'certificate_file = "{certificate}"', same))
        connections = len(fleet.double.connections)
        await self.hang_up(fleet, "Reloaded")
        other = PushAuthority().push(topic := new_topic())
        (fleet.folder / "other.pem").write_bytes(other.certificate + other.key)
        another = f'certificate_file = "{fleet.folder}/other.pem"'
        path.write_text(text.replace(f'certificate_file = "{certificate}"', another))
        line = await self.hang_up(fleet, "Not reloaded")
        self.assertIn(f"topic is {topic}; devices are enrolled with", line)
        before = len(fleet.double.requests)
        await self.push(fleet)
        await self.until(lambda: len(fleet.double.requests) > before)
        self.assertEqual(len(fleet.double.connections), connections)

    async def hang_up(self, fleet: Fleet, beginning: str) -> str:
        """
        Send SIGHUP and return the message that begins so.
        """
        os.kill(fleet.daemon.running_program.process.pid, signal.SIGHUP)

        def messages() -> list[str]:
            told = [str(event.get("message")) for event in self.told(fleet)]
            return [message for message in told if message.startswith(beginning)]

        await self.until(lambda: bool(messages()))
        return messages()[-1]

    def told(self, fleet: Fleet) -> list[dict[str, object]]:
        """
        The log lines of the daemon so far.
        """
        return fleet.daemon.events()
