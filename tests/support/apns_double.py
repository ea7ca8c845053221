"""
A double of Apple's push service that speaks HTTP/2 on h2, over whatever transport it is given.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from cryptography.x509.oid import NameOID
from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings
from hyperframe.frame import GoAwayFrame
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from tests.support.apns_behaviour import Answer as Answer
from tests.support.apns_behaviour import Behaviour
from tests.support.apns_behaviour import End as End
from tests.support.apns_behaviour import GoAway as GoAway
from tests.support.apns_behaviour import Held as Held
from tests.support.apns_behaviour import Reset as Reset
from tests.support.apns_behaviour import Silence as Silence
from tests.support.apns_ledger import Entry, Fate, Ledger
from tests.support.apns_requests import Reply, Request


class APNsDouble(Factory):
    """
    The service, and what it has seen.

    :param topic: of the client's certificate, for connections without TLS.
    :ivar connections: every connection, in order.
    :ivar requests: every whole request, in order, whatever became of it.
    :ivar accepted: those that were answered with 200.
    :ivar ledger: what became of each request.
    """

    noisy = False

    def __init__(
        self, topic: str = "", on_reply: Callable[[Request, Reply], None] = lambda *_: None
    ) -> None:
        self.topic = topic
        self.behaviour = Behaviour()
        self.ledger = Ledger()
        self.connections: list[APNsConnectionDouble] = []
        self.requests: list[Request] = []
        self.accepted: list[Request] = []
        self.on_reply = on_reply
        self._waiting: list[tuple[Callable[[], bool], Deferred[None]]] = []

    def buildProtocol(self, addr: object) -> APNsConnectionDouble:
        """
        One more connection.
        """
        return APNsConnectionDouble(self)

    def until(self, reached: Callable[[], bool]) -> Deferred[None]:
        """
        Fire when ``reached()`` is true, after something happened at the double.
        """
        waiter: Deferred[None] = Deferred()
        self._waiting.append((reached, waiter))
        self.happened()
        return waiter

    def happened(self) -> None:
        """
        Look who waited for this.
        """
        for entry in list(self._waiting):
            if entry in self._waiting and entry[0]():
                self._waiting.remove(entry)
                entry[1].callback(None)


class APNsConnectionDouble(Protocol):
    """
    One connection, which a test may also steer by hand.
    """

    transport: Any

    def __init__(self, service: APNsDouble) -> None:
        self._service = service
        self._requests: dict[int, tuple[tuple[tuple[str, str], ...], bytearray]] = {}
        self._entries: dict[int, Entry] = {}
        self._answered: list[Entry] = []
        self._owed: dict[int, int] = {}
        self.held: dict[int, Request] = {}
        self.open_streams = self.most_streams = 0
        self.last_stream_id = 2**31 - 1
        self.seen: list[events.Event] = []
        self._unsent: dict[int, tuple[bytes, Reply]] = {}
        self.frozen = self.lost = self.settings_sent = self.ended = False
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))

    # -- by hand -----------------------------------------------------------------------------------

    def send_settings(self) -> None:
        """
        Send the first SETTINGS.
        """
        behaviour = self._service.behaviour
        self.h2.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.MAX_CONCURRENT_STREAMS: behaviour.max_streams,
                SettingCodes.INITIAL_WINDOW_SIZE: behaviour.window,
                SettingCodes.MAX_HEADER_LIST_SIZE: 8000,
            },
        )
        self.settings_sent = True
        self.h2.initiate_connection()
        self.flush()

    def change_settings(self, max_streams: int) -> None:
        """
        Change how many streams there may be.
        """
        self.h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: max_streams})
        self.flush()

    def change_window(self, window: int) -> None:
        """
        Change the initial window of streams, and so that of each open one.
        """
        self.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: window})
        self.flush()

    def pay(self) -> None:
        """
        Credit all that was received and not credited.
        """
        owed, self._owed = self._owed, {}
        for stream_id, size in owed.items():
            self.h2.acknowledge_received_data(size, stream_id)
        self.flush()

    def release(self) -> None:
        """
        Answer what was held.
        """
        held, self.held = self.held, {}
        for stream_id, request in held.items():
            self.open_streams -= 1
            self._reply(stream_id, request, request.verdict(self._topic()))

    def end(self, how: End) -> None:
        """
        End the connection in one of many ways.
        """
        self.ended = True
        # Below TLS, where there is TLS.
        raw = getattr(self.transport, "transport", None) or self.transport
        match how:
            case End.RST:
                getattr(self.transport, "reset", self.transport.abortConnection)()
            case End.FIN:
                raw.loseConnection()
            case End.TLS_CLOSE:
                self.transport.loseConnection()
            case End.HALF_CLOSE:
                raw.loseWriteConnection()
        self._service.ledger.cut(self._answered)

    def go_away(self, last_stream_id: int, reason: str | None = None) -> None:
        """
        Send GOAWAY; answers to accepted streams can still be sent, as h2 does not know of it.
        """
        self.last_stream_id = last_stream_id
        for refused in [one for one in self._entries if one > last_stream_id]:
            self._entries.pop(refused).fate = Fate.REFUSED
            self.held.pop(refused, None)
        frame = GoAwayFrame(0, last_stream_id=last_stream_id)
        frame.additional_data = b"" if reason is None else json.dumps({"reason": reason}).encode()
        self.flush()
        self.transport.write(frame.serialize())

    def reply(self, stream_id: int, reply: Reply, apns_id: str) -> None:
        """
        Answer a request.
        """
        headers = [(":status", str(reply.status)), ("apns-id", apns_id)]
        body = reply.body()
        self.h2.send_headers(stream_id, headers, end_stream=not body)
        if body:
            self._unsent[stream_id] = body, reply
        else:
            self._note_answer(stream_id, reply)
        self._send_bodies()
        self.flush()

    def flush(self) -> None:
        """
        Send what there is to send.
        """
        data = self.h2.data_to_send()
        if data and not self.lost:
            self.transport.write(data)

    def _send_bodies(self) -> None:
        for stream_id, (body, reply) in list(self._unsent.items()):
            while (size := self._room(stream_id, body)) > 0:
                piece, body = body[:size], body[size:]
                padding = self._service.behaviour.padding
                self.h2.send_data(stream_id, piece, end_stream=not body, pad_length=padding)
            self._unsent[stream_id] = body, reply
            if not body:
                del self._unsent[stream_id]
                self._note_answer(stream_id, reply)

    def _room(self, stream_id: int, body: bytes) -> int:
        behaviour = self._service.behaviour
        # Padding and its length take credit, too.
        padding = 0 if behaviour.padding is None else behaviour.padding + 1
        room = self.h2.local_flow_control_window(stream_id) - padding
        # Long bodies in single bytes would take the tests too long.
        piece = max(behaviour.piece, len(body) // 500)
        return min(room, piece, len(body), 16_384 - padding)

    def _note_answer(self, stream_id: int, reply: Reply) -> None:
        entry = self._entries.pop(stream_id, None)
        if entry is not None and not self.lost:
            self._service.ledger.answered(entry, reply)
            self._answered.append(entry)
            if self.ended:
                self._service.ledger.cut([entry])

    # -- IProtocol ---------------------------------------------------------------------------------

    def connectionMade(self) -> None:
        """
        TCP is connected.
        """
        self._service.connections.append(self)
        if self._service.behaviour.send_settings:
            self.send_settings()
        self._service.happened()

    def dataReceived(self, data: bytes) -> None:
        """
        Bytes of requests.
        """
        if self.frozen:
            return
        try:
            for event in self.h2.receive_data(data):
                self._receive(event)
        except ProtocolError:
            self.flush()
            self.transport.loseConnection()
        self.flush()
        self._service.happened()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The connection is gone.
        """
        self.lost = True
        self.held.clear()
        self._service.ledger.cut(self._answered)
        self._service.happened()

    # -- inside ------------------------------------------------------------------------------------

    def _receive(self, event: events.Event) -> None:
        self.seen.append(event)
        match event:
            case events.RequestReceived():
                fields = tuple((str(name), str(value)) for name, value in event.headers)
                self._requests[event.stream_id] = (fields, bytearray())
                self.open_streams += 1
                self.most_streams = max(self.most_streams, self.open_streams)
            case events.DataReceived():
                self._requests[event.stream_id][1].extend(event.data)
                self._credit(event.stream_id, event.flow_controlled_length)
            case events.StreamEnded():
                fields, body = self._requests.pop(event.stream_id)
                self._answer(event.stream_id, Request(fields, bytes(body)))
            case events.StreamReset():
                self._unsent.pop(event.stream_id, None)
                self._entries.pop(event.stream_id, None)
                self.held.pop(event.stream_id, None)
                self.open_streams -= 1
            case events.WindowUpdated() | events.RemoteSettingsChanged():
                self._send_bodies()

    def _credit(self, stream_id: int, size: int) -> None:
        if self._service.behaviour.credit:
            self.h2.acknowledge_received_data(size, stream_id)
        else:
            self._owed[stream_id] = self._owed.get(stream_id, 0) + size

    def _answer(self, stream_id: int, request: Request) -> None:
        entry = self._service.ledger.arrived(request)
        if stream_id > self.last_stream_id:
            entry.fate = Fate.REFUSED
            return
        self._entries[stream_id] = entry
        self._service.requests.append(request)
        answer = self._service.behaviour.answer_to(request.token)
        match answer:
            case Silence():
                return
            case Held():
                self.held[stream_id] = request
                return
            case Reset(code):
                self.h2.reset_stream(stream_id, code)
                if code is ErrorCodes.REFUSED_STREAM:
                    self._entries.pop(stream_id).fate = Fate.REFUSED
            case GoAway(reason):
                self.go_away(max(0, stream_id - 2), reason)
            case _:
                self._reply(stream_id, request, answer or request.verdict(self._topic()))
        self.open_streams -= 1

    def _reply(self, stream_id: int, request: Request, reply: Reply) -> None:
        if reply.status == 200:
            self._service.accepted.append(request)
        self._service.on_reply(request, reply)
        self.reply(stream_id, reply, request.apns_id)

    def _topic(self) -> str:
        shown = getattr(self.transport, "getPeerCertificate", lambda: None)()
        if shown is None:
            return self._service.topic
        uids = shown.to_cryptography().subject.get_attributes_for_oid(NameOID.USER_ID)
        return str(uids[0].value) if uids else ""
