"""
What the embedded certificate authority stores.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from scepd.model import (
    Activity,
    CAState,
    ChallengeUse,
    EnrollmentChallenge,
    EnrollmentToken,
    IssuedCertificate,
)


class IssuingStore(Protocol):
    """
    The embedded certificate authority's own keys, and what it issued.
    """

    async def ca_state(self) -> CAState | None:
        """
        Its current certificate and key, or None before the first start.
        """

    async def create_ca_state(self, state: CAState) -> CAState:
        """
        Store its first certificate and key, and return what is stored: another process may have
        been faster.
        """

    async def issued(self, request_sha256: str) -> IssuedCertificate | None:
        """
        What was issued for the same request before, or None.
        """

    async def challenge(self, sha256: str) -> EnrollmentChallenge | None:
        """
        The enrollment challenge with that SHA-256, or None.
        """

    async def issue(
        self, certificate: IssuedCertificate, now: datetime, use: ChallengeUse | None = None
    ) -> IssuedCertificate:
        """
        Store a certificate and spend its challenge, in one transaction, and return what is stored:
        for the same request what was issued before.

        With a challenge, the first issue for it counts one use of its token; the same key may have
        it again. Certificates of one transactionID are all for one key.

        :param use: of the challenge of a delivery, which is bound to the request.
        :raises Conflict: another key lives under this transactionID; or the challenge is unknown,
            expired, or spent by another key; or its token is gone, expired or used up; or, with
            ``use``, as :meth:`~scepd.ports.DeliveryChallengeStore.use_challenge`.
        """

    async def certificate_by_sha256(self, sha256: str) -> IssuedCertificate | None:
        """
        What was issued with that fingerprint, or None.
        """


class EnrollmentTokenStore(Protocol):
    """
    The tokens that let devices enroll.
    """

    async def add_enrollment_token(self, token: EnrollmentToken, activity: Activity) -> None:
        """
        Store a token.

        :raises Conflict: it is stored already.
        """

    async def enrollment_token(self, sha256: str) -> EnrollmentToken | None:
        """
        The token with that SHA-256, or None.
        """

    async def enrollment_tokens(self) -> Sequence[EnrollmentToken]:
        """
        All of them, newest first, at most 1,000.
        """

    async def remove_enrollment_token(self, sha256: str, activity: Activity) -> None:
        """
        Remove a token: nobody enrolls with it any more, nor with a challenge made for it.

        :raises NotFound: there is none.
        """

    async def add_challenge(self, challenge: EnrollmentChallenge) -> None:
        """
        Store a challenge; those that expired more than a day ago go.

        :raises NotFound: its token is gone.
        """
