"""
A double of Apple's push service that speaks HTTP/2 on h2, over whatever transport it is given.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
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

from tests.support.apns_requests import Reply, Request


@dataclass(frozen=True, slots=True)
class Silence:
    """
    The request is never answered.
    """


@dataclass(frozen=True, slots=True)
class Reset:
    """
    The request's stream is reset; REFUSED_STREAM says that nothing was done with it.
    """

    code: ErrorCodes


@dataclass(frozen=True, slots=True)
class GoAway:
    """
    The connection is given up: GOAWAY comes, and this request counts as not processed.
    """

    reason: str | None = None


Answer = Reply | Silence | Reset | GoAway


@dataclass(slots=True)
class Behaviour:
    """
    What the double does other than answer well; may be changed at any time.

    :param answers: by token in hexadecimal; a list is used up, one answer per request.
    :param always: the answer to whatever ``answers`` does not name; None: Apple's own verdict.
    :param max_streams: that one connection may have.
    :param window: the initial window of each stream.
    :param send_settings: whether SETTINGS come when a connection opens; else the test sends them.
    :param credit: whether received bodies are credited.
    """

    answers: dict[str, Answer | list[Answer]] = field(default_factory=dict)
    always: Answer | None = None
    max_streams: int = 1000
    window: int = 65_535
    send_settings: bool = True
    credit: bool = True

    def answer_to(self, token: str) -> Answer | None:
        """
        What the next request for a token gets, if not Apple's own verdict.
        """
        answer = self.answers.get(token, self.always)
        if isinstance(answer, list):
            return answer.pop(0) if answer else None
        return answer


class APNsDouble(Factory):
    """
    The service, and what it has seen.

    :param topic: of the client's certificate, for connections without TLS.
    :ivar connections: every connection, in order.
    :ivar requests: every whole request, in order, whatever became of it.
    :ivar accepted: those that were answered with 200.
    """

    noisy = False

    def __init__(
        self, topic: str = "", on_reply: Callable[[Request, Reply], None] = lambda *_: None
    ) -> None:
        self.topic = topic
        self.behaviour = Behaviour()
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
        self.open_streams = self.most_streams = 0
        self.last_stream_id = 2**31 - 1
        self.seen: list[events.Event] = []
        self._unsent: dict[int, bytes] = {}
        self.frozen = self.lost = False
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
        self.h2.initiate_connection()
        self.flush()

    def change_settings(self, max_streams: int) -> None:
        """
        Change how many streams there may be.
        """
        self.h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: max_streams})
        self.flush()

    def go_away(self, last_stream_id: int, reason: str | None = None) -> None:
        """
        Send GOAWAY; answers to accepted streams can still be sent, as h2 does not know of it.
        """
        self.last_stream_id = last_stream_id
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
            self._unsent[stream_id] = body
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
        for stream_id, body in list(self._unsent.items()):
            size = min(self.h2.local_flow_control_window(stream_id), 16_384, len(body))
            while size > 0:
                piece, body = body[:size], body[size:]
                self.h2.send_data(stream_id, piece, end_stream=not body)
                size = min(self.h2.local_flow_control_window(stream_id), 16_384, len(body))
            self._unsent[stream_id] = body
            if not body:
                del self._unsent[stream_id]

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
                if self._service.behaviour.credit:
                    size = event.flow_controlled_length
                    self.h2.acknowledge_received_data(size, event.stream_id)
            case events.StreamEnded():
                fields, body = self._requests.pop(event.stream_id)
                self._answer(event.stream_id, Request(fields, bytes(body)))
            case events.StreamReset():
                self._unsent.pop(event.stream_id, None)
                self.open_streams -= 1
            case events.WindowUpdated() | events.RemoteSettingsChanged():
                self._send_bodies()

    def _answer(self, stream_id: int, request: Request) -> None:
        if stream_id > self.last_stream_id:
            return
        self._service.requests.append(request)
        answer = self._service.behaviour.answer_to(request.token)
        match answer:
            case Silence():
                return
            case Reset(code):
                self.h2.reset_stream(stream_id, code)
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
