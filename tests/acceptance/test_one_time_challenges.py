"""
One-time challenges, with real programs: the embedded certificate authority, and ``scepserver`` that
asks scepd.
"""

from __future__ import annotations

import base64
import hmac
import json
import shutil
import tempfile
from hashlib import sha256
from pathlib import Path
from subprocess import CompletedProcess

import httpx
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from scepd.model import EMBEDDED_CA
from scepd.ports import Subject
from tests.support.daemon import SAMPLE_PROFILE, Daemon
from tests.support.fleet import Fleet
from tests.support.one_time import leave_challenge, write_verifier
from tests.support.pki import openssl
from tests.support.processes import run_aside, tool
from tests.support.scepserver import SCEPServer, scepclient_command

_SECRET = bytes(range(32))
_ONE_TIME = ("--challenge-mode", "one_time", "--max-concurrency", "1")


class DeviceTests(TestCase):
    """
    The daemon as a process, and a simulated device.
    """

    timeout = 120

    async def test_verified(self) -> None:
        """
        A profile that names the embedded authority brings a certificate of it, without any
        authority being added; one that names ``scepserver`` brings one that scepd allowed. Both end
        verified, and the log holds no challenge.
        """
        fleet = Fleet()
        self.addCleanup(fleet.stop)
        await fleet.start()
        await self._add_scepserver(fleet)
        (polled,) = await fleet.enroll()
        content = SAMPLE_PROFILE.read_bytes()
        for name in (EMBEDDED_CA, "Test_SCEP"):
            other = content.replace(b"Test_SCEP", name.encode())
            other = other.replace(b"Fleet.custom.SCEP", f"Fleet.{name}".encode())
            profile = await fleet.add_profile(other)
            await fleet.until_verified(profile, patience=60)
            shown = await deferToThread(fleet.daemon.ctl, "ca", "show", name, "--json")
            identity = polled.device.keychain.identities[-1]
            issuer = identity.summary.issuer.rfc4514_string()
            self.assertEqual(issuer, json.loads(shown.stdout)["subject"])
            self.assertEqual(identity.summary.public_key(), identity.key.public_key())
        said = await deferToThread(
            fleet.daemon.ctl, "ca", "delete", EMBEDDED_CA, "--force", expect=1
        )
        self.assertIn("it can't be changed", said.stderr)
        await deferToThread(fleet.daemon.ctl, "ca", "check", EMBEDDED_CA)
        async with fleet.daemon.stores() as stores:
            exchanges = await stores.exchanges(polled.udid)
        self.assertEqual(
            [(exchange.ca_name, exchange.pki_status) for exchange in exchanges],
            [("Test_SCEP", "SUCCESS"), (EMBEDDED_CA, "SUCCESS")],
        )

    async def _add_scepserver(self, fleet: Fleet) -> None:
        path = await deferToThread(write_verifier, fleet.daemon, "Test_SCEP", fleet.folder)
        fleet.ca = await deferToThread(SCEPServer, fleet.folder / "ca", path)
        await deferToThread(fleet.ca.start)
        url = ("--url", fleet.ca.url)
        await deferToThread(fleet.daemon.ctl, "ca", "add", "Test_SCEP", *url, *_ONE_TIME)


