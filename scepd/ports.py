"""
What the services need from outside, split by verb. Storage and network provide it; tests bring
fakes.

Each storage method is one unit of work: it returns after its commit, and raises
:class:`~scepd.errors.StorageUnavailable` when nothing of it was stored.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from scepd.errors import UpstreamError
from scepd.model import (
    Activity,
    APIToken,
    CertificateAuthority,
    EnrollmentWindow,
    Host,
    HostProfile,
    Profile,
    Reservation,
    SCEPExchange,
    WindowOutcome,
)

T = TypeVar("T")


class CertificateAuthorityStore(Protocol):
    """
    The certificate authorities that operators added.
    """

    async def add_certificate_authority(self, ca: CertificateAuthority, activity: Activity) -> None:
        """
        Store a new one.

        :raises Conflict: the name is taken.
        """

    async def certificate_authority(self, name: str) -> CertificateAuthority | None:
        """
        The one of that name, or None.
        """

    async def certificate_authorities(
        self, *, after: str = "", limit: int = 100
    ) -> Sequence[CertificateAuthority]:
        """
        At most ``limit`` of them by name, from the first name greater than ``after``.
        """

    async def certificate_authority_names(self) -> frozenset[str]:
        """
        The names of all of them.
        """

    async def record_check(
        self,
        name: str,
        certificates: tuple[bytes, ...],
        capabilities: tuple[str, ...],
        checked_at: datetime,
    ) -> None:
        """
        Store what a live check of it brought.

        :raises NotFound: it is gone.
        """

    async def remove_certificate_authority(
        self, name: str, activity: Activity, *, force: bool
    ) -> None:
        """
        Remove it.

        :raises NotFound: there is none of that name.
        :raises Conflict: profiles use it (the text names up to five by their identifiers) and
            ``force`` is false.
        """


class ProfileStore(Protocol):
    """
    The configuration profiles that operators uploaded.
    """

    async def add_profile(self, profile: Profile, activity: Activity) -> None:
        """
        Store a new one.

        :raises Conflict: its identifier is taken, or one of its certificate authorities is gone.
        """

    async def profile(self, uuid: str) -> Profile | None:
        """
        The one of that uuid, or None.
        """

    async def profiles(self, *, after: str = "", limit: int = 100) -> Sequence[Profile]:
        """
        At most ``limit`` of them by identifier, from the first greater than ``after``.
        """

    async def remove_profile(self, uuid: str, activity: Activity) -> None:
        """
        Remove it and its assignments; windows of it are closed.

        :raises NotFound: there is none of that uuid.
        """


class HostStore(Protocol):
    """
    The hosts.
    """

    async def put_host(self, host: Host) -> None:
        """
        Store a host, in place of one of the same uuid.
        """

    async def host(self, uuid: str) -> Host | None:
        """
        The one of that uuid, or None.
        """


class AssignmentStore(Protocol):
    """
    Which host should have which profile, and the windows that deliveries open.
    """

    async def assign(self, assignment: HostProfile) -> None:
        """
        Store an assignment, in place of one of the same host and profile.

        :raises NotFound: the host or the profile does not exist.
        """

    async def assignment(self, host_uuid: str, profile_uuid: str) -> HostProfile | None:
        """
        The assignment of that profile to that host, or None.
        """

    async def assignments_of_profile(
        self, profile_uuid: str, *, after: str = "", limit: int = 100
    ) -> Sequence[HostProfile]:
        """
        At most ``limit`` assignments of a profile by host uuid, from the first greater than
        ``after``.
        """

    async def explain(self, host_uuid: str, profile_uuid: str, detail: str) -> None:
        """
        Set the detail of an assignment; nothing happens when there is none.
        """

    async def open_window(self, window: EnrollmentWindow) -> None:
        """
        Store a fresh open window and close every other one of the same host and profile.
        """


@dataclass(frozen=True, slots=True)
class Subject:
    """
    Whom a proxied request speaks for: the three parts of its URL.
    """

    host_uuid: str
    profile_uuid: str
    ca_name: str


@dataclass(frozen=True, slots=True)
class SignedBy:
    """
    Who signed a PKIOperation, for a locked window; only from a verified signature.
    """

    signer_key_sha256: str
    transaction_id: str


class EnrollmentStore(Protocol):
    """
    The proxy's view of windows and exchanges.
    """

    async def is_assigned(self, subject: Subject) -> bool:
        """
        Whether the host has that profile as an install with that certificate authority.
        """

    async def reserve_window(
        self,
        subject: Subject,
        exchange_id: str,
        *,
        now: datetime,
        until: datetime,
        signed_by: SignedBy | None = None,
    ) -> Reservation:
        """
        Reserve the subject's window for one exchange until ``until`` at the latest.

        An open window, or one whose reservation ran out, is reserved. A locked one is reserved only
        for its
        ``signed_by``; without one the answer is LOCKED. A window past its deadline is CLOSED.
        """

    async def settle_window(
        self, exchange: SCEPExchange, outcome: WindowOutcome, signed_by: SignedBy | None
    ) -> None:
        """
        Store the exchange and give its window back, in one transaction.

        REOPEN: open again (or locked as before, when it was). LOCK: locked to ``signed_by`` (to
        nobody when None).
        LOCK_PENDING: likewise, and its deadline becomes 7 days from the exchange. A window that
        another exchange
        reserved meanwhile is left as it is; the exchange is stored all the same.
        """

    async def record_refusal(self, exchange: SCEPExchange, *, redeliver: bool) -> None:
        """
        Store the exchange of a PKIOperation that was not let through. With ``redeliver``, and while
        its assignment is
        pending or verifying, make the assignment due at once, at most once per hour and host.
        """

    async def exchanges(
        self, *, host_uuid: str | None = None, before: datetime | None = None, limit: int = 100
    ) -> Sequence[SCEPExchange]:
        """
        At most ``limit`` exchanges, newest first: of one host, or of all; older than ``before``, or
        from the newest.
        """


class APITokenStore(Protocol):
    """
    The admin API's tokens.
    """

    async def add_api_token(self, token: APIToken) -> None:
        """
        Store a token.
        """

    async def api_token(self, sha256: str) -> APIToken | None:
        """
        The token with that SHA-256, or None.
        """


class ActivityStore(Protocol):
    """
    What operators did.
    """

    async def activities(
        self, *, before_id: int | None = None, limit: int = 100
    ) -> Sequence[tuple[int, Activity]]:
        """
        At most ``limit`` (id, activity), newest first, below ``before_id``.
        """


class Health(Protocol):
    """
    What ``/readyz`` asks of the database.
    """

    async def ping(self) -> None:
        """
        Return when the database took and answered a read and a write.

        :raises StorageUnavailable: it did not, or not within its deadline.
        """


class Workers(Protocol):
    """
    Threads for work that would hold the reactor for more than a millisecond.
    """

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]:
        """
        Run ``work`` in a thread and wait for what it returns or raises.
        """


# -- the certificate authorities, over HTTP --------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UpstreamTarget:
    """
    Where and how a certificate authority is reached.

    :param name: for log lines and metrics; also the key of its connection pool.
    :param trusted_certificates: PEM of the roots for https; None: the system's.
    """

    name: str
    url: str
    trusted_certificates: str | None


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
        """

    async def fetch(
        self, target: UpstreamTarget, query: bytes, *, limit: int
    ) -> tuple[bytes, bytes]:
        """
        GET ``query`` and return (Content-Type, body).

        :raises UpstreamError: no whole answer of status 200 within ``limit`` bytes came.
        """
