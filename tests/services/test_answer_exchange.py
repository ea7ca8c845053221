"""
Tests for questions that a kept answer will do for.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import UpstreamError, UpstreamFault
from scepd.services.answer_exchange import AnswerExchange
from scepd.services.operation import Operation
from scepd.services.proxying import ProxyRequest
from tests.support.proxy import SUBJECT, ProxyWorld
from tests.support.proxy_fakes import FakeDevice

_CAPS, _CERT = Operation.GET_CA_CAPS, Operation.GET_CA_CERT
_DOWN = UpstreamError(UpstreamFault.REFUSED, "ca.example refused the connection")


class AnswerExchangeTests(SynchronousTestCase):
    """
    Tests for who is answered, from where, and what is told of it.
    """

    def setUp(self) -> None:
        """
        A certificate authority that answers.
        """
        self.world = ProxyWorld()
        self.world.will_answer("GetCACaps", b"SHA-256\n")

    def ask(self, operation: Operation = _CAPS) -> FakeDevice:
        """
        A device asks.
        """
        device = FakeDevice()
        AnswerExchange(self.world.proxy, ProxyRequest(SUBJECT, operation, None), device).begin()
        return device

    def test_from_the_cache(self) -> None:
        """
        The second device is answered at once: no database, no certificate authority.
        """
        self.ask()
        self.world.enrollments.failing.add("is_assigned")
        device = self.ask()
        self.assertEqual((device.body, device.heard), (b"SHA-256\n", ["begin", "end"]))
        self.assertEqual(len(self.world.upstream.fetched), 1)
        self.assertEqual(self.world.requests_counted("GetCACaps", "ok"), 2)

    def test_arrows(self) -> None:
        """
        Each of the four arrows is told, and those that no message took are told as such.
        """
        for expected in ([None] * 4, [None, True, True, None]):
            with capturedLogs() as events:
                self.ask()
            steps = [event["step"] for event in events]
            self.assertEqual(steps, ["B13", "B14", "B15", "B16"])
            self.assertEqual([event.get("cached") for event in events], expected)

    def test_not_assigned(self) -> None:
        """
        Who is not assigned gets nothing, kept or not.
        """
        self.ask()
        self.world.clock.advance(31)
        self.world.enrollments.assigned.clear()
        self.assertEqual(self.ask().heard, ["not-found"])

    def test_failure(self) -> None:
        """
        A certificate authority that fails before its device asks for a certificate is recorded: the
        device's error then has a reason.
        """
        self.world.will_answer("GetCACert", _DOWN)
        self.assertEqual(self.ask(_CERT).heard, ["upstream"])
        [(exchange, redeliver)] = self.world.enrollments.refused
        self.assertEqual(exchange.detail, "GetCACert: ca.example refused the connection")
        self.assertEqual((exchange.failure, redeliver), ("refused", False))

    def test_until_idle(self) -> None:
        """
        A stop waits for a question that is under way.
        """
        asked: Deferred[tuple[bytes, bytes]] = Deferred()
        self.world.will_answer("GetCACaps", asked)
        device = self.ask()
        idle = Deferred.fromCoroutine(self.world.proxy.wait_until_idle())
        self.assertNoResult(idle)
        asked.callback((b"", b"AES\n"))
        self.successResultOf(idle)
        self.assertEqual(device.body, b"AES\n")

    def test_fault(self) -> None:
        """
        A fault of scepd is told to the device without its words, and ends the exchange.
        """
        self.world.will_answer("GetCACaps", _raising())
        self.assertEqual(self.ask().heard, ["upstream"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.successResultOf(Deferred.fromCoroutine(self.world.proxy.wait_until_idle()))


def _raising() -> Deferred[tuple[bytes, bytes]]:
    failing: Deferred[tuple[bytes, bytes]] = Deferred()
    failing.errback(ZeroDivisionError())
    return failing
