"""
Proxies that end TLS in front of scepd, ask for a client certificate, and pass it on in a header.
"""

from __future__ import annotations

import re
import shutil
import socket
import time
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from OpenSSL import SSL
from OpenSSL.crypto import FILETYPE_PEM, dump_certificate
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.ssl import DefaultOpenSSLContextFactory
from twisted.internet.threads import deferToThread
from twisted.web.client import Agent, FileBodyProducer, readBody
from twisted.web.http_headers import Headers
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from tests.support.apns_certificates import PushFiles
from tests.support.processes import PATIENCE, RunningProgram, free_port, program

HEADER = "X-Client-Cert"
_DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "client-certificates.md"
_AROUND = """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{servers}
}}
"""


class MTLSProxy(Protocol):
    """
    A proxy.

    :ivar mdm_port: where it asks for client certificates.
    :ivar port: where it does not.
    """

    mdm_port: int
    port: int

    async def start(self) -> None:
        """
        Listen.
        """

    async def stop(self) -> None:
        """
        End.
        """


def mtls_proxy(folder: Path, files: PushFiles, upstream: int) -> MTLSProxy:
    """
    The nginx of the documentation; where there is none, a forwarder of our own.

    :param files: its certificate and key.
    :param upstream: the port of scepd.
    """
    if shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"):
        return DocumentedNginx(folder, files, upstream)
    return MTLSForwarder(files, upstream)


class DocumentedNginx:
    """
    nginx with the example of ``docs/client-certificates.md``, but for ports, addresses and files.
    """

    def __init__(self, folder: Path, files: PushFiles, upstream: int) -> None:
        self.mdm_port, self.port = free_port(), free_port()
        self._folder = folder
        found = re.search(r"(?s)```nginx\n(.*?)```", _DOCUMENT.read_text())
        assert found is not None
        servers = found[1]
        for old, new in (
            ("listen 8443 ssl", f"listen 127.0.0.1:{self.mdm_port} ssl"),
            ("listen 443 ssl", f"listen 127.0.0.1:{self.port} ssl"),
            ("127.0.0.1:8080", f"127.0.0.1:{upstream}"),
            ("/etc/ssl/mdm.example.com.pem", str(files.paths["server_certificate"])),
            ("/etc/ssl/mdm.example.com.key", str(files.paths["server_key"])),
        ):
            assert old in servers, old
            servers = servers.replace(old, new)
        folder.mkdir(parents=True)
        path = folder / "nginx.conf"
        path.write_text(_AROUND.format(folder=folder, servers=servers))
        self._arguments = ["-e", str(folder / "error.log"), "-p", str(folder), "-c", str(path)]
        self._running: RunningProgram | None = None

    async def start(self) -> None:
        """
        Listen.
        """
        self._running = RunningProgram([program("nginx"), *self._arguments], self._folder)
        await deferToThread(self._wait)

    async def stop(self) -> None:
        """
        End.
        """
        if self._running is not None:
            await deferToThread(self._running.stop)

    def _wait(self) -> None:
        # It does not say when it listens.
        end = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.mdm_port)).close()
                return
            except ConnectionRefusedError:
                assert time.monotonic() < end, "nginx does not listen"
                time.sleep(0.02)


class MTLSForwarder:
    """
    The same in this process, for machines without nginx.
    """

    def __init__(self, files: PushFiles, upstream: int) -> None:
        self.mdm_port = self.port = 0
        self._files = files
        self._upstream = upstream
        self._ports: list[Any] = []

    async def start(self) -> None:
        """
        Listen.
        """
        self.mdm_port, self.port = self._listen(asks=True), self._listen(asks=False)

    async def stop(self) -> None:
        """
        End.
        """
        for port in self._ports:
            await port.stopListening()

    def _listen(self, *, asks: bool) -> int:
        paths = self._files.paths
        tls = DefaultOpenSSLContextFactory(
            str(paths["server_key"]), str(paths["server_certificate"]), SSL.TLS_METHOD
        )
        if asks:
            tls.getContext().set_verify(SSL.VERIFY_PEER, lambda *_: True)
        site = Site(_Forwarding(self._upstream))
        site.noisy = False
        port = reactor.listenSSL(0, site, tls, interface="127.0.0.1")  # type: ignore[attr-defined]
        self._ports.append(port)
        number: int = port.getHost().port
        return number


class _Forwarding(Resource):
    isLeaf = True

    def __init__(self, upstream: int) -> None:
        super().__init__()
        self._upstream = f"http://127.0.0.1:{upstream}".encode()
        self._agent = Agent(reactor)

    def render(self, request: Request) -> int:
        Deferred.fromCoroutine(self._forward(request)).addErrback(
            lambda failure: request.processingFailed(failure)
        )
        return NOT_DONE_YET

    async def _forward(self, request: Request) -> None:
        headers = Headers(dict(request.requestHeaders.getAllRawHeaders()))
        for name in ("host", "content-length", "connection", HEADER):
            headers.removeHeader(name)
        peer = request.channel.transport.getPeerCertificate()  # type: ignore[union-attr]
        if peer is not None:
            pem = dump_certificate(FILETYPE_PEM, peer)
            headers.setRawHeaders(HEADER, [quote(pem, safe="")])
        assert request.content is not None
        answer = await self._agent.request(
            request.method, self._upstream + request.uri, headers, FileBodyProducer(request.content)
        )
        request.setResponseCode(answer.code)
        request.write(await readBody(answer))
        request.finish()
