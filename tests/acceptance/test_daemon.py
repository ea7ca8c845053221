"""
The daemon as a process: its stop, its reload, its TLS.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import ssl
import tempfile
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from tests.support.daemon import Daemon
from tests.support.scepserver import CHALLENGE, SCEPServer
from tests.support.wire import CERT_REP_HEAD, WireCA, connect_device, post_head


def _write_certificate(folder: Path, name: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 1)
    builder = builder.not_valid_before(now - timedelta(hours=1))
    builder = builder.not_valid_after(now + timedelta(days=1))
    address = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
    certificate = builder.add_extension(address, critical=False).sign(key, hashes.SHA256())
    (folder / "tls.crt").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / "tls.key").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )


def _served(port: int, root: Path) -> tuple[str, str | None]:
    """
    The common name of the certificate at a port, and the protocol that ALPN chose.
    """
    context = ssl.create_default_context(cafile=str(root))
    context.set_alpn_protocols(["h2", "http/1.1"])
    with httpx.Client(verify=context, trust_env=False) as client:
        answer = client.get(f"https://127.0.0.1:{port}/")
        assert answer.status_code == 404
        stream = answer.extensions["network_stream"]
        tls = stream.get_extra_info("ssl_object")
        names = dict(part[0] for part in tls.getpeercert()["subject"])
        return str(names["commonName"]), tls.selected_alpn_protocol()


class DaemonTests(TestCase):
    """
    One daemon a test, in a folder of its own.
    """

    timeout = 120

    def setUp(self) -> None:
        """
        A folder.
        """
        self.folder = Path(tempfile.mkdtemp(prefix="scepd-daemon-"))
        self.addCleanup(shutil.rmtree, self.folder)

    async def _daemon(self, settings: dict[str, str] | None = None) -> Daemon:
        daemon = await deferToThread(Daemon, self.folder / "etc", settings)
        self.addCleanup(deferToThread, daemon.stop)
        return daemon

    async def test_stop_waits(self) -> None:
        """
        SIGTERM lets a running exchange end: the device has its whole answer. Then the process ends
        as twistd does: by that signal.
        """
        daemon = await self._daemon()
        await deferToThread(daemon.start)
        server = await deferToThread(SCEPServer, self.folder / "ca")
        ca = WireCA(server.certificate_der)
        await ca.start()
        self.addCleanup(ca.stop)
        await deferToThread(daemon.add_ca, "SLOW", ca.url, CHALLENGE)
        content = daemon_profile("SLOW")
        profile = await deferToThread(daemon.add_profile, content)
        async with daemon.stores() as stores:
            path = await stores.deliver("HOST", profile, "SLOW")
        device = await connect_device(daemon.device_port)
        device.transport.write(post_head(path, 4) + b"body")
        await ca.until_operations(1)
        wire = ca.operations[0]
        await wire.until(lambda: wire.received.endswith(b"body"))
        running = daemon.running_program
        running.process.send_signal(signal.SIGTERM)
        await deferToThread(running.wait_for, lambda line: "Stopping" in line, "stop")
        wire.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n")
        wire.transport.write(CERT_REP_HEAD.ljust(64, b"."))
        await device.until(lambda: len(device.received.partition(b"\r\n\r\n")[2]) == 64)
        device.transport.loseConnection()
        await device.until_lost()
        self.assertEqual(await deferToThread(running.process.wait, 30), -signal.SIGTERM)
        await deferToThread(daemon.stop)
        self.assertIn("Stopped", daemon.outputs[-1])

    async def test_tls_reload(self) -> None:
        """
        With a certificate the device listener speaks TLS, HTTP/1.1 only; SIGHUP serves a new one to
        new connections; one that can't be read leaves the old.
        """
        daemon = await self._daemon(
            {
                "listen.tls_certificate_file": '"tls.crt"',
                "listen.tls_key_file": '"tls.key"',
            }
        )
        _write_certificate(daemon.folder, "first")
        await deferToThread(daemon.start)
        root = daemon.folder / "tls.crt"
        port = daemon.device_port
        self.assertEqual(await deferToThread(_served, port, root), ("first", "http/1.1"))
        shutil.copy(root, self.folder / "first.crt")
        root.write_text("junk")
        await self._hang_up(daemon, "Not reloaded")
        first = self.folder / "first.crt"
        self.assertEqual((await deferToThread(_served, port, first))[0], "first")
        _write_certificate(daemon.folder, "second")
        await self._hang_up(daemon, "Reloaded")
        self.assertEqual((await deferToThread(_served, port, root))[0], "second")

    async def test_start_refused(self) -> None:
        """
        What keeps the daemon from starting is one sentence on the terminal, and status 1.
        """
        daemon = await self._daemon()
        os.chmod(daemon.folder / "keyring", 0o644)
        with self.assertRaises(AssertionError) as caught:
            await deferToThread(daemon.start)
        self.assertIn("readable by others", str(caught.exception))
        self.assertEqual(daemon.running_program.process.wait(10), 1)

    async def test_health(self) -> None:
        """
        ``/healthz``, ``/readyz`` and ``/metrics``; without a push certificate it is degraded.
        """
        daemon = await self._daemon()
        await deferToThread(daemon.start)

        def get(path: str) -> httpx.Response:
            """
            Ask the admin listener.
            """
            return httpx.get(f"{daemon.admin_url}{path}", timeout=20, trust_env=False)

        self.assertEqual((await deferToThread(get, "/healthz")).text, "alive\n")
        ready = await deferToThread(get, "/readyz")
        self.assertEqual(ready.status_code, 200)
        told = json.loads(ready.text)
        self.assertEqual(told["status"], "degraded")
        self.assertIn("[apns]", told["parts"]["apns"])
        self.assertIn("scepd_database_units_total", (await deferToThread(get, "/metrics")).text)

    async def _hang_up(self, daemon: Daemon, wanted: str) -> None:
        running = daemon.running_program
        running.process.send_signal(signal.SIGHUP)
        await deferToThread(running.wait_for, lambda line: wanted in line, wanted)


def daemon_profile(ca_name: str) -> bytes:
    """
    The sample profile for another CA.
    """
    sample = Path(__file__).parent.parent / "data" / "scep-profile.mobileconfig"
    return sample.read_bytes().replace(b"Test_SCEP", ca_name.encode())
