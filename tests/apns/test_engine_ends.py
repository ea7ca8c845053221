"""
Tests for how pushes and connections end.
"""

from __future__ import annotations

from h2 import events as h2_events
from h2.errors import ErrorCodes

from scepd.apns.engine import PushEngine
from scepd.apns.events import (
    ConnectionBroken,
    GoAwayReceived,
    PushAnswered,
    PushLost,
    PushRefused,
)
from tests.apns.notifications import notification
from tests.apns.server import go_away
from tests.apns.test_engine import EngineCase


class EndTests(EngineCase):
    """
    Tests for the ways in which pushes and connections end.
    """

    def test_go_away(self) -> None:
        """
        Streams above GOAWAY's last id are surely unprocessed; answers to the others still count.
        """
        first, second, third = (self.engine.push(notification(number)) for number in range(3))
        self.server.read()
        self.assertEqual(
            self.engine.receive(go_away(first, "Shutdown")),
            [GoAwayReceived(first, 0, "Shutdown"), PushRefused(second), PushRefused(third)],
        )
        self.assertTrue(self.engine.spent)
        (answer,) = self.server.during(lambda: self.server.reply(first))
        self.assertEqual(answer, PushAnswered(first, 200, None, None, f"id-{first}"))

    def test_graceful_go_away(self) -> None:
        """
        A first GOAWAY with the highest id only ends new pushes; the second names the last.
        """
        first, second = (self.engine.push(notification(number)) for number in range(2))
        events = self.engine.receive(go_away(2**31 - 1))
        self.assertEqual(events, [GoAwayReceived(2**31 - 1, 0, None)])
        self.assertEqual(self.engine.in_flight, 2)
        events = self.engine.receive(go_away(first) + go_away(second))
        self.assertEqual([e for e in events if isinstance(e, PushRefused)], [PushRefused(second)])

    def test_rising_go_away(self) -> None:
        """
        A last id that rises is not believed: what was refused may be under way elsewhere by now.
        """
        first, second = (self.engine.push(notification(number)) for number in range(2))
        self.server.read()
        self.engine.receive(go_away(first))
        events = self.engine.receive(go_away(second))
        self.assertEqual(events, [GoAwayReceived(first, 0, None)])
        self.assertEqual(self.engine.receive(go_away(0))[1:], [PushRefused(first)])
        self.assertEqual(self.engine.in_flight, 0)

    def test_refused(self) -> None:
        """
        REFUSED_STREAM says that nothing was done; any other reset says nothing.
        """
        codes = (ErrorCodes.REFUSED_STREAM, ErrorCodes.INTERNAL_ERROR, ErrorCodes.NO_ERROR)
        ids = [self.engine.push(notification(number)) for number in range(3)]
        self.server.read()
        for stream_id, code in zip(ids, codes, strict=True):
            self.server.h2.reset_stream(stream_id, code)
        events = self.server.exchange()
        self.assertEqual(events[0], PushRefused(ids[0]))
        self.assertEqual([type(event) for event in events[1:]], [PushLost, PushLost])

    def test_refused_after_head(self) -> None:
        """
        REFUSED_STREAM after the head of an answer is no proof that nothing was done.
        """
        stream_id = self.engine.push(notification())
        self.server.read()
        self.server.h2.send_headers(stream_id, [(":status", "503")])
        self.server.h2.reset_stream(stream_id, ErrorCodes.REFUSED_STREAM)
        (event,) = self.server.exchange()
        self.assertIsInstance(event, PushLost)

    def test_end(self) -> None:
        """
        When the connection is gone, what is in flight is lost, each once.
        """
        ids = [self.engine.push(notification(number)) for number in range(3)]
        self.assertEqual(self.engine.end("gone"), [PushLost(one, "gone") for one in ids])
        self.assertEqual(self.engine.end("gone"), [])

    def test_nonsense(self) -> None:
        """
        Nonsense breaks the connection, but takes no event along that came before it.
        """
        ids = [self.engine.push(notification(number)) for number in range(2)]
        self.server.read()
        self.server.reply(ids[0])
        data = self.server.h2.data_to_send() + b"\x00\x00\x01\x00\x00\x00\x00\x00\x00x"
        events = self.engine.receive(data)
        self.assertEqual([type(e) for e in events], [PushAnswered, ConnectionBroken, PushLost])
        self.assertEqual(self.engine.receive(data), [])
        self.assertTrue(self.engine.spent)

    def test_not_http2(self) -> None:
        """
        A server that speaks something else is found out by its first bytes.
        """
        for data in (
            b"HTTP/1.1 400 Bad Request\r\n",
            b"\x00\x00\x08\x06\x00\x00\x00\x00\x00pingpong",
        ):
            (event,) = PushEngine("host").receive(data)
            self.assertIsInstance(event, ConnectionBroken)

    def test_go_away_in_header_block(self) -> None:
        """
        Nothing may stand between HEADERS and CONTINUATION.
        """
        stream_id = self.engine.push(notification())
        headers = b"\x00\x00\x01\x01\x00" + stream_id.to_bytes(4, "big") + b"\x88"
        events = self.engine.receive(headers + go_away(0))
        self.assertEqual([type(e) for e in events], [ConnectionBroken, PushLost])

    def test_continuation(self) -> None:
        """
        A header block may come in pieces.
        """
        stream_id = self.engine.push(notification())
        where = stream_id.to_bytes(4, "big")
        head = b"\x00\x00\x00\x01\x01" + where
        (event,) = self.engine.receive(head + b"\x00\x00\x01\x09\x04" + where + b"\x88")
        self.assertEqual(event, PushAnswered(stream_id, 200, None, None, None))

    def test_close(self) -> None:
        """
        Goodbye is a GOAWAY; nothing is taken after it.
        """
        self.engine.close()
        self.server.read()
        self.assertIsInstance(self.server.events[-1], h2_events.ConnectionTerminated)
        self.assertFalse(self.engine.takes(notification()))
