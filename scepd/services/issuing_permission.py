"""
What allows a request for a certificate: a challenge, or the certificate that it renews.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from hashlib import sha256

from twisted.internet.interfaces import IReactorTime

from scepd.errors import AccessDenied, PermanentError, SignatureInvalid
from scepd.model import EMBEDDED_CA, ChallengeUse, EnrollmentChallenge, IssuedCertificate
from scepd.pki.alternative_names import name_texts
from scepd.pki.certificates import load_certificate
from scepd.pki.decoding import reading
from scepd.pki.issuing import Purpose
from scepd.pki.requests import CertificationRequest
from scepd.ports import IssuingStore
from scepd.services.clock import utc_now
from scepd.services.delivery_challenges import DeliveryChallenges
from scepd.services.issuing_requests import ReceivedRequest


@dataclass(frozen=True, slots=True)
class Permission:
    """
    What a request may have, and what is spent for it when the certificate is stored.

    :param purpose: of the certificate.
    :param challenge_sha256: the enrollment challenge that is spent, hex.
    :param renewed_sha256: the certificate that is renewed, hex.
    :param use: the challenge of a delivery that is spent.
    :param host_uuid: whose delivery it is for.
    :param profile_uuid: likewise.
    :param waits: whether an operator decides.
    """

    purpose: Purpose
    challenge_sha256: str | None = None
    renewed_sha256: str | None = None
    use: ChallengeUse | None = None
    host_uuid: str | None = None
    profile_uuid: str | None = None
    waits: bool = False


class IssuingPermission:
    """
    Judges requests. What is judged here is judged once more where it is spent, in the transaction
    that stores the certificate.

    :param static_challenge: lets whoever knows it have certificates that are no MDM identities;
        None: there is none.
    :param deliveries: knows the challenges of deliveries that name this authority.
    :param manual: whether an operator decides on requests with the static challenge.
    """

    def __init__(
        self,
        store: IssuingStore,
        clock: IReactorTime,
        static_challenge: str | None = None,
        deliveries: DeliveryChallenges | None = None,
        *,
        manual: bool = False,
    ) -> None:
        self._store = store
        self._clock = clock
        self._static = _digest(static_challenge) if static_challenge else None
        self._deliveries = deliveries
        self._manual = manual

    def guess(self, received: ReceivedRequest) -> Permission | None:
        """
        What most likely allows a request, without a look at what is stored; the transaction that
        stores the certificate finds out whether it does.

        :returns: None when only :meth:`judge` can tell.
        """
        challenge = received.request.challenge_password
        if received.is_renewal or received.signer_is_ours or not challenge:
            return None
        digest = _digest(challenge)
        return self._by_static_challenge(digest) or Permission(Purpose.ENROLL, digest)

    async def judge(self, received: ReceivedRequest) -> Permission:
        """
        What allows a request.

        :raises AccessDenied: nothing does.
        :raises SignatureInvalid: it is a RenewalReq by somebody whose certificate is not ours.
        :raises StorageUnavailable: the database did not answer.
        """
        if not received.is_renewal and not received.signer_is_ours:
            return await self._by_challenge(received.request)
        try:
            return await self._by_certificate(received)
        except PermanentError:
            # Clients that enroll anew may sign with what they have.
            if received.is_renewal or not received.request.challenge_password:
                raise
            return await self._by_challenge(received.request)

    async def _by_certificate(self, received: ReceivedRequest) -> Permission:
        fingerprint = sha256(received.message.signer_certificate).hexdigest()
        renewed = await self._store.certificate_by_sha256(fingerprint)
        if renewed is None:
            raise SignatureInvalid("the signer's certificate is not one of this authority")
        if renewed.revoked_at is not None:
            raise AccessDenied("the signer's certificate has been revoked")
        if renewed.not_after <= utc_now(self._clock):
            raise AccessDenied("the signer's certificate has expired")
        _check_names(renewed, received.request)
        return Permission(
            Purpose(renewed.purpose),
            renewed_sha256=fingerprint,
            host_uuid=renewed.host_uuid,
            profile_uuid=renewed.profile_uuid,
        )

    async def _by_challenge(self, request: CertificationRequest) -> Permission:
        if not request.challenge_password:
            raise AccessDenied("the request has no challenge")
        digest = _digest(request.challenge_password)
        challenge = await self._store.challenge(digest)
        if challenge is not None:
            self._check_challenge(challenge, request)
            return Permission(Purpose.ENROLL, digest)
        found = await self._by_delivery(request) or self._by_static_challenge(digest)
        if found is None:
            raise AccessDenied("the challenge is not one of this authority")
        return found

    async def _by_delivery(self, request: CertificationRequest) -> Permission | None:
        if self._deliveries is None:
            return None
        judged = await self._deliveries.judge(EMBEDDED_CA, request)
        if judged is None:
            return None
        challenge = judged.challenge
        return Permission(
            Purpose.PROFILE,
            use=judged.use,
            host_uuid=challenge.host_uuid,
            profile_uuid=challenge.profile_uuid,
        )

    def _by_static_challenge(self, digest: str) -> Permission | None:
        if self._static is None or not hmac.compare_digest(digest, self._static):
            return None
        return Permission(Purpose.PROFILE, waits=self._manual)

    def _check_challenge(
        self, challenge: EnrollmentChallenge, request: CertificationRequest
    ) -> None:
        if challenge.expires_at <= utc_now(self._clock):
            raise AccessDenied("the challenge has expired")
        if challenge.subject != request.subject:
            raise AccessDenied("the challenge is for another subject")
        if challenge.used_by not in (None, request.public_key_sha256):
            raise AccessDenied("the challenge was used for another key")


def _check_names(renewed: IssuedCertificate, request: CertificationRequest) -> None:
    if request.subject != renewed.subject:
        raise AccessDenied("the request is for another subject than the certificate it renews")
    with reading("the signer's certificate"):
        names = name_texts(load_certificate(renewed.certificate).extensions)
    if sorted(names) != sorted(request.alternative_names):
        raise AccessDenied("the request has other names than the certificate it renews")


def _digest(challenge: str) -> str:
    return sha256(challenge.encode()).hexdigest()
