"""
The device's HTTP: short requests, each with a deadline.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache

import httpx

from scepd.simulator.failures import DeviceError, NoAnswer

_SECONDS = 60.0
_LARGEST_ANSWER = 32 * 1024 * 1024
_LONGEST_QUOTE = 200
_SHORTEST_SECRET = 8


@dataclass(frozen=True, slots=True)
class Answer:
    """
    An HTTP answer.

    :param status: such as 200.
    :param body: may hold a profile with its challenge.
    """

    status: int
    body: bytes = field(repr=False)


class DeviceHTTP:
    """
    A client that keeps its connections alive; of one thread at a time.

    :param verify: whether, or by which context, the server's TLS certificate is checked.
    :param transport: goes in place of the network.
    :param seconds: for each step of a request, and until an answer's body has to be there.
    :param clock: seconds that only grow.
    """

    def __init__(
        self,
        *,
        verify: bool | ssl.SSLContext = True,
        transport: httpx.BaseTransport | None = None,
        seconds: float = _SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = httpx.Client(
            timeout=seconds,
            verify=_usual_trust() if verify is True else verify,
            transport=transport,
            trust_env=False,
            # Nothing is unpacked here, so that no answer can grow.
            headers={"Accept-Encoding": "identity"},
        )
        self._seconds = seconds
        self._clock = clock

    def request(
        self,
        method: str,
        url: str,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        largest: int = _LARGEST_ANSWER,
    ) -> Answer:
        """
        Send a request.

        :param method: such as ``GET``.
        :param url: with its query; it may hold a token.
        :param content: the body.
        :param headers: beside the usual ones.
        :param largest: octets of the answer's body.
        :returns: the answer, whatever its status.
        :raises NoAnswer: the URL is none, or no answer came.
        :raises DeviceError: no whole answer came in time, or too much of it.
        """
        deadline = self._clock() + self._seconds
        try:
            with self._client.stream(method, url, content=content, headers=headers) as answer:
                return Answer(answer.status_code, self._body(answer, deadline, largest))
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            # Neither the URL nor httpx's own words, which quote it: it may hold a token.
            raise NoAnswer(f"{method}: no answer: {_reason(error)}") from None

    def expect(
        self,
        method: str,
        url: str,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        largest: int = _LARGEST_ANSWER,
    ) -> bytes:
        """
        Send a request that has to succeed.

        :param method: such as ``GET``.
        :param url: with its query.
        :param content: the body.
        :param headers: beside the usual ones.
        :param largest: octets of the answer's body.
        :returns: the body of the answer.
        :raises NoAnswer: as ``request``, or the status is not 200.
        :raises DeviceError: as ``request``.
        """
        answer = self.request(method, url, content=content, headers=headers, largest=largest)
        if answer.status != 200:
            told = f"{method}: HTTP {answer.status}: {_quote(answer.body, url)}"
            raise NoAnswer(told, answer.status)
        return answer.body

    def close(self) -> None:
        """
        End the connections; a second time does nothing.
        """
        self._client.close()

    def _body(self, answer: httpx.Response, deadline: float, largest: int) -> bytes:
        method = answer.request.method
        body = bytearray()
        for part in answer.iter_raw():
            body += part
            if len(body) > largest:
                raise DeviceError(f"{method}: the answer is longer than {largest} bytes")
            if self._clock() > deadline:
                raise DeviceError(f"{method}: the answer took more than {self._seconds:g} s")
        return bytes(body)


@cache
def _usual_trust() -> ssl.SSLContext:
    """
    What httpx trusts by itself; made once, as it takes 20 ms and a megabyte, and there may be
    thousands of devices.
    """
    return httpx.create_ssl_context(trust_env=False)


def _reason(error: BaseException) -> str:
    """
    Say why there is no connection, in the system's or TLS's words, which hold no URL.
    """
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, ssl.SSLCertVerificationError):
            return f"its TLS certificate is refused: {inner.verify_message}"
        if isinstance(inner, ssl.SSLError):
            return f"TLS failed: {inner.reason}"
        if isinstance(inner, OSError) and inner.strerror:
            return inner.strerror
        inner = inner.__cause__ or inner.__context__
    return type(error).__name__


def _quote(body: bytes, url: str) -> str:
    """
    Quote an answer in one printable line, without the values of the request's query.
    """
    words = body[: 10 * _LONGEST_QUOTE].decode("utf-8", "replace").split()
    text = "".join(each for each in " ".join(words) if each.isprintable())
    for pair in url.partition("?")[2].split("&"):
        value = pair.partition("=")[2]
        if len(value) >= _SHORTEST_SECRET:
            text = text.replace(value, "…")
    return text[:_LONGEST_QUOTE]
