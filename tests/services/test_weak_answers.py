"""
Tests for the warning about answers in single DES.
"""

from __future__ import annotations

from dataclasses import replace

from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from scepd.model import EMBEDDED_CA, Admission, CertificateAuthority, Reservation
from scepd.services.proxied_exchange import ProxiedExchange
from scepd.services.proxying import Operation, ProxyRequest
from tests.support.pki import (
    openssl_encrypt,
    printable,
    scep_attributes,
    scep_message,
)
from tests.support.proxy import SUBJECT, WINDOW, ProxyWorld, make_ca
from tests.support.proxy_fakes import FakeDevice
from tests.support.scep_messages import authority, device, pkcs_req


def success(cipher: str, text: bytes = b"degenerate") -> bytes:
    """
    An answer whose envelope OpenSSL made with that cipher.
    """
    attributes = scep_attributes(
        message_type=printable("3"),
        transaction_id=printable("transaction-1"),
        pki_status=printable("0"),
    )
    options = ("-provider", "default", "-provider", "legacy", f"-{cipher}")
    return scep_message(authority(), attributes, openssl_encrypt(device(), text, *options))


class WeakAnswersTests(SynchronousTestCase):
    """
    Tests through whole exchanges.
    """

    def warnings(self, ca: CertificateAuthority, *answers: bytes) -> int:
        """
        How often single DES is warned of while a certificate authority answers so.
        """
        world = ProxyWorld(ca)
        world.authorities.by_name = {"CORP": ca}
        with capturedLogs() as events:
            for answer in answers:
                world.enrollments.reservations = [Reservation(Admission.ADMITTED, WINDOW)]
                request = ProxyRequest(SUBJECT, Operation.PKI_OPERATION, None)
                exchange = ProxiedExchange(world.proxy, request, FakeDevice())
                exchange.begin()
                exchange.transfer.request_received(pkcs_req())
                exchange.transfer.request_finished()
                world.answer(answer)
                self.assertEqual(world.enrollments.settled[-1][0].detail, "")
        return sum("single DES" in event["log_format"] for event in events if "log_format" in event)

    def test_single_des(self) -> None:
        """
        It is warned of once, and goes on; it is not where it is allowed.
        """
        answer = success("des-cbc")
        self.assertEqual(self.warnings(make_ca(), answer, answer), 1)
        allowed = replace(make_ca(), allow_single_des=True)
        self.assertEqual(self.warnings(allowed, answer), 0)

    def test_others(self) -> None:
        """
        Other ciphers are fine, and so is what only holds the same octets, and what the built-in
        certificate authority uses.
        """
        octets = b"\x06\x05\x2b\x0e\x03\x02\x07".ljust(13, b"x")
        looks_so = success("aes-128-cbc").replace(b"transaction-1", octets)
        self.assertEqual(self.warnings(make_ca(), success("aes-128-cbc"), success("des3")), 0)
        self.assertEqual(self.warnings(make_ca(), success("des-cbc", bytes(9000))), 0)
        world = ProxyWorld()
        with capturedLogs() as events:
            world.proxy.weak_answers.look(make_ca(), looks_so)
            world.proxy.weak_answers.look(make_ca(), looks_so[:-1])
            built_in = replace(make_ca(), name=EMBEDDED_CA)
            world.proxy.weak_answers.look(built_in, success("des-cbc"))
        self.assertEqual(events, [])

    def test_each(self) -> None:
        """
        Each certificate authority is told of for itself.
        """
        world = ProxyWorld()
        with capturedLogs() as events:
            for name in ("A", "B", "A"):
                world.proxy.weak_answers.look(replace(make_ca(), name=name), success("des-cbc"))
        self.assertEqual([event["ca"] for event in events], ["A", "B"])
