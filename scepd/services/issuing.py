"""
The embedded certificate authority: it answers SCEP requests with certificates (RFC 8894).
"""

from __future__ import annotations

from dataclasses import dataclass

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from scepd.errors import (
    AccessDenied,
    ChallengeUnknown,
    Conflict,
    MessageError,
    NotFound,
    ScepdError,
)
from scepd.metrics import Metrics, counter
from scepd.model import ChallengeUse, IssuedCertificate
from scepd.pki.issuing import Issuer
from scepd.pki.keyring import RandomBytes
from scepd.pki.signing import build_certificates_only, build_signed_data
from scepd.ports import IssuingStore, Workers
from scepd.scep.capabilities import Capabilities
from scepd.scep.messages import PKIMessage
from scepd.services.ca_keys import CAKeys
from scepd.services.certification import Certification
from scepd.services.clock import utc_now
from scepd.services.issuers import Issuers
from scepd.services.issuing_answers import (
    Granted,
    Outcome,
    Waiting,
    build_answer,
    build_refusal,
    fail_info_of,
    granted,
)
from scepd.services.issuing_permission import IssuingPermission, Permission
from scepd.services.issuing_queries import IssuingQueries
from scepd.services.issuing_requests import (
    FaultyRequest,
    Received,
    ReceivedPoll,
    ReceivedQuery,
    ReceivedRequest,
    receive_message,
)
from scepd.services.issuing_settings import IssuingSettings
from scepd.services.request_approval import RequestApproval

# strongSwan looks for SHA-384 when it means AES and SHA-256.
_CAPABILITIES = (
    "AES",
    "DES3",
    "GetNextCACert",
    "POSTPKIOperation",
    "Renewal",
    "SHA-1",
    "SHA-256",
    "SHA-384",
    "SHA-512",
    "SCEPStandard",
)

_log = Logger()


@dataclass(frozen=True, slots=True)
class IssuingPorts:
    """
    What :class:`EmbeddedCA` works with.

    :param workers: for what begins with a request.
    :param finishers: for the last step, which goes before what others begin.
    """

    keys: CAKeys
    store: IssuingStore
    certification: Certification
    permission: IssuingPermission
    approval: RequestApproval
    queries: IssuingQueries
    clock: IReactorTime
    random: RandomBytes
    workers: Workers
    finishers: Workers
    metrics: Metrics


