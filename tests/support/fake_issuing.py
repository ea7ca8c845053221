"""
An in-memory fake of what the embedded certificate authority stores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from scepd.errors import ChallengeUnknown, Conflict, NotFound, StorageUnavailable
from scepd.model import (
    Activity,
    CARole,
    CAState,
    ChallengeUse,
    EnrollmentChallenge,
    EnrollmentToken,
    IssuedCertificate,
    PendingRequest,
    RequestState,
)
from tests.support.fake_challenges import FakeDeliveryChallenges
from tests.support.fakes import FakeActivities


@dataclass
class FakeIssuing:
    """
    A CAStateStore, IssuingStore, PendingRequestStore, CertificateStore and EnrollmentTokenStore.

    :param states: newest first.
    :param faster: what another process stored just before :meth:`create_ca_state`.
    :param deliveries: what spends the challenges of deliveries.
    :param broken: whether every call raises StorageUnavailable.
    """

    activities: FakeActivities = field(default_factory=FakeActivities)
    states: list[CAState] = field(default_factory=list)
    faster: CAState | None = None
    certificates: list[IssuedCertificate] = field(default_factory=list)
    tokens: dict[str, EnrollmentToken] = field(default_factory=dict)
    challenges: dict[str, EnrollmentChallenge] = field(default_factory=dict)
    requests: dict[str, PendingRequest] = field(default_factory=dict)
    broken: bool = False
    deliveries: FakeDeliveryChallenges = field(default_factory=lambda: FakeDeliveryChallenges())

    async def ca_states(self) -> Sequence[CAState]:
        """
        As the port says.
        """
        self._check()
        return list(self.states)

    async def create_ca_state(self, state: CAState) -> CAState:
        """
        As the port says.
        """
        self._check()
        if not self.states:
            self.states.append(self.faster or state)
        return self.states[0]

    async def plan_ca_state(self, state: CAState, activity: Activity) -> None:
        """
        As the port says.
        """
        self._check()
        if any(one.role is CARole.NEXT for one in self.states):
            raise Conflict("a roll-over is planned already")
        self.states.insert(0, state)
        self.activities.records.append(activity)

    async def commit_ca_state(self, activity: Activity) -> None:
        """
        As the port says.
        """
        self._check()
        if not any(one.role is CARole.NEXT for one in self.states):
            raise Conflict("no roll-over is planned")
        after = {CARole.NEXT: CARole.CURRENT}
        self.states = [
            replace(one, role=after.get(one.role, CARole.PREVIOUS)) for one in self.states
        ]
        self.activities.records.append(activity)

    async def cancel_ca_state(self, activity: Activity) -> None:
        """
        As the port says.
        """
        self._check()
        if not any(one.role is CARole.NEXT for one in self.states):
            raise Conflict("no roll-over is planned")
        self.states = [one for one in self.states if one.role is not CARole.NEXT]
        self.activities.records.append(activity)

    async def issued(self, request_sha256: str) -> IssuedCertificate | None:
        """
        As the port says.
        """
        self._check()
        for certificate in self.certificates:
            if certificate.request_sha256 == request_sha256:
                return certificate
        return None

    async def challenge(self, sha256: str) -> EnrollmentChallenge | None:
        """
        As the port says.
        """
        self._check()
        return self.challenges.get(sha256)

    async def issue(
        self, certificate: IssuedCertificate, now: datetime, use: ChallengeUse | None = None
    ) -> IssuedCertificate:
        """
        As the port says.
        """
        known = await self.issued(certificate.request_sha256)
        if known is not None:
            return known
        self._refuse_other_key(certificate.transaction_id, certificate.public_key_sha256)
        if use is not None:
            await self.deliveries.use_challenge(use, now)
        if certificate.challenge_sha256 is not None:
            challenge = self._spend(certificate, certificate.challenge_sha256, now)
            if challenge.enrollment_id is not None:
                certificate = replace(certificate, purpose="renew", host_uuid=challenge.host_uuid)
        if certificate.renewed_sha256 is not None:
            renewed = await self.certificate_by_sha256(certificate.renewed_sha256)
            if renewed is None or renewed.revoked_at is not None or renewed.not_after <= now:
                raise Conflict("the signer's certificate is unknown, revoked or expired")
        self.certificates.append(certificate)
        return certificate

    async def certificate_by_sha256(self, sha256: str) -> IssuedCertificate | None:
        """
        As the port says.
        """
        self._check()
        return next((one for one in self.certificates if one.sha256 == sha256), None)

    async def certificate_by_serial(self, serial: str) -> IssuedCertificate | None:
        """
        As the port says.
        """
        self._check()
        return next((one for one in self.certificates if one.serial == serial), None)

    async def add_request(
        self, request: PendingRequest, most: int
    ) -> PendingRequest | IssuedCertificate:
        """
        As the port says.
        """
        now = request.created_at
        self.requests = {id: one for id, one in self.requests.items() if one.expires_at > now}
        issued = await self.issued(request.request_sha256)
        if issued is not None:
            return issued
        for one in self.requests.values():
            if one.request_sha256 == request.request_sha256:
                return one
        self._refuse_other_key(request.transaction_id, request.public_key_sha256)
        if sum(one.state is RequestState.PENDING for one in self.requests.values()) >= most:
            raise Conflict("too many requests wait for an operator")
        self.requests[request.id] = request
        return request

    async def polled_request(
        self, transaction_id: str, signer_key_sha256: str, now: datetime
    ) -> PendingRequest | None:
        """
        As the port says.
        """
        wanted = (transaction_id, signer_key_sha256)
        for one in await self.pending_requests(now, waiting=False, after="", limit=10_000):
            if (one.transaction_id, one.signer_key_sha256) == wanted:
                return one
        return None

    async def pending_request(self, id: str, now: datetime) -> PendingRequest | None:
        """
        As the port says.
        """
        self._check()
        found = self.requests.get(id)
        return found if found is not None and found.expires_at > now else None

    async def pending_requests(
        self, now: datetime, *, waiting: bool, after: str, limit: int
    ) -> Sequence[PendingRequest]:
        """
        As the port says.
        """
        self._check()
        found = [one for one in self.requests.values() if one.expires_at > now][::-1]
        ids = [one.id for one in found]
        found = found[ids.index(after) + 1 if after else 0 :]
        if waiting:
            found = [one for one in found if one.state is RequestState.PENDING]
        return found[:limit]

    async def decide_request(
        self, decided: PendingRequest, certificate: IssuedCertificate | None, activity: Activity
    ) -> None:
        """
        As the port says.
        """
        stored = await self.pending_request(decided.id, activity.at)
        if stored is None:
            raise NotFound("there is no such request")
        if stored.state is not RequestState.PENDING:
            raise Conflict(f"the request was {stored.state.value} before")
        if certificate is not None:
            self.certificates.append(certificate)
        self.requests[decided.id] = decided
        self.activities.records.append(activity)

    async def certificate_page(self, *, after: str, limit: int) -> Sequence[IssuedCertificate]:
        """
        As the port says.
        """
        self._check()
        found = self.certificates[::-1]
        serials = [one.serial for one in found]
        return found[serials.index(after) + 1 if after else 0 :][:limit]

    async def revoke(self, serial: str, reason: str, activity: Activity) -> IssuedCertificate:
        """
        As the port says.
        """
        found = await self.certificate_by_serial(serial)
        if found is None:
            raise NotFound("there is no certificate of that serial number")
        if found.revoked_at is not None:
            raise Conflict("the certificate is revoked already")
        revoked = replace(found, revoked_at=activity.at, revocation_reason=reason)
        self.certificates[self.certificates.index(found)] = revoked
        self.activities.records.append(activity)
        return revoked

    async def count_revoked(self, issuer_serial: str) -> int:
        """
        As the port says.
        """
        self._check()
        return len(self._revoked(issuer_serial))

    async def revoked(self, issuer_serial: str, now: datetime) -> Sequence[IssuedCertificate]:
        """
        As the port says.
        """
        self._check()
        return [one for one in self._revoked(issuer_serial) if one.not_after > now]

    async def add_enrollment_token(self, token: EnrollmentToken, activity: Activity) -> None:
        """
        As the port says.
        """
        self._check()
        self.tokens[token.sha256] = token
        self.activities.records.append(activity)

    async def enrollment_token(self, sha256: str) -> EnrollmentToken | None:
        """
        As the port says.
        """
        self._check()
        return self.tokens.get(sha256)

    async def enrollment_tokens(self) -> Sequence[EnrollmentToken]:
        """
        As the port says.
        """
        self._check()
        return list(self.tokens.values())[::-1][:1000]

    async def remove_enrollment_token(self, sha256: str, activity: Activity) -> None:
        """
        As the port says.
        """
        self._check()
        if sha256 not in self.tokens:
            raise NotFound("there is no such enrollment token")
        del self.tokens[sha256]
        self.activities.records.append(activity)

    async def add_challenge(self, challenge: EnrollmentChallenge) -> None:
        """
        As the port says, but that nothing goes; NotFound when the token is gone.
        """
        self._check()
        if challenge.token_sha256 not in self.tokens:
            raise NotFound("there is no such enrollment token")
        self.challenges[challenge.sha256] = challenge

    def _revoked(self, issuer_serial: str) -> list[IssuedCertificate]:
        return [
            one
            for one in self.certificates
            if one.issuer_serial == issuer_serial and one.revoked_at is not None
        ]

    def _refuse_other_key(self, transaction_id: str, key: str) -> None:
        keys = [(one.transaction_id, one.public_key_sha256) for one in self.certificates]
        keys += [(one.transaction_id, one.public_key_sha256) for one in self.requests.values()]
        if any(name == transaction_id and other != key for name, other in keys):
            raise Conflict("another key lives under this transactionID")

    def _spend(
        self, certificate: IssuedCertificate, sha256: str, now: datetime
    ) -> EnrollmentChallenge:
        challenge, key = self.challenges.get(sha256), certificate.public_key_sha256
        if challenge is None:
            raise ChallengeUnknown("the challenge is not one of this authority")
        if challenge.expires_at <= now:
            raise Conflict("the challenge has expired")
        if challenge.subject != certificate.subject:
            raise Conflict("the challenge is for another subject")
        if challenge.used_by not in (None, key):
            raise Conflict("the challenge was used for another key")
        if challenge.enrollment_id is None:
            self._count_use(challenge, now)
        self.challenges[sha256] = replace(challenge, used_by=key)
        return challenge

    def _count_use(self, challenge: EnrollmentChallenge, now: datetime) -> None:
        token = self.tokens.get(challenge.token_sha256 or "")
        if token is None or token.expires_at <= now:
            raise Conflict("the enrollment token is gone or has expired")
        if challenge.used_by is not None:
            return
        if token.uses_left == 0:
            raise Conflict("the enrollment token is used up")
        if token.uses_left is not None:
            self.tokens[token.sha256] = replace(token, uses_left=token.uses_left - 1)

    def _check(self) -> None:
        if self.broken:
            raise StorageUnavailable("the database is full")
