"""
The embedded certificate authority: it answers SCEP requests with certificates (RFC 8894).
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from scepd.errors import AccessDenied, Conflict, MessageError, ScepdError
from scepd.model import EMBEDDED_CA, EnrollmentChallenge, IssuedCertificate
from scepd.pki.certificates import summarize
from scepd.pki.issuing import Issuer, Purpose, issue_certificate
from scepd.pki.keyring import RandomBytes
from scepd.pki.requests import CertificationRequest
from scepd.ports import IssuingStore, Workers
from scepd.scep.attributes import FailInfo
from scepd.scep.capabilities import Capabilities
from scepd.scep.messages import MessageHeader, PKIMessage
from scepd.scep.replies import build_cert_rep_failure, build_cert_rep_success
from scepd.services.ca_keys import CAKeys
from scepd.services.clock import utc_now
from scepd.services.delivery_challenges import DeliveryChallenges, JudgedChallenge
from scepd.services.issuing_requests import FaultyRequest, ReceivedRequest, receive_request

# strongSwan looks for SHA-384 when it means AES and SHA-256.
_CAPABILITIES = ("AES", "DES3", "POSTPKIOperation", "SHA-256", "SHA-384", "SHA-512", "SCEPStandard")

_log = Logger()


@dataclass(frozen=True, slots=True)
class IssuingSettings:
    """
    How certificates are issued.

    :param key_bits: of the authority's own key, when it is made.
    :param identity_lifetime: seconds, of a device's MDM identity.
    :param certificate_lifetime: seconds, of any other certificate.
    :param allow_single_des: whether requests may come in single DES.
    :param allow_sha1: whether messages may be signed with SHA-1.
    """

    key_bits: int = 3072
    identity_lifetime: float = 157_680_000
    certificate_lifetime: float = 31_536_000
    allow_single_des: bool = False
    allow_sha1: bool = True


class EmbeddedCA:
    """
    Answers SCEP requests; what takes long is done in threads.

    :param static_challenge: lets whoever knows it have certificates that are no MDM identities;
        None: there is none.
    :param deliveries: knows the challenges of deliveries that name this authority.
    """

    def __init__(
        self,
        keys: CAKeys,
        store: IssuingStore,
        clock: IReactorTime,
        random: RandomBytes,
        workers: Workers,
        settings: IssuingSettings,
        static_challenge: str | None = None,
        deliveries: DeliveryChallenges | None = None,
    ) -> None:
        self._keys = keys
        self._store = store
        self._clock = clock
        self._random = random
        self._workers = workers
        self._settings = settings
        self._static = _digest(static_challenge) if static_challenge else None
        self._deliveries = deliveries

    def capabilities(self) -> bytes:
        """
        The answer to GetCACaps (RFC 8894 section 3.5.2).
        """
        sha1 = ("SHA-1",) if self._settings.allow_sha1 else ()
        return Capabilities(_CAPABILITIES + sha1).render()

    async def certificate(self) -> bytes:
        """
        The answer to GetCACert: the DER of the authority's one certificate.
        """
        return (await self._keys.issuer()).certificate

    async def answer(self, message: bytes) -> bytes:
        """
        The answer to a PKIOperation: a CertRep SUCCESS or FAILURE.

        The same request gets the same certificate again, also when its challenge is spent.

        :param message: a pkiMessage, or what came as one.
        :raises MessageError: it is no SCEP message, so that SCEP has no answer to it.
        :raises StorageUnavailable: the database did not answer; nothing was issued.
        """
        issuer, settings = await self._keys.issuer(), self._settings
        received = await self._workers(
            lambda: receive_request(
                message,
                issuer,
                self._random,
                allow_single_des=settings.allow_single_des,
                allow_sha1=settings.allow_sha1,
            )
        )
        if isinstance(received, FaultyRequest):
            return await self._refuse(received.header, received.fault, issuer)
        try:
            issued = await self._issue(received, issuer)
        except (MessageError, AccessDenied, Conflict) as reason:
            return await self._refuse(received.message, reason, issuer)
        return await self._workers(
            lambda: build_cert_rep_success(
                received.message,
                issued.certificate,
                issuer.key,
                issuer.certificate,
                self._random,
                request_cipher=received.cipher,
            )
        )

    async def _issue(self, received: ReceivedRequest, issuer: Issuer) -> IssuedCertificate:
        # A device that lost the answer asks again, with a challenge that is spent by now.
        known = await self._store.issued(received.sha256)
        if known is not None:
            _log_issue("Answered a repeated request with {serial}", known)
            return known
        challenge = await self._challenge(received.request)
        made = await self._workers(lambda: self._make(received, challenge, issuer))
        use = challenge.use if isinstance(challenge, JudgedChallenge) else None
        issued = await self._store.issue(made, utc_now(self._clock), use)
        _log_issue("Issued {serial} for {subject!r} until {not_after}", issued)
        return issued

    async def _challenge(
        self, request: CertificationRequest
    ) -> EnrollmentChallenge | JudgedChallenge | None:
        """
        What allows a request: its enrollment challenge, that of a delivery, or None for the static
        challenge.

        :raises AccessDenied: nothing does.
        """
        if not request.challenge_password:
            raise AccessDenied("the request has no challenge")
        digest = _digest(request.challenge_password)
        challenge = await self._store.challenge(digest)
        if challenge is not None:
            self._check_challenge(challenge, request)
            return challenge
        delivery = await self._delivery(request)
        if delivery is not None:
            return delivery
        if self._static is None or not hmac.compare_digest(digest, self._static):
            raise AccessDenied("the challenge is not one of this authority")
        return None

    async def _delivery(self, request: CertificationRequest) -> JudgedChallenge | None:
        if self._deliveries is None:
            return None
        return await self._deliveries.judge(EMBEDDED_CA, request)

    def _check_challenge(
        self, challenge: EnrollmentChallenge, request: CertificationRequest
    ) -> None:
        if challenge.expires_at <= utc_now(self._clock):
            raise AccessDenied("the challenge has expired")
        if challenge.subject != request.subject:
            raise AccessDenied("the challenge is for another subject")
        if challenge.used_by not in (None, request.public_key_sha256):
            raise AccessDenied("the challenge was used for another key")

    def _make(
        self,
        received: ReceivedRequest,
        challenge: EnrollmentChallenge | JudgedChallenge | None,
        issuer: Issuer,
    ) -> IssuedCertificate:
        now = utc_now(self._clock)
        delivery = challenge.challenge if isinstance(challenge, JudgedChallenge) else None
        # Only who enrolls gets an identity: its challenge is what the record holds.
        enrollment = challenge if isinstance(challenge, EnrollmentChallenge) else None
        purpose = Purpose.ENROLL if enrollment else Purpose.PROFILE
        settings = self._settings
        seconds = settings.identity_lifetime if enrollment else settings.certificate_lifetime
        lifetime = timedelta(seconds=seconds)
        request = received.request
        der = issue_certificate(request, purpose, issuer, now, lifetime, self._random)
        summary = summarize(der)
        return IssuedCertificate(
            serial=summary.serial,
            certificate=der,
            sha256=summary.sha256,
            subject=summary.subject,
            purpose=purpose.value,
            transaction_id=received.message.transaction_id,
            request_sha256=received.sha256,
            public_key_sha256=request.public_key_sha256,
            challenge_sha256=None if enrollment is None else enrollment.sha256,
            not_after=summary.not_after,
            issued_at=now,
            host_uuid=None if delivery is None else delivery.host_uuid,
            profile_uuid=None if delivery is None else delivery.profile_uuid,
        )

    async def _refuse(
        self, header: MessageHeader | PKIMessage, reason: ScepdError, issuer: Issuer
    ) -> bytes:
        fail_info = FailInfo.BAD_REQUEST
        if isinstance(reason, MessageError):
            fail_info = FailInfo(reason.fail_info)
        _log.warn(
            "Refused a certificate: {reason}",
            reason=str(reason),
            fail_info=fail_info.word,
            transaction_id=header.transaction_id,
        )
        return await self._workers(
            lambda: build_cert_rep_failure(
                header, fail_info, issuer.key, issuer.certificate, self._random, text=str(reason)
            )
        )


def _digest(challenge: str) -> str:
    return sha256(challenge.encode()).hexdigest()


def _log_issue(sentence: str, issued: IssuedCertificate) -> None:
    _log.info(
        sentence,
        serial=issued.serial,
        subject=issued.subject,
        not_after=issued.not_after.isoformat(),
        purpose=issued.purpose,
        transaction_id=issued.transaction_id,
    )
