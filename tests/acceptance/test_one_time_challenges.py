"""
One-time challenges, with real programs: the embedded certificate authority, and ``scepserver`` that
asks scepd.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from subprocess import CompletedProcess

from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from scepd.model import EMBEDDED_CA
from scepd.ports import Subject
from tests.support.daemon import SAMPLE_PROFILE, Daemon
from tests.support.fleet import Fleet
from tests.support.one_time import leave_challenge, write_verifier
from tests.support.processes import run_aside, tool
from tests.support.scepserver import SCEPServer, scepclient_command

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
        refusals = "".join(self.daemon.outputs) + self.daemon.running_program.output
        self.assertIn("the request is for another subject than the profile's", refusals)
        self.assertIn("the challenge was used for another request", refusals)

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
        url = ("--url", self.ca.url)
        await deferToThread(self.daemon.ctl, "ca", "add", "CORP", *url, *_ONE_TIME)
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
