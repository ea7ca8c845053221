"""
What the push engine relies on inside h2, hpack and hyperframe; a failure says what breaks with it.
"""

from __future__ import annotations

from collections.abc import Callable

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    Event,
    PingAckReceived,
    PingReceived,
    RemoteSettingsChanged,
    SettingsAcknowledged,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings
from hpack import Decoder, HPACKError
from hyperframe.frame import GoAwayFrame, PingFrame, SettingsFrame, WindowUpdateFrame
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.apns.frames import PING, SETTINGS, frame

PAYLOAD = b"12345678"
ACK = SettingsFrame(0, flags=["ACK"]).serialize()


def connection() -> H2Connection:
    """
    A client's connection, as :mod:`scepd.apns.peer_settings` makes it.
    """
    made = H2Connection(H2Configuration(client_side=True))
    made.local_settings = Settings(
        client=True,
        initial_values={SettingCodes.HEADER_TABLE_SIZE: 0, SettingCodes.ENABLE_PUSH: 0},
    )
    made.initiate_connection()
    return made


def settings_frame(*values: tuple[int, int]) -> bytes:
    """
    SETTINGS with these values.
    """
    return SettingsFrame(0, dict(values)).serialize()


class ContractCase(SynchronousTestCase):
    """
    Base of what follows.
    """

    def refusal(self, act: Callable[[bytes], object], data: bytes, why: str) -> Exception:
        """
        What is raised for these bytes; fails with the sentence, if nothing is.
        """
        try:
            act(data)
        except (ProtocolError, HPACKError) as error:
            return error
        self.fail(why)


class H2Tests(ContractCase):
    """
    A connection of h2 that never opens a stream.
    """

    def test_beginning(self) -> None:
        """
        Its first bytes are the preface and our settings.
        """
        sent = connection().data_to_send()
        self.assertEqual(
            sent[:24], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "the preface is h2's matter"
        )
        ours = SettingsFrame(0)
        ours.parse_body(memoryview(sent[24 + 9 :]))
        self.assertEqual(
            ours.settings[SettingCodes.HEADER_TABLE_SIZE],
            0,
            "h2 must say that our header table has size 0: replies are read without one",
        )
        self.assertEqual(
            ours.settings.get(SettingCodes.INITIAL_WINDOW_SIZE, 65_535),
            65_535,
            "our windows are counted from 65,535 octets",
        )
        self.assertEqual(
            ours.settings.get(SettingCodes.MAX_FRAME_SIZE, 16_384),
            16_384,
            "frames above 16,384 octets are refused, so no more may be promised",
        )

    def test_settings(self) -> None:
        """
        It takes the server's settings at once, answers them, and says what changed.
        """
        made = connection()
        made.data_to_send()
        (event,) = made.receive_data(settings_frame((3, 7), (4, 99), (1, 5), (6, 800)))
        assert isinstance(event, RemoteSettingsChanged)
        self.assertIn(
            SettingCodes.HEADER_TABLE_SIZE,
            event.changed_settings,
            "the header template learns from it that it must announce its table's size",
        )
        remote = made.remote_settings
        self.assertEqual(
            (remote.max_concurrent_streams, remote.initial_window_size),
            (7, 99),
            "the limits hold from the moment that the event is reported",
        )
        self.assertEqual(remote.max_header_list_size, 800)
        self.assertEqual(made.data_to_send(), ACK, "h2 must acknowledge SETTINGS, for we don't")
        (event,) = made.receive_data(ACK)
        self.assertIsInstance(
            event, SettingsAcknowledged, "that our own settings hold is known from this event"
        )

    def test_no_limits(self) -> None:
        """
        Without a word of the server there are no limits.
        """
        remote = connection().remote_settings
        self.assertGreater(remote.max_concurrent_streams, 2**31, "the default is no limit")
        self.assertIsNone(remote.max_header_list_size, "None is what says that there is no limit")

    def test_ping(self) -> None:
        """
        PING works both ways, though no stream was ever opened.
        """
        made = connection()
        made.receive_data(settings_frame())
        made.data_to_send()
        (event,) = made.receive_data(PingFrame(0, PAYLOAD).serialize())
        self.assertIsInstance(event, PingReceived)
        answer = PingFrame(0, PAYLOAD, flags=["ACK"]).serialize()
        self.assertEqual(made.data_to_send(), answer, "h2 must answer a PING, for we don't")
        made.ping(PAYLOAD)
        self.assertEqual(made.data_to_send(), PingFrame(0, PAYLOAD).serialize())
        (event,) = made.receive_data(answer)
        assert isinstance(event, PingAckReceived)
        self.assertEqual(event.ping_data, PAYLOAD, "the keepalive knows its PING by its payload")

    def test_many(self) -> None:
        """
        It goes on for any number of frames.
        """
        made = connection()
        for number in range(1, 2000):
            made.receive_data(settings_frame((3, number)) + PingFrame(0, PAYLOAD).serialize())
        self.assertEqual(made.remote_settings.max_concurrent_streams, 1999)

    def test_errors(self) -> None:
        """
        What is wrong with a frame is a ProtocolError with the code that our GOAWAY then has.
        """
        for data, code in (
            (settings_frame((4, 2**31)), ErrorCodes.FLOW_CONTROL_ERROR),
            (settings_frame((2, 1)), ErrorCodes.PROTOCOL_ERROR),
            (settings_frame((5, 100)), ErrorCodes.PROTOCOL_ERROR),
            (frame(SETTINGS, 0, 1), ErrorCodes.PROTOCOL_ERROR),
            (frame(PING, 0, 1, PAYLOAD), ErrorCodes.PROTOCOL_ERROR),
            (frame(PING, 0, 0, b"short"), ErrorCodes.FRAME_SIZE_ERROR),
        ):
            made = connection()
            made.receive_data(settings_frame())
            error = self.refusal(made.receive_data, data, "nobody else checks SETTINGS and PING")
            assert isinstance(error, ProtocolError)
            self.assertEqual(error.error_code, code, "it is sent to the server")

    @given(st.sampled_from((SETTINGS, PING)), st.integers(0, 255), st.binary(max_size=30))
    def test_anything(self, kind: int, flags: int, payload: bytes) -> None:
        """
        Any SETTINGS and PING frame is taken, or raises a ProtocolError.
        """
        made = connection()
        made.receive_data(settings_frame())
        try:
            found: list[Event] = made.receive_data(frame(kind, flags, 0, payload))
        except ProtocolError:
            return
        self.assertTrue(
            all(type(one).__module__ == "h2.events" for one in found),
            "another exception would leave the engine's receive()",
        )

    def test_kept_from_it(self) -> None:
        """
        Why it sees no WINDOW_UPDATE and no GOAWAY; if this fails, it could be given them.
        """
        made = connection()
        made.receive_data(settings_frame())
        made.receive_data(WindowUpdateFrame(0, window_increment=2**31 - 1 - 65_535).serialize())
        more = WindowUpdateFrame(0, window_increment=1).serialize()
        self.refusal(made.receive_data, more, "h2 could be given WINDOW_UPDATE")
        made = connection()
        made.receive_data(settings_frame())
        made.receive_data(GoAwayFrame(0).serialize())
        ping = PingFrame(0, PAYLOAD).serialize()
        self.refusal(made.receive_data, ping, "h2 could be given GOAWAY")


