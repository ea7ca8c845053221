"""
Tests for how the push engine reads answers, with and without decoding them.
"""

from __future__ import annotations

from h2.errors import ErrorCodes
from hpack import Encoder
from hyperframe.frame import HeadersFrame

from scepd.apns.events import (
    ConnectionBroken,
    PushAnswered,
    PushesAccepted,
    PushLost,
    PushRefused,
)
from tests.apns.wire import (
    ACK,
    WireCase,
    begun,
    continued,
    credit,
    data,
    end,
    ended,
    headers,
    reset,
)

OK = b"\x88"
UPDATE = b"\x20"
APNS_ID = b"\x00\x07apns-id\x05abcde"
STORED_ID = b"\x40\x07apns-id\x05abcde"
BAD_REQUEST = b"\x8c"


class PlainTests(WireCase):
    """
    Tests for answers that say no more than 200.
    """

    def announce(self) -> None:
        """
        The server acknowledges our settings, and says that its table is empty.
        """
        (stream_id,) = self.push()
        events = self.receive(ACK, ended(stream_id, UPDATE + OK))
        self.assertEqual(events, [PushAnswered(stream_id, 200, None, None, None)])

    def test_gathered(self) -> None:
        """
        All plain 200s that come together are one event, before all others.
        """
        self.announce()
        one, two, three, four = self.push(4)
        events = self.receive(
            ended(three, OK),
            ended(four, BAD_REQUEST),
            headers(one, OK + APNS_ID),
            ended(two, OK + APNS_ID),
            end(one),
        )
        self.assertEqual(
            events,
            [PushesAccepted((three, two, one)), PushAnswered(four, 400, None, None, None)],
        )
        self.assertEqual(self.engine.in_flight, 0)

    def test_end_later(self) -> None:
        """
        A push is accepted when its answer ends, not before.
        """
        self.announce()
        (stream_id,) = self.push()
        self.assertEqual(self.receive(headers(stream_id, OK + APNS_ID)), [])
        self.assertEqual(self.engine.in_flight, 1)
        self.assertEqual(self.receive(end(stream_id)), [PushesAccepted((stream_id,))])

    def test_body(self) -> None:
        """
        A body is credited, but not looked at.
        """
        self.announce()
        one, two = self.push(2)
        self.sent()
        events = self.receive(headers(one, OK), end(one, b"{}"))
        self.assertEqual(events, [PushesAccepted((one,))])
        self.assertEqual(self.credits(), [(0, 2)])
        events = self.receive(headers(two, OK), data(two, b"{"), end(two, b"}"))
        self.assertEqual(events, [PushAnswered(two, 200, None, None, None)])

    def test_before_settings_are_acknowledged(self) -> None:
        """
        Until then the table counts: entries that came along with a 200 are known.
        """
        one, two, three = self.push(3)
        events = self.receive(ended(one, OK), ended(two, OK + STORED_ID), ended(three, b"\x8c\xbe"))
        self.assertEqual(
            events,
            [
                PushesAccepted((one,)),
                PushAnswered(two, 200, None, None, "abcde"),
                PushAnswered(three, 400, None, None, "abcde"),
            ],
        )

    def test_no_update(self) -> None:
        """
        A server that needs no table, and says nothing of it, is understood.
        """
        one, two = self.push(2)
        events = self.receive(ACK, ended(one, OK + APNS_ID), ended(two, OK))
        self.assertEqual(
            events, [PushesAccepted((two,)), PushAnswered(one, 200, None, None, "abcde")]
        )

    def test_disobedience(self) -> None:
        """
        A server that goes on with its table is understood, too.
        """
        one, two = self.push(2)
        events = self.receive(ACK, ended(one, OK + STORED_ID), ended(two, b"\x8c\xbe"))
        self.assertEqual(
            events,
            [
                PushAnswered(one, 200, None, None, "abcde"),
                PushAnswered(two, 400, None, None, "abcde"),
            ],
        )

    def test_no_second_thoughts(self) -> None:
        """
        A table that was given up can't be enlarged again.
        """
        self.announce()
        (stream_id,) = self.push()
        events = self.receive(ended(stream_id, b"\x3f\xe1\x1f" + OK))
        self.assertEqual([type(event) for event in events], [ConnectionBroken, PushLost])
        self.assertEqual(self.goodbye(), ErrorCodes.COMPRESSION_ERROR)

    def test_second_thoughts(self) -> None:
        """
        Before it has acknowledged our settings, a server may give its table up and take it back.
        """
        one, two, three, four = self.push(4)
        events = self.receive(
            ended(one, UPDATE + OK),
            ended(two, OK + APNS_ID),
            ended(three, b"\x3f\xe1\x1f" + OK + STORED_ID),
            ended(four, b"\x8c\xbe"),
        )
        self.assertEqual(
            events,
            [
                PushAnswered(one, 200, None, None, None),
                PushAnswered(two, 200, None, None, "abcde"),
                PushAnswered(three, 200, None, None, "abcde"),
                PushAnswered(four, 400, None, None, "abcde"),
            ],
        )

    def test_announced_by_hpack(self) -> None:
        """
        What hpack's encoder says when its table is given up is what we wait for.
        """
        encoder = Encoder()
        encoder.header_table_size = 0
        one, two = self.push(2)
        fields = [(":status", "200"), ("apns-id", "abcde")]
        self.receive(ACK, ended(one, encoder.encode(fields)))
        events = self.receive(ended(two, encoder.encode(fields)))
        self.assertEqual(events, [PushesAccepted((two,))])

    def test_head_then_trouble(self) -> None:
        """
        A plain head is remembered when the rest is not plain.
        """
        self.announce()
        one, two, three = self.push(3)
        heads = b"".join(headers(each, OK) for each in (one, two, three))
        events = self.receive(
            heads,
            reset(one, ErrorCodes.REFUSED_STREAM),
            credit(two, 5),
            end(two),
            ended(three, b"\x00\x01x\x01y"),
        )
        self.assertEqual(
            events,
            [
                PushLost(one, "the server reset it"),
                PushAnswered(two, 200, None, None, None),
                PushAnswered(three, 200, None, None, None),
            ],
        )

    def test_shapes(self) -> None:
        """
        Padding, priority and CONTINUATION make no difference.
        """
        self.announce()
        one, two, three, four = self.push(4)
        padded = HeadersFrame(one, OK, flags=["END_HEADERS", "END_STREAM", "PADDED"], pad_length=9)
        weighed = HeadersFrame(two, OK, flags=["END_HEADERS", "END_STREAM", "PRIORITY"])
        events = self.receive(
            padded.serialize(),
            weighed.serialize(),
            b"\x00\x00\x00\x01\x01" + three.to_bytes(4, "big"),
            continued(three, OK, "END_HEADERS"),
            # Flags that mean nothing, and the reserved bit of the stream id.
            b"\x00\x00\x01\x01\xc7" + (four | 1 << 31).to_bytes(4, "big") + OK,
        )
        self.assertEqual(
            events,
            [PushAnswered(one_id, 200, None, None, None) for one_id in (one, two, three, four)],
        )

    def test_late(self) -> None:
        """
        An answer for a push that was given up is nothing.
        """
        self.announce()
        one, two = self.push(2)
        self.engine.cancel(one)
        self.receive(headers(two, OK))
        self.engine.cancel(two)
        self.assertEqual(self.receive(ended(one, OK), end(two, b"x")), [])


