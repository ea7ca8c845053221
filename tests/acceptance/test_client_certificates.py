"""
Devices that prove who they are by TLS: to the daemon itself, and to a proxy in front of it.
"""

from __future__ import annotations

import json
import plistlib
import shutil
import ssl
import tempfile
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from urllib.parse import quote

import httpx
from cryptography.hazmat.primitives.serialization import Encoding
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from scepd.mdm.client_certificate import rfc9440_header
from scepd.simulator.client_certificate import proving_http
from scepd.simulator.device import SimulatedDevice
from scepd.simulator.failures import NoAnswer
from scepd.simulator.hardware import some_hardware
from scepd.simulator.http import DeviceHTTP
from scepd.simulator.identity import Identity
from tests.support.apns_certificates import PushFiles
from tests.support.daemon import Daemon
from tests.support.mtls_proxy import HEADER, mtls_proxy
from tests.support.pki import party
from tests.support.processes import free_port

_QUESTION = {"RequestType": "DeviceInformation", "Queries": ["OSVersion"]}


class ClientCertificateTests(TestCase):
    """
    The daemon as a process, over real sockets.
    """

    timeout = 240

    async def _prepare(self) -> None:
        """
        Make a daemon that can enroll devices; nothing is pushed, they poll by themselves.
        """
        self.folder = Path(tempfile.mkdtemp(prefix="scepd-mtls-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.files = PushFiles(self.folder / "push")
        self.files.ensure()
        paths = {name: json.dumps(str(path)) for name, path in self.files.paths.items()}
        settings = {
            "ca.key_bits": "2048",
            "apns.certificate_file": paths["push_certificate"],
            "apns.key_file": paths["push_key"],
            "apns.host": '"127.0.0.1"',
            "apns.port": str(free_port()),
            "mdm.sign_message": "false",
            # Nobody takes the pushes, which the end of the daemon waits for.
            "limits.stop_timeout": "1.0",
        }
        self.daemon = await deferToThread(Daemon, self.folder / "etc", settings)
        self.addCleanup(deferToThread, self.daemon.stop)
        self.roots = self.files.paths["ca"]
        self.devices: list[SimulatedDevice] = []
        self.addCleanup(self._close)

    def _close(self) -> None:
        for device in self.devices:
            device.close()

    def _device(self, number: int) -> SimulatedDevice:
        device = SimulatedDevice(
            some_hardware(number),
            DeviceHTTP(verify=self._verify()),
            proves=lambda identity: proving_http(identity, roots=self.roots),
        )
        self.devices.append(device)
        return device

    def _verify(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.roots))

    async def _enroll(self, count: int) -> list[SimulatedDevice]:
        created = await deferToThread(
            self.daemon.ctl, "enroll-token", "create", "--name", "test", "--json"
        )
        url = str(json.loads(created.stdout)["url"])
        devices = [self._device(number) for number in range(count)]
        for device in devices:
            await deferToThread(device.enroll, url)
        return devices

    async def _check_command(self, device: SimulatedDevice) -> None:
        """
        A command reaches the device, and its answer comes back.
        """
        path = self.folder / "question.plist"
        path.write_bytes(plistlib.dumps(_QUESTION))
        udid, ctl = device.hardware.udid, self.daemon.ctl
        await deferToThread(ctl, "command", "send", udid, str(path))
        self.assertEqual(await deferToThread(device.poll), 1)
        shown = await deferToThread(ctl, "host", "show", udid, "--json")
        (command,) = json.loads(shown.stdout)["commands"]
        self.assertEqual(command["status"], "Acknowledged")

    async def _refused(self, call: Callable[[], object]) -> None:
        try:
            await deferToThread(call)
        except NoAnswer as error:
            self.assertEqual(error.number, 400, error)
        else:
            self.fail("it was not refused")

    async def _check_others(self, url: str, device: SimulatedDevice, other: Identity) -> None:
        """
        Without a certificate, with one of somebody else, and with another device's, the message is
        refused.
        """
        body = plistlib.dumps({"Status": "Idle", "UDID": device.hardware.udid})
        stranger = party("CN=stranger")
        nobody = DeviceHTTP(verify=self._verify())
        for http in (
            nobody,
            proving_http(Identity(stranger.key, stranger.certificate), roots=self.roots),
            proving_http(other, roots=self.roots),
        ):
            await self._refused(partial(http.expect, "PUT", url, content=body))
            http.close()

    async def test_own_listener(self) -> None:
        """
        A device that signs nothing enrolls and is commanded over the listener that asks for client
        certificates; there, too, only its own counts, and no more once it is revoked.
        """
        await self._prepare()
        port = free_port()
        paths = self.files.paths
        self.daemon.configure(
            {
                "server.external_url": f'"https://127.0.0.1:{self.daemon.device_port}"',
                "listen.mdm_mtls": f'"tcp:{port}:interface=127.0.0.1"',
                "listen.tls_certificate_file": json.dumps(str(paths["server_certificate"])),
                "listen.tls_key_file": json.dumps(str(paths["server_key"])),
                "mdm.external_url": f'"https://127.0.0.1:{port}"',
            }
        )
        await deferToThread(self.daemon.start)
        device, other = await self._enroll(2)
        await self._check_command(device)
        assert device.identity is not None and other.identity is not None
        url = f"https://127.0.0.1:{port}/mdm/connect"
        await self._check_others(url, device, other.identity)
        serial = f"{device.identity.summary.serial_number:X}"
        await deferToThread(self.daemon.ctl, "certificate", "revoke", serial)
        await self._refused(device.poll)
        self.assertEqual(await deferToThread(other.poll), 0)

    async def test_behind_a_proxy(self) -> None:
        """
        Likewise through a proxy with the documented configuration, which passes certificates on;
        from anybody else the same header is refused, and the log says so.
        """
        await self._prepare()
        proxy = mtls_proxy(self.folder / "nginx", self.files, self.daemon.device_port)
        await proxy.start()
        self.addCleanup(proxy.stop)
        self.daemon.configure(
            {
                "server.external_url": f'"https://127.0.0.1:{proxy.port}"',
                "mdm.external_url": f'"https://127.0.0.1:{proxy.mdm_port}"',
                "mdm.client_certificate_header": json.dumps(HEADER),
                "mdm.trusted_proxies": '["127.0.0.1"]',
            }
        )
        await deferToThread(self.daemon.start)
        device, other = await self._enroll(2)
        await self._check_command(device)
        assert device.identity is not None and other.identity is not None
        await self._check_others(
            f"https://127.0.0.1:{proxy.mdm_port}/mdm/connect", device, other.identity
        )
        await self._check_forgery(device, proxy.port)

    async def _check_forgery(self, device: SimulatedDevice, port: int) -> None:
        """
        Who sends the header themselves is not believed: neither through the server of the proxy
        that asks for no certificate, nor from an address that is not listed.
        """
        assert device.identity is not None
        body = plistlib.dumps({"Status": "Idle", "UDID": device.hardware.udid})
        pem = quote(device.identity.summary.public_bytes(Encoding.PEM), safe="")
        direct = f"http://127.0.0.1:{self.daemon.device_port}/mdm/connect"
        through = f"https://127.0.0.1:{port}/mdm/connect"
        for url, address in ((through, "127.0.0.1"), (direct, "127.0.0.2")):
            for value in (pem, rfc9440_header(device.identity.certificate).decode()):
                status = await deferToThread(self._put, url, address, value, body)
                self.assertEqual(status, 400, (url, address))
        # The log is written at the end of a turn, so that an answer may be here before its line.
        numbers = count(1)
        await deferToThread(
            self.daemon.running_program.wait_for,
            lambda line: '"127.0.0.2"' in line and next(numbers) == 2,
            "second refusal",
        )
        told = [event for event in self.daemon.events() if event.get("address") == "127.0.0.2"]
        self.assertEqual({event["level"] for event in told}, {"error"})
        self.assertEqual(len(told), 2)
        metrics = await deferToThread(httpx.get, f"{self.daemon.admin_url}/metrics")
        self.assertIn("scepd_client_certificates_refused_total 2.0", metrics.text)

    def _put(self, url: str, address: str, value: str, body: bytes) -> int:
        transport = httpx.HTTPTransport(local_address=address, verify=self._verify())
        with httpx.Client(transport=transport, trust_env=False) as client:
            return client.put(url, content=body, headers={HEADER: value}).status_code