class EmbeddedCA:
    """
    Answers SCEP messages; what takes long is done in threads.
    """

    def __init__(self, ports: IssuingPorts, settings: IssuingSettings) -> None:
        self._ports = ports
        self._settings = settings

    def capabilities(self) -> bytes:
        """
        The answer to GetCACaps (RFC 8894 section 3.5.2).
        """
        allowed = {"SHA-1": self._settings.allow_sha1, "DES3": self._settings.allow_3des}
        words = tuple(word for word in _CAPABILITIES if allowed.get(word, True))
        return Capabilities(words).render()

    async def certificate(self) -> bytes:
        """
        The answer to GetCACert: the DER of the authority's current certificate.
        """
        return (await self._ports.keys.issuer()).certificate

    async def next_certificate(self) -> bytes:
        """
        The answer to GetNextCACert: the next certificate, signed with the current key (RFC 8894
        section 4.7).

        :raises NotFound: no roll-over is planned.
        """
        issuers = await self._ports.keys.issuers()
        if issuers.next is None:
            raise NotFound("there is no next certificate of the authority")
        content = build_certificates_only([issuers.next.certificate])
        current = issuers.current
        return await self._ports.workers(
            lambda: build_signed_data(content, [], current.key, current.certificate)
        )

    async def answer(self, message: bytes) -> bytes:
        """
        The answer to a PKIOperation: a CertRep.

        The same request gets the same certificate again, also when its challenge is spent.

        :param message: a pkiMessage, or what came as one.
        :raises MessageError: it is no SCEP message, so that SCEP has no answer to it.
        :raises StorageUnavailable: the database did not answer; nothing was issued.
        """
        workers, finishers = self._ports.workers, self._ports.finishers
        issuers = await self._ports.keys.issuers()
        received, offer = await workers(lambda: self._receive(message, issuers))
        if isinstance(received, FaultyRequest):
            return await self._refuse(received, received.fault)
        try:
            outcome = await self._outcome(received, offer, issuers)
        except (MessageError, AccessDenied, Conflict) as reason:
            return await self._refuse(received, reason)
        self._count(received, "PENDING" if isinstance(outcome, Waiting) else "SUCCESS", "none")
        return await finishers(lambda: build_answer(received, outcome, self._ports.random))

    def _receive(
        self, message: bytes, issuers: Issuers
    ) -> tuple[Received, IssuedCertificate | None]:
        """
        Read a message and, where it is likely to be allowed, make its certificate on the same way
        to a thread; nobody gets that one unless the store takes it.
        """
        received = receive_message(message, issuers, self._ports.random, self._settings)
        if not isinstance(received, ReceivedRequest):
            return received, None
        permission = self._ports.permission.guess(received)
        if permission is None or permission.waits:
            return received, None
        try:
            return received, self._make(received, permission, issuers.current)
        except MessageError:
            # It is told only to who may have a certificate.
            return received, None

    async def _outcome(
        self,
        received: ReceivedRequest | ReceivedPoll | ReceivedQuery,
        offer: IssuedCertificate | None,
        issuers: Issuers,
    ) -> Outcome:
        match received:
            case ReceivedPoll():
                return await self._ports.approval.poll(received)
            case ReceivedQuery():
                return await self._ports.queries.answer(received)
        if offer is not None:
            try:
                return await self._store(offer)
            except ChallengeUnknown:
                # The guess was wrong: there are challenges of other kinds.
                pass
        return await self._judged(received, issuers)

    async def _judged(self, received: ReceivedRequest, issuers: Issuers) -> Outcome:
        # A device that lost the answer asks again, with a challenge that is spent by now.
        known = await self._ports.store.issued(received.sha256)
        if known is not None:
            return _repeated(known)
        permission = await self._ports.permission.judge(received)
        if permission.waits:
            return await self._ports.approval.submit(received)
        made = await self._ports.workers(lambda: self._make(received, permission, issuers.current))
        return await self._store(made, permission.use)

    async def _store(self, made: IssuedCertificate, use: ChallengeUse | None = None) -> Granted:
        stored = await self._ports.store.issue(made, utc_now(self._ports.clock), use)
        if stored.serial != made.serial:
            return _repeated(stored)
        _log_issue("Issued {serial} for {subject!r} until {not_after}", stored)
        return granted(stored)

    def _make(
        self, received: ReceivedRequest, permission: Permission, issuer: Issuer
    ) -> IssuedCertificate:
        return self._ports.certification.certify(
            received.request,
            permission,
            issuer,
            transaction_id=received.message.transaction_id,
            request_sha256=received.sha256,
        )

    async def _refuse(self, received: Received, reason: ScepdError) -> bytes:
        _log.warn(
            "Refused a request: {reason}",
            reason=_in_full(reason),
            fail_info=fail_info_of(reason).word,
            transaction_id=received.message.transaction_id,
        )
        self._count(received, "FAILURE", fail_info_of(reason).word)
        random = self._ports.random
        return await self._ports.workers(lambda: build_refusal(received, reason, random))

    def _count(self, received: Received, status: str, fail_info: str) -> None:
        message = received.message
        word = message.message_type.word if isinstance(message, PKIMessage) else "unknown"
        counter(self._ports.metrics.ca_answers, word, status, fail_info).inc()


def _repeated(issued: IssuedCertificate) -> Granted:
    outcome = granted(issued)
    _log_issue("Answered a repeated request with {serial}", issued)
    return outcome


def _in_full(reason: ScepdError) -> str:
    # The sender is not told what came out of an envelope; the cause holds no part of it either.
    cause = reason.__cause__
    return f"{reason} ({_in_full(cause)})" if isinstance(cause, ScepdError) else str(reason)


def _log_issue(sentence: str, issued: IssuedCertificate) -> None:
    _log.info(
        sentence,
        serial=issued.serial,
        subject=issued.subject,
        not_after=issued.not_after.isoformat(),
        purpose=issued.purpose,
        transaction_id=issued.transaction_id,
    )
