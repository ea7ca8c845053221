"""
A site whose requests' bodies are passed on as they arrive, on plain ``twisted.web``.

The Site of Twisted buffers each body whole before it looks at the request. Here a request is looked
at when its headers are in; one that nobody wants to stream is buffered as usual, up to a limit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.web import http
from twisted.web.resource import IResource
from twisted.web.server import Site

from scepd.web.http_channel import DeadlineChannel
from scepd.web.proxy_path import loggable
from scepd.web.request_receiver import RequestReceiver
from scepd.web.streamed_request import StreamedRequest

_log = Logger()


ReceiverFor = Callable[[StreamedRequest, int | None], RequestReceiver | None]
"""
Asked when a request's headers are in, with the length of its body, if that is known: who takes the
body as it comes. None: nobody, or the request was refused.
"""


def first_receiver(*some: ReceiverFor) -> ReceiverFor:
    """
    Ask each in turn until one takes the request, or refuses it.
    """

    def receiver_for(request: StreamedRequest, length: int | None) -> RequestReceiver | None:
        """
        The first receiver.
        """
        for each in some:
            receiver = each(request, length)
            if receiver is not None or request.startedWriting:
                return receiver
        return None

    return receiver_for


OnTooLong = Callable[[StreamedRequest, int | None, int], None]
"""
Told of a request that is refused because its body is too long: the length that its head says, if it
does, and the limit, both in bytes.
"""


class StreamingSite(Site):
    """
    A Site whose requests may be streamed.

    :param receiver_for: asked when a request's headers are in: who takes its body as it comes;
        None: it is buffered and goes to ``resource``, unless it was refused.
    :param body_limit: bytes of a body.
    :param body_limits: the same for some paths.
    :param length_statuses: the HTTP status of what is too long, for paths where it is not 413.
    :param request_timeout: seconds for a head, and again for a body, times in which we pause it not
        counted; also for a client to take the last of an answer when its connection is closed.
    :param minimum_speed: bytes per second of a body that is passed on as it comes, on average, once
        ``minimum_speed_after`` seconds are over, pauses not counted; 0: any.
    :param on_answer: told of method and status of each answer.
    :param on_too_long: told of bodies that are too long, before they are refused.
    :param tells_requests: whether the log tells what happens at level ``debug``.
    :param spell_refusal: status and a line of text → Content-Type and body of a refusal that needs
        no resource: too long, too slow.
    """

    protocol: Any = DeadlineChannel

    def __init__(
        self,
        resource: IResource,
        *,
        reactor: IReactorTime,
        body_limit: int,
        request_timeout: float,
        body_limits: Mapping[bytes, int] | None = None,
        length_statuses: Mapping[bytes, int] | None = None,
        minimum_speed: float = 0.0,
        minimum_speed_after: float = 5.0,
        receiver_for: ReceiverFor = lambda request, length: None,
        on_answer: Callable[[bytes, int], None] = lambda method, status: None,
        on_too_long: OnTooLong = lambda request, length, limit: None,
        tells_requests: Callable[[], bool] = lambda: True,
        spell_refusal: Callable[[int, bytes], tuple[bytes, bytes]] = (
            lambda status, text: (b"text/plain; charset=utf-8", text)
        ),
    ) -> None:
        # No body here is a form, and the look whether it is one takes as long as the request.
        super().__init__(
            resource,
            requestFactory=StreamedRequest,
            reactor=reactor,
            parsePOSTFormSubmission=False,
        )
        self._body_limit = body_limit
        self._body_limits = body_limits or {}
        self._length_statuses = length_statuses or {}
        self.request_timeout = request_timeout
        self.minimum_speed = minimum_speed
        self.minimum_speed_after = minimum_speed_after
        self.receiver_for = receiver_for
        self.spell_refusal = spell_refusal
        self._on_answer = on_answer
        self.on_too_long = on_too_long
        self._tells_requests = tells_requests

    def limit_for(self, path: bytes) -> int:
        """
        The most bytes of a body that is sent to ``path``.
        """
        return self._body_limits.get(path, self._body_limit)

    def length_status_for(self, path: bytes) -> int:
        """
        The HTTP status of a request to ``path`` whose body is too long.
        """
        return self._length_statuses.get(path, http.REQUEST_ENTITY_TOO_LARGE)

    def startFactory(self) -> None:
        """
        Twisted opens its access log here, which holds query strings; ours is :meth:`log`.
        """

    def stopFactory(self) -> None:
        """
        There is no log file to close.
        """

    def log(self, request: http.Request) -> None:
        """
        One line per answer, without its query string and token.
        """
        self._on_answer(request.method, request.code)
        if not self._tells_requests():
            return
        _log.debug(
            "{method} {path} {status} {bytes}",
            method=request.method.decode("ascii", "replace"),
            path=loggable(request.path).decode("ascii", "replace"),
            status=request.code,
            bytes=request.sentLength,
        )
