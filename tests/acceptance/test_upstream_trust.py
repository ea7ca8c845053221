"""
A CA that is to be reached through an outgoing proxy only, over TLS, with a client certificate; and
which headers pass.
"""

from __future__ import annotations

import json
from typing import Any

import httpx
from cryptography.hazmat.primitives.hashes import SHA256
from OpenSSL.crypto import X509
from pydantic import JsonValue
from twisted.internet import reactor
from twisted.internet.endpoints import SSL4ServerEndpoint, TCP4ServerEndpoint
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase
from twisted.web.server import Request, Site

from tests.network.certificates import certificate, key_pem, pem, server_options
from tests.support.http_proxy import HTTPProxy
from tests.support.scepserver import CHALLENGE
from tests.support.stage import stage
from tests.support.stub_ca import StubCA

# The name has no address: only the proxy knows the way.
URL = "https://ca.invalid/scep"

HOP_BY_HOP = (b"keep-alive", b"proxy-authenticate", b"set-cookie", b"x-powered-by")
OF_DEVICES = {
    "Cookie": "a=b",
    "X-Client-Cert": "MII",
    "X-SSL-Client-Cert": "MII",
    "Authorization": "Basic YTpi",
    "Proxy-Authorization": "Basic YTpi",
    "X-Forwarded-For": "192.0.2.1",
    "TE": "trailers",
    "Keep-Alive": "timeout=5",
}


class CookieCA(StubCA):
    """
    A CA that sets cookies, asks for more connections to stay, and keeps the headers it got.
    """

    def __init__(self, certificate: bytes) -> None:
        super().__init__(certificate, b"")
        self.headers: list[set[bytes]] = []

    def render(self, request: Request) -> bytes:
        """
        Keep the names of the headers, and answer with some that are not for devices.
        """
        self.headers.append({name.lower() for name, _ in request.requestHeaders.getAllRawHeaders()})
        # Nothing is to be left open when a test ends.
        request.channel.persistent = False
        for name in HOP_BY_HOP:
            request.setHeader(name, b"x")
        return super().render(request)


