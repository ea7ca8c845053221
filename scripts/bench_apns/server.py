"""
nghttpd as a push service that takes everything at once: what is measured is the client.

It is given an empty file for each token, so that each push gets a plain 200: HEADERS, then an empty
DATA frame. It reads the body first, as Apple does, and sends no apns-id. (nginx's ``return 200``
could send one, but does not wait for the body, and then resets the stream, which libcurl takes for
an error; waiting costs it more CPU time than the clients need. h2o allows 100 streams.)
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable
from pathlib import Path

from tests.support.apns_certificates import PushAuthority
from tests.support.processes import RunningProgram, free_port, program

MOST_STREAMS = 1024


class PushServer:
    """
    The server, and the PEM files for its clients.

    :param tokens: of all devices, in hexadecimal. Of more than 2,000 it does not keep all files
        open, which halves its speed.
    :ivar roots: the file of its CA.
    :ivar certificate: the file of a push certificate with its key.
    """

    def __init__(self, folder: Path, topic: str, tokens: Iterable[str]) -> None:
        devices = folder / "root" / "3" / "device"
        devices.mkdir(parents=True)
        for token in tokens:
            (devices / token).touch()
        authority = PushAuthority()
        server, push = authority.server(), authority.push(topic)
        self.roots, self.certificate = folder / "ca.pem", folder / "push.pem"
        self.roots.write_bytes(authority.certificate)
        self.certificate.write_bytes(push.certificate + push.key)
        pem = folder / "server.pem"
        pem.write_bytes(server.key + server.certificate)
        self.port = free_port()
        options = ["--address", "127.0.0.1", "--htdocs", str(folder / "root")]
        options += ["-m", str(MOST_STREAMS), "-w", "20", "-W", "24", "--verify-client"]
        argv = [program("nghttpd"), *options, str(self.port), str(pem), str(pem)]
        self._running = RunningProgram(argv, folder)
        self._wait()

    @property
    def pid(self) -> int:
        """
        Of its process.
        """
        return self._running.process.pid

    def stop(self) -> None:
        """
        End it.
        """
        self._running.stop()

    def _wait(self) -> None:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except ConnectionRefusedError:
                time.sleep(0.05)
            else:
                return
        self.stop()
        raise RuntimeError(f"nghttpd does not listen:\n{self._running.output}")
