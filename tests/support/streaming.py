"""
A StreamingSite, its receivers and a connection to it, in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import Request

from scepd.web.streamed_request import StreamedRequest
from scepd.web.streaming import StreamingSite
from tests.support.http_device import DeviceEnd
from tests.support.proxy import REQUEST_TIMEOUT

BODY_LIMIT = 1000
GET = b"GET /stream HTTP/1.1\r\n\r\n"
CHUNKED = b"POST /stream HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
POST_10 = b"POST /stream HTTP/1.1\r\nContent-Length: 10\r\n\r\n"


@dataclass
class RecordingReceiver:
    """
    Keeps what it was told of a request.

    :param heard: what it was told, bodies' bytes aside.
    :param on_start: what it does when the request is there.
    :param on_data: what it does at each part of the body.
    """

    request: StreamedRequest
    on_start: Callable[[StreamedRequest], None]
    body: bytearray = field(default_factory=bytearray)
    heard: list[str] = field(default_factory=list)
    on_data: Callable[[], None] = lambda: None
    is_hurried: bool = True

    def request_started(self) -> None:
        """
        As the protocol says.
        """
        self.on_start(self.request)

    def request_received(self, data: bytes) -> None:
        """
        As the protocol says.
        """
        self.body += data
        self.on_data()

    def request_finished(self) -> None:
        """
        As the protocol says.
        """
        self.heard.append("finished")

    def request_too_long(self, limit: int) -> None:
        """
        As the protocol says.
        """
        self.heard.append(f"longer than {limit}")

    def request_too_slow(self, sentence: str) -> None:
        """
        As the protocol says.
        """
        self.heard.append("too slow")

    def connection_lost(self) -> None:
        """
        As the protocol says.
        """
        self.heard.append("lost")

    def pause_answer(self) -> None:
        """
        As the protocol says.
        """
        self.heard.append("pause")

    def resume_answer(self) -> None:
        """
        As the protocol says.
        """
        self.heard.append("resume")


class EchoResource(Resource):
    """
    Answers with the request's method and body.
    """

    isLeaf = True

    def render(self, request: Request) -> bytes:
        """
        The body as it was buffered.
        """
        assert request.content is not None
        body: bytes = request.content.read()
        return request.method + b" " + body


class StreamingTestCase(SynchronousTestCase):
    """
    A site that streams below ``/stream`` and buffers for the rest, and one connection to it.
    """

    def setUp(self) -> None:
        """
        Connect.
        """
        self.clock = Clock()
        self.receivers: list[RecordingReceiver] = []
        self.counted: list[tuple[bytes, int]] = []
        self.on_start: Callable[[StreamedRequest], None] = lambda request: None
        self.site = StreamingSite(
            EchoResource(),
            reactor=self.clock,
            body_limit=BODY_LIMIT,
            request_timeout=REQUEST_TIMEOUT,
            receiver_for=self.receiver_for,
            on_answer=lambda method, status: self.counted.append((method, status)),
        )
        self.device = DeviceEnd(self.site)

    def receiver_for(
        self, request: StreamedRequest, length: int | None
    ) -> RecordingReceiver | None:
        """
        Stream what is below ``/stream``.
        """
        if not request.path.startswith(b"/stream"):
            return None
        self.receivers.append(RecordingReceiver(request, self.on_start))
        return self.receivers[-1]

    @property
    def receiver(self) -> RecordingReceiver:
        """
        The newest receiver.
        """
        return self.receivers[-1]

    def answer(self, body: bytes = b"fine", length: int | None = None) -> None:
        """
        Answer the newest request, whole.
        """
        request = self.receiver.request
        request.begin("text/plain", length)
        request.pass_on(body)
        request.end()
