"""
Debian's ``scepserver`` and ``scepclient`` (micromdm), as a CA and as a device.
"""

from __future__ import annotations

import socket
import time
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.support.processes import PATIENCE, RunningProgram, free_port, program, run, tool

CHALLENGE = "correct-horse-battery-staple"


class SCEPServer:
    """
    A CA of its own folder and port; without ``-allowrenew 0`` it refuses second certificates.

    :param verifier: the configuration of ``scepd-verify-csr``, which decides about requests in
        place of the static challenge.
    """

    def __init__(self, folder: Path, verifier: Path | None = None) -> None:
        self.folder = folder
        self._verifier = verifier
        self._path = program("scepserver")
        folder.mkdir(parents=True)
        made = run([self._path, "ca", "-init", "-depot", "depot", "-keySize", "2048"], folder)
        assert made.returncode == 0, made.stderr
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/scep"
        self._running: RunningProgram | None = None

    @property
    def certificate(self) -> x509.Certificate:
        """
        The CA's own certificate.
        """
        return x509.load_pem_x509_certificate((self.folder / "depot" / "ca.pem").read_bytes())

    @property
    def certificate_der(self) -> bytes:
        """
        The same in DER.
        """
        return self.certificate.public_bytes(Encoding.DER)

    def start(self) -> None:
        """
        Start it and wait until it listens.
        """
        argv = [self._path, "-depot", "depot", "-port", str(self.port)]
        argv += ["-allowrenew", "0"]
        environment = {}
        if self._verifier is None:
            argv += ["-challenge", CHALLENGE]
        else:
            argv += ["-csrverifierexec", tool("scepd-verify-csr")]
            environment = {"SCEPD_VERIFY_CONFIG": str(self._verifier)}
        self._running = RunningProgram(argv, self.folder, environment)
        self._running.wait_for(lambda line: "msg=listening" in line, "sign of scepserver")
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except ConnectionRefusedError:
                # The line above is printed just before it listens.
                continue
        raise AssertionError("scepserver does not listen")

    def stop(self) -> None:
        """
        End it, if it runs.
        """
        if self._running is not None:
            self._running.kill()
            self._running = None


def scepclient_command(
    url: str, *, challenge: str = CHALLENGE, common_name: str = "device"
) -> list[str]:
    """
    The command that enrolls at ``url`` and leaves ``key.pem`` and ``cert.pem`` in its folder.
    """
    return [
        program("scepclient"),
        "-server-url",
        url,
        "-challenge",
        challenge,
        "-private-key",
        "key.pem",
        "-certificate",
        "cert.pem",
        "-cn",
        common_name,
        "-country",
        "",
        "-organization",
        "",
        "-ou",
        "",
    ]
