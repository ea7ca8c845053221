"""
Tests for the least speed of requests.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import UpstreamError, UpstreamFault
from scepd.model import WindowOutcome
from scepd.web.speed_floor import SpeedFloor
from tests.support.http_device import PATH, DeviceEnd
from tests.support.proxy import ProxyWorld
from tests.support.scep_messages import cert_rep
from tests.support.scep_proxy_case import SCEPProxyTestCase

_POST = b"POST %b?operation=PKIOperation HTTP/1.1\r\nContent-Length: %d\r\n\r\n"

_TOO_LONG = UpstreamError(UpstreamFault.TIMEOUT, "the exchange took longer than 60 s")


class SpeedFloorTests(SynchronousTestCase):
    """
    Tests for 100 bytes per second after 5 seconds.
    """

    def setUp(self) -> None:
        """
        It runs.
        """
        self.clock = Clock()
        self.called: list[float] = []
        self.floor = SpeedFloor(
            self.clock, 100.0, 5.0, lambda: self.called.append(self.clock.seconds())
        )
        self.floor.start()

    def test_nothing_comes(self) -> None:
        """
        It calls once, after 5 seconds.
        """
        self.clock.pump([1] * 20)
        self.assertEqual(self.called, [5])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_average(self) -> None:
        """
        What came early counts for later: 1,000 bytes are enough for 10 seconds.
        """
        self.floor.took(1000)
        self.clock.pump([1] * 20)
        self.assertEqual(self.called, [10])

    def test_steady(self) -> None:
        """
        A body above the floor goes on for as long as it comes; then it is over.
        """
        for _ in range(30):
            self.floor.took(101)
            self.clock.pump([0.01] * 100)
        self.assertEqual(self.called, [])
        self.clock.pump([0.5] * 4)
        self.assertEqual(len(self.called), 1)

    def test_trickle(self) -> None:
        """
        One just below it is not saved by coming steadily.
        """
        for _ in range(60):
            self.floor.took(99)
            self.clock.advance(1)
        self.assertEqual(self.called, [5])

    def test_pauses(self) -> None:
        """
        Time in which it rests does not count.
        """
        self.clock.advance(4)
        self.floor.stop()
        self.clock.advance(1000)
        self.floor.start()
        self.clock.advance(0.5)
        self.assertEqual(self.called, [])
        self.clock.advance(0.5)
        self.assertEqual(len(self.called), 1)


class TrickleTests(SCEPProxyTestCase):
    """
    Tests for requests of devices to the proxy.
    """

    def test_too_slow(self) -> None:
        """
        A trickle is answered 408 after 5 seconds: its slot is free and its window open again, the
        certificate authority gets no more, and nothing is held against it.
        """
        self.device.send(_POST % (PATH, 100_000), bytes(4000))
        self.assertEqual(self.world.slots_in_use(), 1)
        self.world.clock.advance(5)
        answer = self.device.answer()
        self.assertEqual(answer.status, 408)
        self.assertIn(b"less than 1024 bytes per second", answer.body)
        self.assertEqual((self.world.slots_in_use(), self.world.ca_side.aborted), (0, True))
        exchange, outcome, _ = self.world.settled
        self.assertEqual((exchange.http_status, outcome), (408, WindowOutcome.REOPEN))
        self.assertTrue(self.world.breakers.seen("CORP").is_fresh)

    def test_fast_enough(self) -> None:
        """
        A request above the floor has all the time that ``request_timeout`` gives it.
        """
        self.device.send(_POST % (PATH, 20_000))
        for _ in range(20):
            self.device.send(bytes(1000))
            self.world.clock.advance(0.9)
        self.assertTrue(self.world.ca_side.sent_whole)
        self.world.answer(cert_rep())
        self.assertEqual(self.device.answer().status, 200)

    def test_while_it_is_paused(self) -> None:
        """
        While scepd or the certificate authority lets the device wait, it can't be slow.
        """
        assigned = self.world.enrollments.hold("reserve_window")
        self.device.send(_POST % (PATH, 10), b"01234")
        self.world.clock.advance(20)
        assigned.callback(None)
        self.world.clock.advance(4)
        self.world.ca_side.consumer.pause_request()
        self.world.clock.advance(20)
        self.world.ca_side.consumer.resume_request()
        self.world.clock.advance(0.9)
        self.assertEqual(self.device.transport.value(), b"")
        self.device.send(b"56789")
        self.world.clock.advance(20)
        self.world.answer(cert_rep())
        self.assertEqual(self.device.answer().status, 200)

    def test_off(self) -> None:
        """
        With a floor of 0 only ``request_timeout`` counts.
        """
        world = ProxyWorld(minimum_speed=0)
        device = DeviceEnd(world.site())
        device.send(_POST % (PATH, 10), b"01234")
        world.clock.advance(29)
        self.assertEqual(device.transport.value(), b"")
        world.clock.advance(1)
        self.assertEqual(device.answer().status, 408)

    def test_reading_nothing(self) -> None:
        """
        A device that does not read its answer holds the certificate authority up only for as long
        as the exchange may last; then its slot is free.
        """
        self.device.send(_POST % (PATH, 5), b"01234")
        consumer = self.world.ca_side.consumer
        consumer.answer_started(200, None, None)
        consumer.answer_received(cert_rep()[:100])
        self.device.channel.pauseProducing()
        self.assertTrue(self.world.ca_side.answer_paused)
        consumer.answer_failed(_TOO_LONG)
        self.assertEqual(self.world.slots_in_use(), 0)
        self.assertTrue(self.world.breakers.seen("CORP").is_fresh)
