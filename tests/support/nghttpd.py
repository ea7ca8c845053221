"""
nghttpd, the HTTP/2 server of nghttp2, as a push service that takes everything at once.

It has an empty file for each device, so that each push gets a plain 200: HEADERS, then an empty
DATA frame. Other tokens get 404. It reads the body first, as Apple does, and sends no apns-id.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.support.apns_certificates import PushAuthority
from tests.support.processes import PATIENCE, RunningProgram, free_port, program


class Nghttpd(RunningProgram):
    """
    The server, and the PEM files for its clients.

    :param tokens: of the devices, in hexadecimal. Of more than 2,000 it does not keep all files
        open, which halves its speed.
    :param options: of its command line.
    :param content: of each file, and so of each answer.
    :ivar roots: the file of its CA.
    :ivar certificate: the file of a push certificate with its key.
    """

    def __init__(
        self,
        folder: Path,
        topic: str,
        tokens: Iterable[str],
        options: Sequence[str] = (),
        content: str = "",
    ) -> None:
        devices = folder / "root" / "3" / "device"
        devices.mkdir(parents=True)
        for token in tokens:
            (devices / token).write_text(content)
        authority = PushAuthority()
        server, push = authority.server(), authority.push(topic)
        self.roots, self.certificate = folder / "ca.pem", folder / "push.pem"
        self.roots.write_bytes(authority.certificate)
        self.certificate.write_bytes(push.certificate + push.key)
        pem = folder / "server.pem"
        pem.write_bytes(server.key + server.certificate)
        self.port = free_port()
        where = ["--address", "127.0.0.1", "--htdocs", str(folder / "root"), "--verify-client"]
        argv = [program("nghttpd"), *where, *options, str(self.port), str(pem), str(pem)]
        super().__init__(argv, folder)
        self._wait()

    @property
    def pid(self) -> int:
        """
        Of its process.
        """
        return self.process.pid

    def _wait(self) -> None:
        # It does not say when it listens.
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except ConnectionRefusedError:
                time.sleep(0.02)
            else:
                return
        self.stop()
        raise AssertionError(f"nghttpd does not listen:\n{self.output}")