class MalformedTests(WireCase):
    """
    Tests for answers that are none: they end their push, and nothing else.
    """

    def test_malformed(self) -> None:
        """
        The push is lost, its stream is reset, and the connection goes on.
        """
        for answer in (
            lambda stream_id: ended(stream_id, APNS_ID),
            lambda stream_id: ended(stream_id, b""),
            lambda stream_id: ended(stream_id, OK + OK),
            lambda stream_id: ended(stream_id, b"\x08\x03abc"),
            lambda stream_id: ended(stream_id, b"\x08\x04\x32\x30\x30\x30"),
            lambda stream_id: ended(stream_id, b"\x08\x03103"),
            lambda stream_id: ended(stream_id, OK + b"\x84"),
            lambda stream_id: data(stream_id, b"early"),
            lambda stream_id: headers(stream_id, OK) + headers(stream_id, b"\x00\x01x\x01y"),
            lambda stream_id: headers(stream_id, OK) + ended(stream_id, OK),
        ):
            one, two = self.push(2)
            self.sent()
            (lost, *others) = self.receive(answer(one), ended(two, BAD_REQUEST))
            assert isinstance(lost, PushLost), lost
            self.assertIn("malformed", lost.complaint)
            self.assertEqual(others, [PushAnswered(two, 400, None, None, None)])
            self.assertEqual(self.resets(), [(one, ErrorCodes.PROTOCOL_ERROR)])

    def test_informational(self) -> None:
        """
        Heads before the head say nothing, whatever their number.
        """
        (stream_id,) = self.push()
        early = headers(stream_id, b"\x08\x03103") * 100
        events = self.receive(early, ended(stream_id, BAD_REQUEST))
        self.assertEqual(events, [PushAnswered(stream_id, 400, None, None, None)])

    def test_refused_after_informational(self) -> None:
        """
        A 1xx head is no answer yet: REFUSED_STREAM after it is still a refusal.
        """
        (stream_id,) = self.push()
        early = headers(stream_id, b"\x08\x03103")
        events = self.receive(early, reset(stream_id, ErrorCodes.REFUSED_STREAM))
        self.assertEqual(events, [PushRefused(stream_id)])