class ScepserverTests(TestCase):
    """
    ``scepserver`` runs ``scepd-verify-csr`` for each request; ``scepclient`` is the device.
    """

    timeout = 120

    async def test_challenges(self) -> None:
        """
        A challenge is good for one request with the names of its profile, and for no other; while
        the daemon is down none is.
        """
        await self._start()
        proxy = await self._deliver("first", "device-1")
        self.assertEqual(await self._enroll(proxy, "first", "device-1"), 0)
        # Straight to the authority, as somebody who has seen the challenge.
        self.assertNotEqual(await self._enroll(self.ca.url, "first", "device-1"), 0)
        proxy = await self._deliver("second", "device-2")
        self.assertNotEqual(await self._enroll(proxy, "second", "administrator"), 0)
        self.assertNotEqual(await self._enroll(self.ca.url, "never-made", "device-2"), 0)
        await deferToThread(self.daemon.stop)
        self.assertNotEqual(await self._enroll(self.ca.url, "second", "device-2"), 0)
        self.assertEqual((await self._check()).returncode, 1)
        await deferToThread(self.daemon.start)
        self.assertEqual((await self._check()).returncode, 0)
        self.assertEqual(await self._enroll(proxy, "second", "device-2"), 0)
        async with self.daemon.stores() as stores:
            statuses = [one.pki_status for one in await stores.exchanges("HOST-1")]
        self.assertEqual(statuses, ["SUCCESS", "FAILURE", "SUCCESS"])
        await self._ask_as_step_ca()
        refusals = "".join(self.daemon.outputs) + self.daemon.running_program.output
        self.assertIn("the request is for another subject than the profile's", refusals)
        self.assertIn("the challenge was used for another request", refusals)

    async def _ask_as_step_ca(self) -> None:
        """
        The same by step-ca's webhook, signed here by hand.
        """
        await self._deliver("third", "device-3")
        first, second = [self._request("third", "device-3") for _ in range(2)]
        other = self._request("third", "administrator")
        self.assertEqual(await self._webhook(other, "third"), (200, {"allow": False}))
        self.assertEqual(await self._webhook(first, "third"), (200, {"allow": True}))
        self.assertEqual(await self._webhook(second, "third"), (200, {"allow": False}))
        self.assertEqual(await self._webhook(first, "third"), (200, {"allow": True}))
        status, _ = await self._webhook(first, "third", secret=b"another secret")
        self.assertEqual(status, 401)

    def _request(self, challenge: str, name: str) -> bytes:
        """
        A CSR that openssl makes, for a key of its own.
        """
        lines = ["[req]", "distinguished_name = dn", "attributes = more", "prompt = no", "[dn]"]
        lines += [f"CN = {name}", "[more]", f"challengePassword = {challenge}", ""]
        options = ("-newkey", "rsa:2048", "-nodes", "-keyout", "key", "-outform", "DER")
        files = {"config": "\n".join(lines).encode()}
        return openssl("req", "-new", *options, "-config", "config", files=files)

    async def _webhook(
        self, csr: bytes, challenge: str, secret: bytes = _SECRET
    ) -> tuple[int, object]:
        asked = {
            "timestamp": "2026-06-01T12:00:00.123456789Z",
            "provisionerName": "devices",
            "x509CertificateRequest": {"raw": base64.b64encode(csr).decode()},
            "scepChallenge": challenge,
            "scepTransactionID": "7f2c",
        }
        body = json.dumps(asked).encode()
        headers = {
            "X-Smallstep-Signature": hmac.new(secret, body, sha256).hexdigest(),
            "X-Smallstep-Webhook-ID": "hook-1",
            "Content-Type": "application/json",
        }
        url = f"{self.daemon.admin_url}/api/v1/challenges/step-ca"
        answer = await deferToThread(httpx.post, url, content=body, headers=headers)
        return answer.status_code, answer.json()

    async def _start(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="scepd-one-time-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.daemon = await deferToThread(Daemon, self.folder / "etc")
        self.addCleanup(deferToThread, self.daemon.stop)
        await deferToThread(self.daemon.start)
        self.verifier = await deferToThread(write_verifier, self.daemon, "CORP", self.folder)
        self.ca = await deferToThread(SCEPServer, self.folder / "ca", self.verifier)
        self.addCleanup(deferToThread, self.ca.stop)
        await deferToThread(self.ca.start)
        secret = self.folder / "secret"
        secret.write_text(base64.b64encode(_SECRET).decode())
        hook = ("--webhook-id", "hook-1", "--webhook-secret-file", str(secret))
        url = ("--url", self.ca.url)
        await deferToThread(self.daemon.ctl, "ca", "add", "CORP", *url, *_ONE_TIME, *hook)
        content = SAMPLE_PROFILE.read_bytes().replace(b"Test_SCEP", b"CORP")
        self.profile = await deferToThread(self.daemon.add_profile, content)

    async def _deliver(self, challenge: str, name: str) -> str:
        """
        What a delivery leaves; returns the proxy's URL.
        """
        subject = Subject("HOST-1", self.profile, "CORP")
        async with self.daemon.stores() as stores:
            path = await stores.deliver("HOST-1", self.profile, "CORP")
        await leave_challenge(self.daemon, subject, challenge, name)
        return f"http://127.0.0.1:{self.daemon.device_port}{path}"

    async def _enroll(self, url: str, challenge: str, name: str) -> int:
        # scepclient would take the key and request of the try before.
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        command = scepclient_command(url, challenge=challenge, common_name=name)
        return (await run_aside(command, folder)).returncode

    async def _check(self) -> CompletedProcess[str]:
        environment = {"SCEPD_VERIFY_CONFIG": str(self.verifier)}
        return await run_aside([tool("scepd-verify-csr"), "--check"], self.folder, environment)
