"""
Tests for the header blocks of pushes.
"""

from __future__ import annotations

from hpack import Decoder
from hyperframe.frame import HeadersFrame
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.apns.engine import PushEngine
from scepd.apns.events import PushLost
from scepd.apns.header_template import HeaderTemplate, no_authorization
from scepd.apns.notification import Notification
from scepd.errors import LimitExceeded
from tests.apns.notifications import TOPIC, notification
from tests.apns.reference_engine import headers
from tests.apns.wire import WireCase, frames_in, settings

HOST = "api.push.apple.com"
NOTIFICATIONS = st.builds(
    Notification,
    token=st.binary(min_size=1, max_size=100),
    topic=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=255),
    push_magic=st.just("magic"),
    apns_id=st.uuids().map(str),
    expiration=st.integers(0, 2**63 - 1),
    priority=st.sampled_from((1, 5, 10)),
    push_type=st.sampled_from(("mdm", "alert", "background")),
)


def decoded(block: bytes, decoder: Decoder | None = None) -> list[tuple[bytes, bytes]]:
    """
    What hpack makes of a block.
    """
    return [(one[0], one[1]) for one in (decoder or Decoder()).decode(block, raw=True)]


class TemplateTests(SynchronousTestCase):
    """
    Tests for the template alone.
    """

    def template(self) -> HeaderTemplate:
        """
        One without authorization.
        """
        return HeaderTemplate(HOST.encode(), no_authorization)

    @given(st.lists(NOTIFICATIONS, min_size=1, max_size=4))
    def test_fields(self, pushes: list[Notification]) -> None:
        """
        hpack reads the fields of Apple's documents, in an order that HTTP/2 allows.
        """
        template, decoder = self.template(), Decoder()
        for push in pushes:
            expected = [(one[0], one[1]) for one in headers(push, HOST)]
            self.assertEqual(decoded(template.block(push), decoder), expected)

    def test_no_table(self) -> None:
        """
        Nothing enters the server's table, so blocks may come in any order, or not at all.
        """
        template, decoder = self.template(), Decoder()
        for number in range(20):
            decoded(template.block(notification(number)), decoder)
        self.assertEqual(len(decoder.header_table.dynamic_entries), 0)

    def test_authorization(self) -> None:
        """
        The header of a provider token is asked for with each push, and may change.
        """
        values: list[bytes | None] = [b"bearer " + b"a" * 300, None, b"bearer b"]
        values += [b"bearer %d" % number for number in range(40)]
        current = iter(values)
        template = HeaderTemplate(HOST.encode(), lambda: next(current))
        for value in values:
            fields = decoded(template.block(notification()))
            self.assertEqual(dict(fields).get(b"authorization"), value)
            self.assertEqual(len(fields), 9 + (value is not None))

    def test_table_size(self) -> None:
        """
        The block after a change of the server's table says once that ours has size 0.
        """
        template, decoder = self.template(), Decoder()
        template.block(notification())
        template.table_size_changed()
        decoder.max_allowed_table_size = 0
        self.assertEqual(len(decoded(template.block(notification()), decoder)), 9)
        self.assertEqual(decoder.header_table_size, 0)
        self.assertEqual(template.block(notification())[:1], b"\x83")

    @given(NOTIFICATIONS)
    def test_limit(self, push: Notification) -> None:
        """
        The limit for header lists is met to the octet, as RFC 9113 section 6.5.2 counts.
        """
        template = self.template()
        size = sum(len(name) + len(value) + 32 for name, value in decoded(template.block(push)))
        template.largest_list = size
        template.block(push)
        template.largest_list = size - 1
        with self.assertRaises(LimitExceeded):
            template.block(push)

    def test_longer_than_a_frame(self) -> None:
        """
        A block is never longer than the smallest limit for frames.
        """
        template = HeaderTemplate(HOST.encode(), lambda: b"x" * 17_000)
        with self.assertRaises(LimitExceeded):
            template.block(notification())


class EngineTests(WireCase):
    """
    Tests for the template in the engine.
    """

    def test_does_not_fit(self) -> None:
        """
        A push that the server would not take is not sent, and reported with the reason.
        """
        self.receive(settings(max_header_list_size=400))
        self.sent()
        stream_id = self.engine.push(notification())
        self.assertEqual(self.sent(), [])
        self.assertEqual(self.engine.in_flight, 1)
        (lost,) = self.engine.receive(b"")
        assert isinstance(lost, PushLost)
        self.assertEqual(lost.stream_id, stream_id)
        self.assertIn("400 octets", lost.complaint)
        self.assertEqual(self.engine.in_flight, 0)
        self.receive(settings(max_header_list_size=8000))
        self.push()
        self.assertEqual(len(self.bodies()), 1)

    def test_does_not_fit_and_ends(self) -> None:
        """
        Also when the connection ends first, it is reported, once; or not, if it was given up.
        """
        self.receive(settings(max_header_list_size=400))
        one, two = (self.engine.push(notification(number)) for number in range(2))
        self.engine.cancel(one)
        (lost,) = self.engine.end("gone")
        assert isinstance(lost, PushLost)
        self.assertEqual(lost.stream_id, two)
        self.assertEqual(self.engine.receive(b""), [])

    def test_table_lowered_and_raised(self) -> None:
        """
        However often the server changes its table, its decoder is content with the next block.
        """
        decoder = Decoder()
        for sizes in ((), (0,), (100, 0), (0, 4096), (50, 60), (65_536,), (0, 0)):
            self.receive(*(settings(header_table_size=size) for size in sizes))
            for size in sizes:
                decoder.max_allowed_table_size = size
            self.push()
            (block,) = (one.data for one in self.sent() if isinstance(one, HeadersFrame))
            self.assertEqual(len(decoded(block, decoder)), 9, sizes)

    def test_authorization(self) -> None:
        """
        The engine's keyword reaches the block.
        """
        engine = PushEngine(HOST, authorization=lambda: b"bearer t")
        engine.receive(settings())
        engine.data_to_send()
        engine.push(notification())
        head = frames_in(engine.data_to_send())[0]
        assert isinstance(head, HeadersFrame)
        fields = decoded(head.data)
        self.assertEqual(dict(fields)[b"authorization"], b"bearer t")
        self.assertEqual(dict(fields)[b"apns-topic"], TOPIC.encode())
