"""
Requests and answers are streamed: nothing is held back, and nothing piles up.
"""

from __future__ import annotations

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from tests.support.scepserver import CHALLENGE
from tests.support.stage import stage
from tests.support.wire import CERT_REP_HEAD, Wire, WireCA, connect_device, post_head

_BIG = 12 * 1024 * 1024
_CROWD = 200
_COPY = 256 * 1024


class StreamingTests(TestCase):
    """
    The daemon between a device and a CA that the test steers byte by byte.
    """

    timeout = 180

    def setUp(self) -> Deferred[None]:  # type: ignore[override]
        """
        A daemon that takes large messages, and a CA.
        """
        return Deferred.fromCoroutine(self._set_up())

    async def _set_up(self) -> None:
        self.stage = stage(prepared=False, scep_proxy__max_message_size="16777216")
        self.daemon = self.stage.daemon
        self.ca = WireCA(self.stage.ca.certificate_der)
        await self.ca.start()
        self.addCleanup(self.ca.stop)
        name = self.id().rsplit(".", 1)[1]
        await deferToThread(
            self.daemon.add_ca, name, self.ca.url, CHALLENGE, max_concurrency=_CROWD + 1
        )
        self.name = name

    async def _paths(self, count: int) -> list[str]:
        async with self.daemon.stores() as stores:
            return [
                await stores.deliver(f"{self.name}-{n}", self.stage.profile, self.name)
                for n in range(count)
            ]

    async def _warm(self) -> None:
        # A young daemon grows by its periodic work, too, whatever is transferred meanwhile.
        await deferToThread(self.daemon.wait_until_warm)

    async def _device(self) -> Wire:
        device = await connect_device(self.daemon.device_port)

        async def close() -> None:
            if device.lost is None:
                device.transport.abortConnection()
                await device.until_lost()

        self.addCleanup(close)
        return device

    async def test_both_ways(self) -> None:
        """
        The CA has the request's first bytes before the device sent its last, and the device the
        answer's first before the CA sent its last.
        """
        (path,) = await self._paths(1)
        device = await self._device()
        device.transport.write(post_head(path, 2000) + b"first half".ljust(1000, b"."))
        await self.ca.until_operations(1)
        wire = self.ca.operations[0]
        await wire.until(lambda: b"first half" in wire.received)
        self.assertNotIn(b"second half", wire.received)
        device.transport.write(b"second half".ljust(1000, b"."))
        await wire.until(lambda: b"second half" in wire.received)
        wire.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4096\r\n\r\n" + CERT_REP_HEAD)
        await device.until_received(CERT_REP_HEAD[:-1])
        wire.transport.write(bytes(4096 - len(CERT_REP_HEAD)))
        await device.until(lambda: len(device.received.partition(b"\r\n\r\n")[2]) == 4096)

    async def test_chunks(self) -> None:
        """
        A body of unknown length goes on in chunks as it comes.
        """
        (path,) = await self._paths(1)
        device = await self._device()
        device.transport.write(post_head(path, None) + b"5\r\nfirst\r\n")
        await self.ca.until_operations(1)
        wire = self.ca.operations[0]
        await wire.until(lambda: b"first" in wire.received)
        device.transport.write(b"4\r\nlast\r\n0\r\n\r\n")
        await wire.until(lambda: wire.received.endswith(b"0\r\n\r\n"))
        self.assertIn(b"Transfer-Encoding: chunked", wire.received)

    async def test_stalled_ca(self) -> None:
        """
        A CA that does not read stops the device from sending, and the daemon does not grow.
        """
        await self._warm()
        (path,) = await self._paths(1)
        device = await self._device()
        device.transport.write(post_head(path, _BIG))
        await self.ca.until_operations(1)
        wire = self.ca.operations[0]
        wire.transport.pauseProducing()
        before = self.daemon.running_program.resident_bytes()
        pump = Pump(device, _BIG)
        await pump.until_stalled()
        self.assertLess(pump.sent, _BIG)
        grown = self.daemon.running_program.resident_bytes() - before
        self.assertLess(grown, 2 * _COPY)
        wire.transport.resumeProducing()
        await wire.until(lambda: len(wire.received.partition(b"\r\n\r\n")[2]) == _BIG)

    async def test_stalled_device(self) -> None:
        """
        A device that does not read stops the CA from sending, and the daemon does not grow.
        """
        await self._warm()
        (path,) = await self._paths(1)
        device = await self._device()
        device.transport.write(post_head(path, 4) + b"body")
        await self.ca.until_operations(1)
        wire = self.ca.operations[0]
        await wire.until(lambda: wire.received.endswith(b"body"))
        before = self.daemon.running_program.resident_bytes()
        device.transport.pauseProducing()
        wire.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % _BIG)
        wire.transport.write(CERT_REP_HEAD)
        pump = Pump(wire, _BIG - len(CERT_REP_HEAD))
        await pump.until_stalled()
        self.assertLess(pump.sent, _BIG - len(CERT_REP_HEAD))
        grown = self.daemon.running_program.resident_bytes() - before
        self.assertLess(grown, 2 * _COPY)
        device.transport.resumeProducing()
        await device.until(lambda: len(device.received.partition(b"\r\n\r\n")[2]) == _BIG)

    async def test_crowd(self) -> None:
        """
        200 slow transfers at once, stalled by the CA in the middle of their requests, add less than
        64 kB each beyond the observer's copy.
        """
        await self._warm()
        size = 1024 * 1024
        paths = await self._paths(_CROWD + 1)
        await self._stall(paths[_CROWD], size, 1)
        before = self.daemon.running_program.resident_bytes()
        for count, path in enumerate(paths[:_CROWD], 2):
            await self._stall(path, size, count)
        grown = self.daemon.running_program.resident_bytes() - before
        self.assertLess(grown / _CROWD - _COPY, 64 * 1024)
        print(f"each of {_CROWD} transfers: {grown // _CROWD - _COPY} bytes beyond its copy")

    async def _stall(self, path: str, size: int, count: int) -> None:
        device = await self._device()
        device.transport.write(post_head(path, size))
        await self.ca.until_operations(count)
        self.ca.operations[-1].transport.pauseProducing()
        device.transport.write(bytes(size - 1))

    async def test_too_long(self) -> None:
        """
        A body above the limit never reaches the CA whole: 413 at the first byte too many.
        """
        (path,) = await self._paths(1)
        device = await self._device()
        device.transport.write(post_head(path, None) + b"400\r\n" + bytes(1024) + b"\r\n")
        await self.ca.until_operations(1)
        wire = self.ca.operations[0]
        chunk = b"100000\r\n" + bytes(0x100000) + b"\r\n"
        for _ in range(17):
            device.transport.write(chunk)
        await device.until_received(b"413 ")
        await wire.until_lost()
        self.assertNotIn(b"0\r\n\r\n", wire.received[-5:])
        device.transport.abortConnection()

    async def test_too_long_by_its_head(self) -> None:
        """
        A Content-Length above the limit is refused before anything is asked of the CA, and without
        `100 Continue`.
        """
        (path,) = await self._paths(1)
        device = await self._device()
        head = post_head(path, 16777217)
        device.transport.write(head[:-2] + b"Expect: 100-continue\r\n\r\n")
        await device.until_lost()
        self.assertTrue(device.received.startswith(b"HTTP/1.1 413 "))
        self.assertEqual(self.ca.operations, [])


class Pump:
    """
    Writes ``total`` bytes to a wire as fast as they are taken.
    """

    def __init__(self, wire: Wire, total: int) -> None:
        self.sent = 0
        self._wire = wire
        self._total = total
        wire.transport.registerProducer(self, False)

    def resumeProducing(self) -> None:
        """
        The connection takes more.
        """
        piece = min(65536, self._total - self.sent)
        self.sent += piece
        if self.sent == self._total:
            self._wire.transport.unregisterProducer()
        self._wire.transport.write(bytes(piece))

    def stopProducing(self) -> None:
        """
        The connection is gone.
        """

    async def until_stalled(self) -> None:
        """
        Return when nothing was taken for a second.
        """
        seen = -1
        while seen != self.sent and self.sent < self._total:
            seen = self.sent
            await deferLater(reactor, 1.0)
