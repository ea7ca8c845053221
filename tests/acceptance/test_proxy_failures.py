"""
What a device is answered, and what is recorded, when an exchange can't go well.
"""

from __future__ import annotations

from pathlib import Path

import httpx
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from scepd.model import EMBEDDED_CA, SCEPExchange
from scepd.pki.signed_data import parse_signed_data
from scepd.pki.verifying import verify_signed_data
from tests.support.pki import party, pkcs_req
from tests.support.scepserver import CHALLENGE, SCEPServer
from tests.support.stage import stage
from tests.support.wire import CERT_REP_HEAD, WireCA, connect_device, post_head


def _request() -> bytes:
    """
    A PKCSReq whose signature is right; what its envelope holds is the CA's business.
    """
    return pkcs_req(party(), b"sealed")


class FailureTests(TestCase):
    """
    The failures told apart: 400, 403, 404, 502, 503, 504, and a connection that is ended.
    """

    timeout = 120

    def setUp(self) -> None:
        """
        A daemon that waits two seconds for a CA.
        """
        self.stage = stage(scep_proxy__exchange_timeout="2.0")
        self.daemon = self.stage.daemon

    async def _wire_ca(self, name: str) -> WireCA:
        ca = WireCA(self.stage.ca.certificate_der)
        await ca.start()
        self.addCleanup(ca.stop)
        await deferToThread(self.daemon.add_ca, name, ca.url, CHALLENGE)
        return ca

    async def _delivered(
        self, host: str, ca_name: str = "Test_SCEP", *, window: bool = True
    ) -> str:
        async with self.daemon.stores() as stores:
            return await stores.deliver(host, self.stage.profile, ca_name, window=window)

    async def _post(self, path: str, body: bytes = b"") -> httpx.Response:
        url = self.stage.url(f"{path}?operation=PKIOperation")
        return await deferToThread(
            lambda: httpx.post(url, content=body, timeout=20, trust_env=False)
        )

    async def _last_exchange(self, host: str) -> SCEPExchange:
        async with self.daemon.stores() as stores:
            return (await stores.exchanges(host))[0]

    async def test_wrong_url(self) -> None:
        """
        A path that names nothing possible gets 400, an unknown assignment 404; nothing is recorded.
        """
        bad = await self._post("/mdm/scep/proxy/only-one-part")
        self.assertEqual((bad.status_code, bad.text), (400, "invalid identifier in URL path\n"))
        unknown = await self._post("/mdm/scep/proxy/NOBODY%2Cnothing%2CTest_SCEP")
        self.assertEqual(
            (unknown.status_code, unknown.text), (404, "unknown identifier in URL path\n")
        )
        async with self.daemon.stores() as stores:
            self.assertEqual(await stores.exchanges("NOBODY"), [])

    async def test_no_window(self) -> None:
        """
        An assignment without a window may ask for capabilities, but gets 403 for a PKIOperation; it
        is recorded and the assignment is due again.
        """
        path = await self._delivered("HOST-NO-WINDOW", window=False)
        url = self.stage.url(f"{path}?operation=GetCACaps")
        capabilities = await deferToThread(lambda: httpx.get(url, timeout=20, trust_env=False))
        self.assertEqual(capabilities.status_code, 200)
        self.assertIn("POSTPKIOperation", capabilities.text)
        refused = await self._post(path, b"0")
        self.assertEqual(
            (refused.status_code, refused.text), (403, "enrollment window is closed\n")
        )
        exchange = await self._last_exchange("HOST-NO-WINDOW")
        self.assertEqual(
            (exchange.http_status, exchange.detail), (403, "enrollment window is closed")
        )
        async with self.daemon.stores() as stores:
            due = await stores.assignments.assignment("HOST-NO-WINDOW", self.stage.profile)
        assert due is not None
        self.assertIsNotNone(due.due_at)

    async def test_stopped_ca(self) -> None:
        """
        A CA that does not run: 502, and the record names the refused connection.
        """
        ca = await deferToThread(self._make_ca, self.stage.folder / "stopped")
        await deferToThread(self.daemon.add_ca, "STOPPED", ca.url, CHALLENGE)
        await deferToThread(ca.stop)
        path = await self._delivered("HOST-STOPPED", "STOPPED")
        # In one write, as the refusal may be faster than a body that comes by itself.
        device = await connect_device(self.daemon.device_port)
        device.transport.write(post_head(path, len(_request())) + _request())
        await device.until_received(b"the certificate authority refused the connection\n")
        self.assertTrue(device.received.startswith(b"HTTP/1.1 502 "))
        device.transport.loseConnection()
        await device.until_lost()
        exchange = await self._last_exchange("HOST-STOPPED")
        self.assertEqual(
            (exchange.http_status, exchange.pki_status, exchange.message_type),
            (502, None, "PKCSReq"),
        )
        self.assertEqual(exchange.detail, "127.0.0.1 refused the connection")
        # Nothing reached the CA, so the window is open for the next try, and BUSY or CLOSED is not
        # what it is told.
        again = await self._post(path, _request())
        self.assertEqual(again.status_code, 502)

    async def test_silent_ca(self) -> None:
        """
        A CA that takes the request and never answers: 504 after the deadline.
        """
        await self._wire_ca("SILENT")
        path = await self._delivered("HOST-SILENT", "SILENT")
        answer = await self._post(path, _request())
        self.assertEqual(
            (answer.status_code, answer.text),
            (504, "the certificate authority did not answer in time\n"),
        )
        exchange = await self._last_exchange("HOST-SILENT")
        self.assertEqual(exchange.http_status, 504)
        self.assertIn("while waiting for the answer", exchange.detail)

    async def test_ca_dies_in_mid_answer(self) -> None:
        """
        A CA that dies in the middle of its answer ends the device's connection: nobody takes half a
        certificate for a whole one.
        """
        ca = await self._wire_ca("DYING")
        path = await self._delivered("HOST-DYING", "DYING")
        message = _request()
        device = await connect_device(self.daemon.device_port)
        device.transport.write(post_head(path, len(message)) + message)
        await ca.until_operations(1)
        wire = ca.operations[0]
        await wire.until(lambda: bytes(wire.received).endswith(message))
        wire.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4096\r\n\r\n")
        wire.transport.write(CERT_REP_HEAD + bytes(1000))
        await device.until_received(CERT_REP_HEAD)
        wire.transport.abortConnection()
        await device.until_lost()
        self.assertIn(b"Content-Length: 4096", device.received)
        self.assertLess(len(device.received), 4096)
        exchange = await self._last_exchange("HOST-DYING")
        self.assertEqual((exchange.http_status, exchange.pki_status), (502, None))
        self.assertIn("in the middle of its answer", exchange.detail)

    async def test_error_of_the_ca(self) -> None:
        """
        A CA's HTTP error becomes 502; its body, which may tell of its insides, is not passed on.
        """
        ca = await self._wire_ca("ERRING")
        path = await self._delivered("HOST-ERRING", "ERRING")
        answer = Deferred.fromCoroutine(self._post(path, _request()))
        await ca.until_operations(1)
        ca.operations[0].transport.write(b"HTTP/1.1 500 Oops\r\nContent-Length: 6\r\n\r\nSECRET")
        response = await answer
        self.assertEqual(
            (response.status_code, response.text),
            (502, "the certificate authority answered with an error\n"),
        )
        exchange = await self._last_exchange("HOST-ERRING")
        self.assertEqual(exchange.detail, "127.0.0.1 answered PKIOperation with HTTP status 500")

    async def test_removed_ca(self) -> None:
        """
        A CA that was removed by force: 503, and the assignment tells why.
        """
        ca = await self._wire_ca("REMOVED")
        path = await self._delivered("HOST-REMOVED", "REMOVED")
        await deferToThread(self.daemon.ctl, "ca", "delete", "REMOVED", "--force")
        answer = await self._post(path, _request())
        self.assertEqual(
            (answer.status_code, answer.text),
            (503, "certificate authority is not configured\n"),
        )
        async with self.daemon.stores() as stores:
            row = await stores.assignments.assignment("HOST-REMOVED", self.stage.profile)
        assert row is not None
        self.assertEqual(row.detail, "the certificate authority REMOVED does not exist any more")
        self.assertEqual(ca.operations, [])

    def _make_ca(self, folder: Path) -> SCEPServer:
        ca = SCEPServer(folder)
        ca.start()
        return ca

    async def test_embedded_ca(self) -> None:
        """
        scepd's own certificate authority refuses a bad message as any other would, and hands out
        its next certificate once there is one.
        """
        path = await self._delivered("HOST-OWN", EMBEDDED_CA)
        answer = await self._post(path, b"nonsense")
        self.assertEqual(answer.status_code, 502)
        async with self.daemon.stores() as stores:
            (exchange,) = await stores.exchanges("HOST-OWN")
        self.assertEqual((exchange.failure, exchange.message_type), ("rejected", None))
        self.assertIn("EMBEDDED_CA refused the request: ", exchange.detail)
        self.assertEqual((await self._next_certificate(path)).status_code, 502)
        await deferToThread(self.daemon.ctl, "ca", "rollover", "--plan")
        self.addCleanup(deferToThread, self.daemon.ctl, "ca", "rollover", "--cancel")
        answer = await self._next_certificate(path)
        self.assertEqual(answer.status_code, 200)
        self.assertEqual(answer.headers["Content-Type"], "application/x-x509-next-ca-cert")
        signed = verify_signed_data(parse_signed_data(answer.content))
        own = await deferToThread(self._own_certificate)
        self.assertEqual(signed.identity.der, own)

    async def _next_certificate(self, path: str) -> httpx.Response:
        url = self.stage.url(f"{path}?operation=GetNextCACert")
        return await deferToThread(lambda: httpx.get(url, timeout=20, trust_env=False))

    def _own_certificate(self) -> bytes:
        url = self.stage.url("/mdm/scep/ca?operation=GetCACert")
        return httpx.get(url, timeout=20, trust_env=False).content
