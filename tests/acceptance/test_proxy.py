"""
A real SCEP client gets a certificate from a real CA through the daemon.
"""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from tests.support.forwarder import Forwarder
from tests.support.processes import run_aside
from tests.support.scepserver import CHALLENGE, scepclient_command
from tests.support.stage import stage

_POST_STEPS = ["B17", "B18", "B19", "B20", "B13", "B14", "B15", "B16", "B21", "B22", "B23", "B24"]


class EnrollmentTests(TestCase):
    """
    ``scepclient`` enrolls at the proxy URL; the CA is ``scepserver``, one exchange at a time.
    """

    timeout = 120

    def setUp(self) -> None:
        """
        One CA and one daemon for all of the tests.
        """
        self.stage = stage()
        self.ca, self.daemon = self.stage.ca, self.stage.daemon

    async def _enroll(
        self, host: str, ca_name: str, *, challenge: str = CHALLENGE, path: str | None = None
    ) -> tuple[int, Path]:
        async with self.daemon.stores() as stores:
            delivered = await stores.deliver(host, self.stage.profile, ca_name)
        folder = self.stage.folder / host
        folder.mkdir()
        url = self.stage.url(path or delivered)
        done = await run_aside(
            scepclient_command(url, challenge=challenge, common_name=f"{host} WIFI"), folder
        )
        return done.returncode, folder

    def _assert_issued(self, folder: Path, common_name: str) -> None:
        certificate = x509.load_pem_x509_certificate((folder / "cert.pem").read_bytes())
        key = load_pem_private_key((folder / "key.pem").read_bytes(), None)
        self.assertEqual(certificate.public_key(), key.public_key())
        self.assertEqual(certificate.subject.rfc4514_string(), f"CN={common_name}")
        certificate.verify_directly_issued_by(self.ca.certificate)

    async def test_post(self) -> None:
        """
        By POST: the certificate is the CA's for the client's own key, the exchange is recorded,
        and the log tells the arrows of the sequence in order.
        """
        before = len(self.daemon.steps())
        code, folder = await self._enroll("HOST-POST", "Test_SCEP")
        self.assertEqual(code, 0)
        self._assert_issued(folder, "HOST-POST WIFI")
        async with self.daemon.stores() as stores:
            (exchange,) = await stores.exchanges("HOST-POST")
        self.assertEqual(
            (exchange.message_type, exchange.pki_status, exchange.http_status, exchange.detail),
            ("PKCSReq", "SUCCESS", 200, ""),
        )
        self.assertEqual(self.daemon.steps()[before:], _POST_STEPS)

    async def test_get(self) -> None:
        """
        By GET, with a CA that offers nothing else: the client's base64url reaches the CA as the
        base64 that it wants.
        """
        forwarder = Forwarder(self.ca.url, drop_capabilities=("POSTPKIOperation", "SCEPStandard"))
        await forwarder.start()
        self.addCleanup(forwarder.stop)
        await deferToThread(self.daemon.add_ca, "GET_ONLY", forwarder.url, CHALLENGE)
        code, folder = await self._enroll("HOST-GET", "GET_ONLY")
        self.assertEqual(code, 0)
        self._assert_issued(folder, "HOST-GET WIFI")
        self.assertEqual({method for method, _ in forwarder.requests}, {"GET"})
        self.assertIn("PKIOperation", {operation for _, operation in forwarder.requests})

    async def test_wrong_challenge(self) -> None:
        """
        A wrong challenge is the CA's to refuse: a CertRep FAILURE that the exchange tells of. The
        window stays open for the right one.
        """
        code, _ = await self._enroll("HOST-WRONG", "Test_SCEP", challenge="wrong")
        self.assertNotEqual(code, 0)
        async with self.daemon.stores() as stores:
            (exchange,) = await stores.exchanges("HOST-WRONG")
        self.assertEqual(
            (exchange.pki_status, exchange.fail_info, exchange.http_status),
            ("FAILURE", "badRequest", 200),
        )
        self.assertIn("badRequest", exchange.detail)
        again = self.stage.folder / "again"
        again.mkdir()
        url = self.stage.url(f"/mdm/scep/proxy/HOST-WRONG,{self.stage.profile},Test_SCEP")
        done = await run_aside(scepclient_command(url), again)
        self.assertEqual(done.returncode, 0, done.stderr)

    async def test_second_enrollment_needs_a_delivery(self) -> None:
        """
        After a success the window admits only the same key and transaction; a new key is refused
        until the next delivery.
        """
        code, _ = await self._enroll("HOST-TWICE", "Test_SCEP")
        self.assertEqual(code, 0)
        other = self.stage.folder / "HOST-TWICE-2"
        other.mkdir()
        url = self.stage.url(f"/mdm/scep/proxy/HOST-TWICE%2C{self.stage.profile}%2CTest_SCEP")
        done = await run_aside(scepclient_command(url), other)
        self.assertNotEqual(done.returncode, 0)
        async with self.daemon.stores() as stores:
            refused, granted = await stores.exchanges("HOST-TWICE")
            await stores.open_window("HOST-TWICE", self.stage.profile, "Test_SCEP")
        self.assertEqual((granted.http_status, refused.http_status), (200, 403))
        self.assertEqual(refused.detail, "enrollment window is closed")
        done = await run_aside(scepclient_command(url, common_name="third"), other)
        self.assertEqual(done.returncode, 0, done.stderr)