class TrustTests(TestCase):
    """
    Adding, changing and checking it, and a device behind it.
    """

    timeout = 120

    async def setUp(self) -> None:  # type: ignore[override]
        """
        A daemon, a CA that wants a client certificate, and a proxy on the way.
        """
        self.stage = stage()
        self.daemon = self.stage.daemon
        self.shown = certificate("ca.invalid")
        site: Any = Site(StubCA(self.stage.ca.certificate_der, b""))
        site.noisy = False
        root = X509.from_cryptography(certificate())
        tls = server_options(self.shown, verify=True, caCerts=[root])
        endpoint = SSL4ServerEndpoint(reactor, 0, tls, interface="127.0.0.1")
        listening = await endpoint.listen(site)
        self.addCleanup(listening.stopListening)
        self.proxy = HTTPProxy(listening.getHost().port)
        await self.proxy.start()
        self.addCleanup(self.proxy.stop)

    async def ask(
        self, method: str, path: str, settings: dict[str, JsonValue] | None = None
    ) -> httpx.Response:
        """
        Ask the admin API.
        """
        with self.daemon.api() as api:
            url = f"/certificate_authorities{path}"
            return await deferToThread(api.request, method, url, json=settings)

    async def test_way(self) -> None:
        """
        Each thing that is missing is told; with all of them the CA is added, pinned, checked and
        reached for a device, and its challenge can't be sent elsewhere.
        """
        new: dict[str, JsonValue] = {"name": "MUTUAL", "url": URL, "challenge": CHALLENGE}
        new["outgoing_proxy"] = self.proxy.url
        said = (await self.ask("POST", "", new)).json()["detail"]
        self.assertIn("a root that is not trusted", said)
        new["trusted_certificates"] = pem(certificate())
        said = (await self.ask("POST", "", new)).json()["detail"]
        self.assertIn("it wants a client certificate", said)
        new |= {"client_certificate": pem(certificate("scepd")), "client_key": key_pem().decode()}
        self.proxy.refusal = b"HTTP/1.1 407 Proxy Authentication Required"
        said = (await self.ask("POST", "", new)).json()["detail"]
        self.assertIn("wants credentials (HTTP status 407)", said)
        self.proxy.refusal = None
        self.assertEqual((await self.ask("POST", "", new)).status_code, 201)
        self.assertEqual(set(self.proxy.asked), {b"ca.invalid:443"})

        wrong = await self.ask("PATCH", "/MUTUAL", {"pinned_sha256": "ab" * 32})
        fingerprint = self.shown.fingerprint(SHA256())
        self.assertIn(f"{fingerprint.hex()}, pinned is {'ab' * 32}", wrong.json()["detail"])
        await deferToThread(
            self.daemon.ctl,
            *("ca", "change", "MUTUAL", "--no-trusted-certificates"),
            *("--pinned-sha256", fingerprint.hex(":").upper()),
        )
        elsewhere = await self.ask("PATCH", "/MUTUAL", {"url": self.stage.ca.url})
        self.assertEqual(elsewhere.json()["errors"][0]["field"], "challenge")

        settings = (await self.ask("GET", "/MUTUAL")).json()
        self.assertEqual((settings["url"], settings["client_key"]), (URL, "********"))
        self.assertEqual(settings["pinned_sha256"], fingerprint.hex())
        self.assertIsNone(settings["trusted_certificates"])
        self.assertEqual((await self.ask("POST", "/MUTUAL/check")).status_code, 200)
        await self.assert_reached()
        self.assert_nothing_leaked()

    async def test_headers(self) -> None:
        """
        Cookies, credentials, client certificates and hop-by-hop headers pass in neither direction.
        """
        ca = CookieCA(self.stage.ca.certificate_der)
        site: Any = Site(ca)
        site.noisy = False
        listening = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(site)
        self.addCleanup(listening.stopListening)
        url = f"http://127.0.0.1:{listening.getHost().port}/scep"
        new: dict[str, JsonValue] = {"name": "COOKIES", "url": url, "challenge": CHALLENGE}
        added = await self.ask("POST", "", new)
        self.assertEqual(added.status_code, 201)
        async with self.daemon.stores() as stores:
            path = await stores.deliver("TRUST-2", self.stage.profile, "COOKIES", window=True)
        for operation in ("GetCACert", "GetCACaps"):
            device = self.stage.url(f"{path}?operation={operation}")
            answer = await deferToThread(
                lambda url: httpx.get(url, headers=OF_DEVICES, timeout=20, trust_env=False), device
            )
            self.assertEqual(answer.status_code, 200)
            self.assertEqual({*answer.headers} & {name.decode() for name in HOP_BY_HOP}, set())
        self.assertGreaterEqual(len(ca.headers), 2)
        for headers in ca.headers:
            self.assertEqual(headers, {b"host", b"user-agent", b"accept"})

    async def assert_reached(self) -> None:
        """
        A device gets the CA's certificate.
        """
        async with self.daemon.stores() as stores:
            path = await stores.deliver("TRUST-1", self.stage.profile, "MUTUAL", window=True)
        url = self.stage.url(f"{path}?operation=GetCACert")
        answer = await deferToThread(lambda: httpx.get(url, timeout=20, trust_env=False))
        self.assertEqual((answer.status_code, answer.content), (200, self.stage.ca.certificate_der))

    def assert_nothing_leaked(self) -> None:
        """
        Neither challenge nor key is in what the daemon and scepctl wrote, nor in clear in the
        database.
        """
        secret = key_pem().decode().splitlines()[1]
        for text in (*self.daemon.outputs, json.dumps(self.daemon.events())):
            self.assertNotIn(secret, text)
            self.assertNotIn(CHALLENGE, text)
        for file in self.daemon.folder.rglob("*.db*"):
            self.assertNotIn(secret.encode(), file.read_bytes())
