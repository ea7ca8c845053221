"""
A daemon with a CA, a push service and simulated devices: all of the system, over real sockets.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from scepd.simulator.agent import OsqueryAgent
from scepd.simulator.device import SimulatedDevice
from scepd.simulator.failures import DeviceError
from scepd.simulator.hardware import Hardware, some_hardware
from scepd.simulator.http import DeviceHTTP
from scepd.simulator.user_channel import UserChannel
from tests.support.apns_certificates import PushFiles
from tests.support.apns_double import APNsDouble
from tests.support.apns_requests import Reply, Request
from tests.support.apns_server import tls_options
from tests.support.daemon import Daemon
from tests.support.scepserver import CHALLENGE, SCEPServer

STATIC_CHALLENGE = "static-challenge-of-the-embedded-ca"
OSQUERY_SECRET = "secret-of-the-osquery-agents"
_PATIENCE = 100.0
_LOOK = 0.2


class PolledDevice:
    """
    A simulated device that polls when it is pushed to, in a thread of its own.
    """

    def __init__(
        self,
        number: int,
        daemon: Daemon,
        story: Callable[[str, str], None],
        make: Callable[[int], Hardware] = some_hardware,
    ) -> None:
        self.device = SimulatedDevice(make(number), DeviceHTTP(), story=story)
        self.failures: list[str] = []
        self._lock = threading.Lock()
        base = f"http://127.0.0.1:{daemon.device_port}"
        self.agent = OsqueryAgent(self.device, DeviceHTTP(), base, OSQUERY_SECRET)

    @property
    def udid(self) -> str:
        """
        Its UDID.
        """
        return self.device.hardware.udid

    def wake(self, user: UserChannel | None = None) -> Deferred[None]:
        """
        Poll for commands, as after a push; of a user, when there is one.
        """
        return deferToThread(self._poll, user or self.device)

    def pushed(self, token: str) -> Deferred[None] | None:
        """
        Poll as after a push to this token, if it is the device's or one of a user of it.
        """
        for one in (self.device, *self.device.users):
            if one.push_token.token.hex() == token:
                return deferToThread(self._poll, one)
        return None

    def log_in(self, short_name: str) -> Deferred[UserChannel]:
        """
        Let a user log in, whose channel is opened.
        """
        return deferToThread(self._log_in, short_name)

    def log_out(self, user: UserChannel) -> Deferred[None]:
        """
        Let a user's channel end.
        """
        return deferToThread(self._log_out, user)

    def look(self) -> Deferred[int]:
        """
        Let its osquery agent ask for queries.
        """
        return deferToThread(self._look)

    def _log_in(self, short_name: str) -> UserChannel:
        with self._lock:
            user = UserChannel(self.device, short_name)
            user.update_token()
            return user

    def _log_out(self, user: UserChannel) -> None:
        with self._lock:
            user.check_out()
            self.device.users.remove(user)

    def _poll(self, one: SimulatedDevice) -> None:
        with self._lock:
            try:
                one.poll()
            except DeviceError as error:
                # A daemon that is gone answers nothing; the device comes again with the next push.
                self.failures.append(str(error))

    def _look(self) -> int:
        with self._lock:
            try:
                return self.agent.poll()
            except DeviceError as error:
                self.failures.append(str(error))
                return 0


class Fleet:
    """
    One daemon, its push service, optionally ``scepserver``, and devices.

    :param settings: of the daemon, beside those that make it quick.
    :ivar all_settings: with those, when it has started.
    """

    def __init__(self, settings: dict[str, str] | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="scepd-fleet-"))
        self.devices: list[PolledDevice] = []
        self.device_steps: list[str] = []
        self.double = APNsDouble(on_reply=self._pushed)
        self.ca: SCEPServer | None = None
        self.enrollment_token = ""
        self._settings = settings or {}
        self.all_settings: dict[str, str] = {}
        self._port: Any = None
        self._polls: list[Deferred[None]] = []

    async def start(self) -> None:
        """
        Start the push service and the daemon.
        """
        reactor.suggestThreadPoolSize(30)  # type: ignore[attr-defined]
        files = PushFiles(self.folder / "push")
        files.ensure()
        self._port = reactor.listenSSL(  # type: ignore[attr-defined]
            0, self.double, tls_options(files), interface="127.0.0.1"
        )
        (self.folder / "challenge").write_text(STATIC_CHALLENGE)
        (self.folder / "osquery").write_text(OSQUERY_SECRET)
        paths = {name: json.dumps(str(path)) for name, path in files.paths.items()}
        self.all_settings = settings = {
            "ca.challenge_file": json.dumps(str(self.folder / "challenge")),
            "ca.key_bits": "2048",
            "apns.host": '"127.0.0.1"',
            "apns.port": str(self._port.getHost().port),
            "apns.certificate_file": paths["push_certificate"],
            "apns.key_file": paths["push_key"],
            "apns.trusted_certificates_file": paths["ca"],
            "osquery.enroll_secret_file": json.dumps(str(self.folder / "osquery")),
            "profiles.tick": "0.5",
            "verification.after_acknowledgement": "0.5",
            **self._settings,
        }
        self.daemon = await deferToThread(Daemon, self.folder / "etc", settings, prepared=True)
        await deferToThread(self.daemon.start)

    async def stop(self) -> None:
        """
        End everything.
        """
        await deferToThread(self.daemon.stop)
        await gatherResults(self._polls, consumeErrors=True)
        for polled in self.devices:
            polled.device.close()
            polled.agent.close()
        if self.ca is not None:
            await deferToThread(self.ca.stop)
        for connection in self.double.connections:
            if not connection.lost:
                connection.transport.abortConnection()
        await self._port.stopListening()
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- what operators do -------------------------------------------------------------------------

    async def add_scepserver(self, name: str = "Test_SCEP") -> SCEPServer:
        """
        Start ``scepserver`` and add it as a CA.
        """
        self.ca = await deferToThread(SCEPServer, self.folder / "ca")
        await deferToThread(self.ca.start)
        await deferToThread(self.daemon.add_ca, name, self.ca.url, CHALLENGE, max_concurrency=1)
        return self.ca

    async def add_embedded(self, name: str = "Test_SCEP") -> None:
        """
        Add the embedded CA by its URL.
        """
        url = f"http://127.0.0.1:{self.daemon.device_port}/mdm/scep/ca"
        await deferToThread(self.daemon.add_ca, name, url, STATIC_CHALLENGE)

    async def add_profile(self, content: bytes | None = None) -> str:
        """
        Upload a profile.
        """
        return await deferToThread(self.daemon.add_profile, content)

    async def enroll(
        self, count: int = 1, make: Callable[[int], Hardware] = some_hardware
    ) -> list[PolledDevice]:
        """
        Enroll devices, Macs unless ``make`` makes others.
        """
        url = await deferToThread(self.daemon.enrollment_url)
        self.enrollment_token = url.partition("token=")[2]
        devices = [
            PolledDevice(number, self.daemon, lambda step, _: self.device_steps.append(step), make)
            for number in range(len(self.devices), len(self.devices) + count)
        ]
        self.devices += devices
        await gatherResults(
            [deferToThread(polled.device.enroll, url) for polled in devices], consumeErrors=True
        )
        return devices

    async def rows(self, profile: str) -> dict[str, dict[str, Any]]:
        """
        What ``scepctl profile status`` tells of each host, by UDID.
        """
        found: dict[str, dict[str, Any]] = {}
        cursor: str | None = ""
        with self.daemon.api() as api:
            while cursor is not None:
                parameters = {"after": cursor} if cursor else {}
                path = f"/profiles/{profile}/status"
                answer = await deferToThread(api.get, path, params=parameters)
                answer.raise_for_status()
                page = answer.json()
                found |= {row["host"]: row for row in page["items"]}
                cursor = page["next"]
        return found

    async def until(
        self,
        profile: str,
        wanted: Callable[[dict[str, Any]], bool],
        *,
        patience: float = _PATIENCE,
        agents: bool = True,
    ) -> dict[str, dict[str, Any]]:
        """
        Wait until every enrolled device's row is as wanted; osquery's agents look meanwhile.

        :raises AssertionError: the time passed before.
        """
        deadline = reactor.seconds() + patience
        while True:
            try:
                rows = await self.rows(profile)
            except httpx.TransportError:
                # Some tests kill the daemon meanwhile.
                rows = {}
            if len(rows) == len(self.devices) and all(map(wanted, rows.values())):
                return rows
            if reactor.seconds() > deadline:
                failures = [polled.failures for polled in self.devices]
                raise AssertionError(f"still {rows}, failures {failures}")
            if agents:
                await gatherResults([polled.look() for polled in self.devices])
            await deferLater(reactor, _LOOK)

    async def until_verified(self, profile: str, *, patience: float = _PATIENCE) -> None:
        """
        Wait until the profile is verified on every device.
        """
        await self.until(profile, lambda row: row["status"] == "verified", patience=patience)

    def restart(self) -> None:
        """
        ``kill -9`` and start again.
        """
        self.daemon.kill()
        self.daemon.start()

    def _pushed(self, request: Request, reply: Reply) -> None:
        if reply.status != 200:
            return
        for polled in self.devices:
            woken = polled.pushed(request.token)
            if woken is not None:
                self._polls.append(woken)
