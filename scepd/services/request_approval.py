"""
Requests for certificates that an operator decides on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from scepd.errors import AccessDenied, CertificateUnknown, Conflict, EncodingError, NotFound
from scepd.model import (
    Activity,
    IssuedCertificate,
    PendingRequest,
    RequestState,
    pending_request_place,
)
from scepd.pki.identity import same_name
from scepd.pki.issuing import Purpose, check_issuable
from scepd.pki.keyring import Keyring, RandomBytes
from scepd.pki.requests import CertificationRequest, parse_request
from scepd.ports import IssuingStore, PendingRequestStore, Workers
from scepd.services.ca_keys import CAKeys
from scepd.services.certification import Certification
from scepd.services.clock import utc_now
from scepd.services.issuing_answers import Granted, Waiting, granted
from scepd.services.issuing_permission import Permission
from scepd.services.issuing_requests import (
    FOREIGN_ISSUER,
    NO_SUCH_REQUEST,
    ReceivedPoll,
    ReceivedRequest,
)

MOST_WAITING = 1000
_KEPT = timedelta(days=7)
_APPROVED = Permission(Purpose.PROFILE)

_log = Logger()


@dataclass(frozen=True, slots=True)
class ApprovalPorts:
    """
    What :class:`RequestApproval` works with.

    :param keyring: gives the keyring as it was read last.
    :param new_id: makes a fresh uuid.
    """

    requests: PendingRequestStore
    issuing: IssuingStore
    keys: CAKeys
    certification: Certification
    keyring: Callable[[], Keyring]
    workers: Workers
    clock: IReactorTime
    random: RandomBytes
    new_id: Callable[[], str]


class RequestApproval:
    """
    Keeps requests until an operator has decided, and for a week at most; tells clients what became
    of theirs.
    """

    def __init__(self, ports: ApprovalPorts) -> None:
        self._ports = ports

    # -- what clients ask --------------------------------------------------------------------------

    async def submit(self, received: ReceivedRequest) -> Granted | Waiting:
        """
        Let a request wait, or tell what became of the same one.

        :raises AccessDenied: it was denied, or its certificate was revoked.
        :raises Conflict: another key lives under this transactionID, or too many requests wait.
        :raises MessageError: it asks for what is not issued, whatever an operator says.
        """
        ports, request = self._ports, received.request
        await ports.workers(lambda: check_issuable(request, _APPROVED.purpose))
        wanted = self._record(received)
        stored = await ports.requests.add_request(wanted, MOST_WAITING)
        if isinstance(stored, IssuedCertificate):
            return granted(stored)
        if stored.id == wanted.id:
            _log.info(
                "A request for {subject!r} waits for an operator",
                subject=stored.subject,
                request=stored.id,
                transaction_id=stored.transaction_id,
            )
        return await self._outcome(stored)

    async def poll(self, received: ReceivedPoll) -> Granted | Waiting:
        """
        Tell the signer of a request what became of it (RFC 8894 section 3.3.3).

        :raises CertificateUnknown: there is no such request, or not of this signer.
        :raises AccessDenied: it was denied, or its certificate was revoked.
        """
        message, asked = received.message, received.asked
        issuers = await self._ports.keys.issuers()
        if issuers.named(asked.issuer) is None:
            raise CertificateUnknown(NO_SUCH_REQUEST) from NotFound(FOREIGN_ISSUER)
        stored = await self._ports.requests.polled_request(
            message.transaction_id, message.signer_key_sha256, utc_now(self._ports.clock)
        )
        if stored is None or not _is_for(asked.subject, self._opened(stored)):
            raise CertificateUnknown(NO_SUCH_REQUEST) from NotFound("no request has those names")
        return await self._outcome(stored)

    # -- what operators do -------------------------------------------------------------------------

    async def list(
        self, *, waiting: bool = False, after: str = "", limit: int = 100
    ) -> Sequence[PendingRequest]:
        """
        A page of requests, newest first.

        :param waiting: only those that nobody decided on.
        :param after: the id of the last one of the page before.
        """
        now = utc_now(self._ports.clock)
        return await self._ports.requests.pending_requests(
            now, waiting=waiting, after=after, limit=limit
        )

    async def approve(self, id: str, actor: str) -> PendingRequest:
        """
        Issue the certificate that a request waits for.

        :param actor: the name of the operator's token.
        :raises NotFound: there is no such request.
        :raises Conflict: it was decided on before.
        :raises MessageError: what it asks for is not issued.
        """
        stored = await self._waiting(id)
        issuer = await self._ports.keys.issuer()
        certificate = await self._ports.workers(
            lambda: self._ports.certification.certify(
                self._opened(stored),
                _APPROVED,
                issuer,
                transaction_id=stored.transaction_id,
                request_sha256=stored.request_sha256,
            )
        )
        return await self._decide(stored, RequestState.APPROVED, actor, certificate)

    async def deny(self, id: str, actor: str) -> PendingRequest:
        """
        Refuse a request.

        :param actor: the name of the operator's token.
        :raises NotFound: there is no such request.
        :raises Conflict: it was decided on before.
        """
        return await self._decide(await self._waiting(id), RequestState.DENIED, actor, None)

    # -- the parts ---------------------------------------------------------------------------------

    async def _waiting(self, id: str) -> PendingRequest:
        stored = await self._ports.requests.pending_request(id, utc_now(self._ports.clock))
        if stored is None:
            raise NotFound("there is no such request")
        if stored.state is not RequestState.PENDING:
            raise Conflict(f"the request was {stored.state.value} before")
        return stored

    async def _decide(
        self,
        stored: PendingRequest,
        state: RequestState,
        actor: str,
        certificate: IssuedCertificate | None,
    ) -> PendingRequest:
        now = utc_now(self._ports.clock)
        decided = replace(
            stored,
            state=state,
            decided_at=now,
            decided_by=actor,
            expires_at=now + _KEPT,
            serial=None if certificate is None else certificate.serial,
        )
        subject = f"{stored.subject or stored.alternative_names[0]} ({stored.id})"
        activity = Activity(now, actor, f"{state.value} certificate request", subject)
        await self._ports.requests.decide_request(decided, certificate, activity)
        return decided

    async def _outcome(self, stored: PendingRequest) -> Granted | Waiting:
        # Under another `approval` the same request may have been let through by itself.
        issued = await self._ports.issuing.issued(stored.request_sha256)
        if issued is not None:
            return granted(issued)
        if stored.state is RequestState.DENIED:
            raise AccessDenied("an operator denied the request")
        return Waiting()

    def _record(self, received: ReceivedRequest) -> PendingRequest:
        ports, message, request = self._ports, received.message, received.request
        id, now = ports.new_id(), utc_now(ports.clock)
        place = pending_request_place(id)
        return PendingRequest(
            id=id,
            transaction_id=message.transaction_id,
            request_sha256=received.sha256,
            signer_key_sha256=message.signer_key_sha256,
            signer_certificate=message.signer_certificate,
            public_key_sha256=request.public_key_sha256,
            request=ports.keyring().seal(request.der, place, ports.random),
            subject=request.subject,
            alternative_names=request.alternative_names,
            created_at=now,
            expires_at=now + _KEPT,
        )

    def _opened(self, stored: PendingRequest) -> CertificationRequest:
        place = pending_request_place(stored.id)
        encoded = self._ports.keyring().open(stored.request, place)
        # It was let in by the options of its time.
        return parse_request(encoded, minimum_key_bits=1024, allow_sha1=True)


def _is_for(subject: bytes, request: CertificationRequest) -> bool:
    try:
        return same_name(subject, request.subject_der)
    except EncodingError:
        return False