class HPACKTests(ContractCase):
    """
    The decoder of replies that are not plain.
    """

    def test_lowered(self) -> None:
        """
        Why the decoder's limit is lowered only after an update was seen.
        """
        decoder = Decoder()
        decoder.max_allowed_table_size = 0
        self.refusal(decoder.decode, b"\x88", "the limit could be lowered at once")
        decoder = Decoder()
        self.assertEqual(list(decoder.decode(b"\x20\x88", raw=True)), [(b":status", b"200")])
        self.assertEqual(
            decoder.header_table_size,
            0,
            "that the server announced its empty table is seen by this; without it no reply would "
            "be taken without decoding",
        )
        decoder.max_allowed_table_size = 0
        self.assertEqual(list(decoder.decode(b"\x88", raw=True)), [(b":status", b"200")])
        self.refusal(decoder.decode, b"\x21\x88", "the server must not enlarge its table again")

    def test_static_entry(self) -> None:
        """
        The octet 0x88 is ``:status: 200``, whatever the table holds.
        """
        decoder = Decoder()
        decoder.decode(b"\x40\x01a\x01b")
        self.assertEqual(
            list(decoder.decode(b"\x88", raw=True)),
            [(b":status", b"200")],
            "a reply that begins with it is taken for accepted",
        )

    def test_no_table(self) -> None:
        """
        With a table of size 0 nothing is remembered, so that blocks may be left out.
        """
        decoder = Decoder()
        decoder.decode(b"\x20\x88\x40\x01a\x01b")
        self.refusal(decoder.decode, b"\xbe", "blocks that are left out would be missed later")

    def test_limit(self) -> None:
        """
        A header list that would be too large is an error, before it is all there.
        """
        decoder = Decoder(1000)
        decoder.decode(b"\x40\x01a\x7f\x00" + b"x" * 127)
        why = "a small block must not become a large list"
        self.refusal(decoder.decode, b"\xbe" * 100, why)

    @given(st.binary(max_size=60))
    def test_anything(self, block: bytes) -> None:
        """
        Any block is decoded to pairs of bytes, or raises an HPACKError.
        """
        try:
            fields = list(Decoder().decode(block, raw=True))
        except HPACKError:
            return
        for name, value in fields:
            self.assertEqual((type(name), type(value)), (bytes, bytes), "heads are read as bytes")
