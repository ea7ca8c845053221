"""
Tests for messages that are longer than what is taken.
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

from twisted.internet.defer import Deferred
from twisted.logger import LogEvent, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from scepd.services.long_messages import LongMessage, LongMessages
from tests.support.fake_mdm_world import MDMWorld, signed
from tests.support.pki import party


class LongMessagesTests(SynchronousTestCase):
    """
    Tests for L{LongMessages}.
    """

    def setUp(self) -> None:
        """
        Enroll a device.
        """
        self.world = MDMWorld()
        self.world.enroll()
        self.messages = LongMessages(self.world.check_ins, self.world.workers, self.world.clock)
        signature = signed(b"whatever", self.world.identity)
        self.message = LongMessage(8_400_000, 8_388_608, signature, b"", "192.0.2.1")

    def tell(self, *messages: LongMessage) -> list[LogEvent]:
        """
        What the log gets of some messages.
        """
        with capturedLogs() as events:
            for message in messages:
                self.messages.refused(message)
        return list(events)

    def test_host(self) -> None:
        """
        A warning names the host whose certificate the signature names, and what follows.
        """
        (event,) = self.tell(self.message)
        self.assertEqual((event["log_level"].name, event["host"]), ("warn", "UDID-1"))
        self.assertEqual(
            formatEvent(event),
            "Refused a message of 8400000 bytes from host UDID-1: at most 8388608 are taken. A"
            " command that it answers counts as not answered",
        )

    def test_connection(self) -> None:
        """
        Without a signature the certificate of the connection tells the host.
        """
        certificate = self.world.identity.certificate
        (event,) = self.tell(replace(self.message, signature=b"", certificate=certificate))
        self.assertEqual(event["host"], "UDID-1")
        self.assertEqual(event["identity"], sha256(certificate).hexdigest())

    def test_strangers(self) -> None:
        """
        Of anybody else the address is told, and of a body without a length that it is too long.
        """
        stranger = signed(b"", party("CN=stranger"))
        for number, signature in enumerate((b"", b"no base64!", b"MAA=", stranger)):
            message = replace(
                self.message, length=None, signature=signature, address=f"192.0.2.{number}"
            )
            (event,) = self.tell(message)
            self.assertIsNone(event["host"])
            self.assertIn(f"of more than 8388608 bytes from 192.0.2.{number}: ", formatEvent(event))

    def test_storage_unavailable(self) -> None:
        """
        While the database does not answer it is told without the host.
        """
        self.world.check_ins.broken = True
        (event,) = self.tell(self.message)
        self.assertIn("192.0.2.1", formatEvent(event))

    def test_flood(self) -> None:
        """
        Of those that come at once a few are looked at, and each look ends, also by a fault of ours.
        """
        waiting: list[Deferred[bytes]] = []

        async def worker(work: object) -> bytes:
            waiting.append(Deferred())
            return await waiting[-1]

        self.messages = LongMessages(self.world.check_ins, worker, self.world.clock)  # type: ignore[arg-type]
        self.tell(*[self.message] * 100)
        self.assertEqual(len(waiting), 20)
        with capturedLogs() as events:
            for one in waiting:
                one.errback(ZeroDivisionError())
        self.assertEqual(len(events), 20)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 20)
        self.tell(self.message)
        self.assertEqual(len(waiting), 21)

    def test_quiet(self) -> None:
        """
        Each sender is told of once a minute, and only so many are.
        """
        others = [
            replace(self.message, signature=b"", address=f"192.0.2.{number}")
            for number in range(100)
        ]
        self.assertEqual(len(self.tell(self.message, self.message)), 1)
        self.assertEqual(len(self.tell(*others)), 19)
        self.world.clock.advance(59)
        self.assertEqual(self.tell(self.message, *others), [])
        self.world.clock.advance(1)
        self.assertEqual(len(self.tell(self.message, self.message)), 1)