class BlockTests(WireCase):
    """
    Tests for the bounds of header blocks.
    """

    def test_endless(self) -> None:
        """
        A block without end is not collected, neither of large pieces nor of many.
        """
        for piece in (b"x" * 16_000, b""):
            self.connect()
            (stream_id,) = self.push()
            events = self.receive(begun(stream_id, OK), *[continued(stream_id, piece)] * 20)
            self.assertEqual([type(event) for event in events], [ConnectionBroken, PushLost])
            self.assertEqual(self.goodbye(), ErrorCodes.ENHANCE_YOUR_CALM)

    def test_large(self) -> None:
        """
        A list that is larger than we said is an error.
        """
        (stream_id,) = self.push()
        field = b"\x00\x01x\x7f\x81\x1e" + b"y" * 4096
        events = self.receive(begun(stream_id, OK), *[continued(stream_id, field)] * 4)
        self.assertEqual(events, [])
        events = self.receive(continued(stream_id, b"", "END_HEADERS"))
        self.assertEqual([type(event) for event in events], [ConnectionBroken, PushLost])

    def test_of_another_stream(self) -> None:
        """
        A block is continued on its own stream.
        """
        one, two = self.push(2)
        events = self.receive(begun(one, OK), continued(two, b"", "END_HEADERS"))
        self.assertEqual([type(event) for event in events], [ConnectionBroken, PushLost, PushLost])
        self.assertEqual(self.goodbye(), ErrorCodes.PROTOCOL_ERROR)

    def test_plain_within_block(self) -> None:
        """
        Not even a plain answer may come within a block.
        """
        for between in (ended(3, OK), end(3), data(3, b"")):
            self.connect()
            self.push(2)
            self.receive(headers(3, OK))
            events = self.receive(begun(1, OK), between)
            self.assertEqual(
                [type(event) for event in events], [ConnectionBroken, PushLost, PushLost]
            )

    def test_of_closed_stream(self) -> None:
        """
        Blocks that nobody waits for are decoded: the table is everybody's.
        """
        one, two = self.push(2)
        self.engine.cancel(one)
        events = self.receive(ended(one, OK + STORED_ID), ended(two, b"\x8c\xbe"))
        self.assertEqual(events, [PushAnswered(two, 400, None, None, "abcde")])
