"""
The way to the certificate authorities, over HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from scepd.errors import UpstreamError


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """
    How we prove who we are to a certificate authority's TLS.

    :param certificate: PEM, the issuers behind it.
    :param private_key: its key, PEM, not encrypted.
    """

    certificate: str
    private_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class UpstreamTarget:
    """
    Where and how a certificate authority is reached.

    :param name: for log lines and metrics; also the key of its connection pool.
    :param trusted_certificates: PEM of the roots for https; None: the system's.
    :param pinned_sha256: of the certificate that must be shown over https, 64 lower-case hex
        digits; neither issuer nor host name count then.
    :param client: for https; None: we show no certificate.
    :param outgoing_proxy: ``http://host:port`` of the HTTP proxy on the way.
    """

    name: str
    url: str
    trusted_certificates: str | None
    pinned_sha256: str | None = None
    client: ClientCredentials | None = None
    outgoing_proxy: str | None = None


@dataclass(frozen=True, slots=True)
class UpstreamRequest:
    """
    The head of a request to a certificate authority.

    :param query: the raw query string that is put after the target's URL, up to where a streamed
        body begins.
    :param content_length: of the POST body; None: chunked.
    :param body_in_query: a GET PKIOperation: what is written becomes the ``message`` parameter in
        base64.
    :param resend: whether it may be sent again when a kept connection turns out to be dead: never a
        PKIOperation.
    """

    method: str
    query: bytes
    content_length: int | None = None
    body_in_query: bool = False
    resend: bool = False


class AnswerConsumer(Protocol):
    """
    Takes one certificate authority's answer as it arrives; exactly one of the last two methods ends
    it.
    """

    def answer_started(self, status: int, content_type: bytes | None, length: int | None) -> None:
        """
        Status line and headers are in. ``length``: of the body, when the CA said.
        """

    def answer_received(self, data: bytes) -> None:
        """
        Some bytes of the body.
        """

    def answer_finished(self) -> None:
        """
        The whole answer is in.
        """

    def answer_failed(self, error: UpstreamError) -> None:
        """
        No (whole) answer comes.
        """

    def pause_request(self) -> None:
        """
        The certificate authority is slow to read: write no more until :meth:`resume_request`.
        """

    def resume_request(self) -> None:
        """
        Write again.
        """


class UpstreamExchange(Protocol):
    """
    One request that is on its way to a certificate authority.
    """

    sent_whole: bool
    """
    Whether the last byte of the request was handed to the connection.
    """

    def write(self, data: bytes) -> None:
        """
        Pass on some bytes of the request's body.
        """

    def finish(self) -> None:
        """
        The request's body is complete.
        """

    def pause_answer(self) -> None:
        """
        Read no more of the answer until :meth:`resume_answer`.
        """

    def resume_answer(self) -> None:
        """
        Read on.
        """

    def abort(self) -> None:
        """
        Give up: the connection is closed, and the consumer hears nothing more.
        """


class Upstream(Protocol):
    """
    The way to the certificate authorities.
    """

    def start(
        self, target: UpstreamTarget, request: UpstreamRequest, consumer: AnswerConsumer
    ) -> UpstreamExchange:
        """
        Begin a streamed exchange, with the deadlines of the configuration.

        Where it fails at once, the consumer hears ``answer_failed`` before this returns.
        """

    async def fetch(
        self, target: UpstreamTarget, query: bytes, *, limit: int
    ) -> tuple[bytes, bytes]:
        """
        GET ``query`` and return (Content-Type, body).

        :raises UpstreamError: no whole answer of status 200 within ``limit`` bytes came.
        """
