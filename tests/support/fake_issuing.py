"""
An in-memory fake of what the embedded certificate authority stores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from scepd.errors import Conflict, NotFound, StorageUnavailable
from scepd.model import (
    Activity,
    CAState,
    ChallengeUse,
    EnrollmentChallenge,
    EnrollmentToken,
    IssuedCertificate,
)
from tests.support.fake_challenges import FakeDeliveryChallenges
from tests.support.fakes import FakeActivities


@dataclass
class FakeIssuing:
    """
    An IssuingStore and an EnrollmentTokenStore.

    :param faster: what another process stored just before :meth:`create_ca_state`.
    :param deliveries: what spends the challenges of deliveries.
    :param broken: whether every call raises StorageUnavailable.
    """

    activities: FakeActivities = field(default_factory=FakeActivities)
    state: CAState | None = None
    faster: CAState | None = None
    certificates: list[IssuedCertificate] = field(default_factory=list)
    tokens: dict[str, EnrollmentToken] = field(default_factory=dict)
    challenges: dict[str, EnrollmentChallenge] = field(default_factory=dict)
    broken: bool = False
    deliveries: FakeDeliveryChallenges = field(default_factory=lambda: FakeDeliveryChallenges())

    async def ca_state(self) -> CAState | None:
        """
        As the port says.
        """
        self._check()
        return self.state

    async def create_ca_state(self, state: CAState) -> CAState:
        """
        As the port says.
        """
        self._check()
        self.state = self.state or self.faster or state
        return self.state

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
        for other in self.certificates:
            same_name = other.transaction_id == certificate.transaction_id
            if same_name and other.public_key_sha256 != certificate.public_key_sha256:
                raise Conflict("another key lives under this transactionID")
        if use is not None:
            await self.deliveries.use_challenge(use, now)
        if certificate.challenge_sha256 is not None:
            self._spend(certificate.challenge_sha256, certificate.public_key_sha256, now)
        self.certificates.append(certificate)
        return certificate

    async def certificate_by_sha256(self, sha256: str) -> IssuedCertificate | None:
        """
        As the port says.
        """
        self._check()
        return next((one for one in self.certificates if one.sha256 == sha256), None)

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

    def _spend(self, sha256: str, key: str, now: datetime) -> None:
        challenge = self.challenges.get(sha256)
        if challenge is None or challenge.expires_at <= now:
            raise Conflict("the challenge is unknown or has expired")
        if challenge.used_by not in (None, key):
            raise Conflict("the challenge was spent by another key")
        token = self.tokens.get(challenge.token_sha256)
        if token is None or token.expires_at <= now:
            raise Conflict("the enrollment token is gone or has expired")
        if challenge.used_by is not None:
            return
        if token.uses_left == 0:
            raise Conflict("the enrollment token is used up")
        if token.uses_left is not None:
            self.tokens[token.sha256] = replace(token, uses_left=token.uses_left - 1)
        self.challenges[sha256] = replace(challenge, used_by=key)

    def _check(self) -> None:
        if self.broken:
            raise StorageUnavailable("the database is full")
