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
    PendingRequest,
)


class CAStateStore(Protocol):
    """
    The embedded certificate authority's own keys and certificates.
    """

    async def ca_states(self) -> Sequence[CAState]:
        """
        All of them, newest first; none before the first start.
        """

    async def create_ca_state(self, state: CAState) -> CAState:
        """
        Store its first certificate and key, and return the current one: another process may have
        been faster.
        """

    async def plan_ca_state(self, state: CAState, activity: Activity) -> None:
        """
        Store the certificate and key that come next.

        :raises Conflict: there are next ones already.
        """

    async def commit_ca_state(self, activity: Activity) -> None:
        """
        Make the next certificate the current one, and the current one a previous one.

        :raises Conflict: there is no next one.
        """

    async def cancel_ca_state(self, activity: Activity) -> None:
        """
        Forget the next certificate and its key.

        :raises Conflict: there is no next one.
        """


class IssuingStore(Protocol):
    """
    What the embedded certificate authority issues.
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
        Store a certificate and spend what allows it, in one transaction, and return what is stored:
        for the same request what was issued before.

        With a challenge, the first issue for it counts one use of its token; the same key may have
        it again. What is issued for the challenge of a renewal is one more identity of its
        enrollment, and its purpose says so. With a renewed certificate, what that one may be used
        for goes on: its purpose, its token, and the enrollment that it is pinned to. Certificates
        of one transactionID are all for one key.

        :param use: of the challenge of a delivery, which is bound to the request.
        :raises ChallengeUnknown: the challenge is none of an enrollment.
        :raises Conflict: another key lives under this transactionID; or the challenge is expired,
            for another subject, or spent by another key; or its token is gone, expired or used up;
            or the renewed certificate is unknown, expired or revoked; or, with ``use``, as
            :meth:`~scepd.ports.DeliveryChallengeStore.use_challenge`.
        """

    async def certificate_by_sha256(self, sha256: str) -> IssuedCertificate | None:
        """
        What was issued with that fingerprint, or None.
        """

    async def certificate_by_serial(self, serial: str) -> IssuedCertificate | None:
        """
        What was issued under that serial number, or None.
        """


class PendingRequestStore(Protocol):
    """
    Requests that wait for an operator.
    """

    async def add_request(
        self, request: PendingRequest, most: int
    ) -> PendingRequest | IssuedCertificate:
        """
        Store a request, and return what is stored: for the same request what was issued for it, or
        what became of it. Those that have expired by its ``created_at`` go.

        :param most: how many may wait.
        :raises Conflict: another key lives under this transactionID, or too many wait.
        """

    async def polled_request(
        self, transaction_id: str, signer_key_sha256: str, now: datetime
    ) -> PendingRequest | None:
        """
        The newest request of a transaction by that signer that has not expired, or None.
        """

    async def pending_request(self, id: str, now: datetime) -> PendingRequest | None:
        """
        The request with that id, if it has not expired, or None.
        """

    async def pending_requests(
        self, now: datetime, *, waiting: bool, after: str, limit: int
    ) -> Sequence[PendingRequest]:
        """
        At most ``limit`` requests that have not expired, newest first.

        :param waiting: only those that nobody decided on.
        :param after: the id of the last one of the page before; empty: from the newest.
        """

    async def decide_request(
        self, decided: PendingRequest, certificate: IssuedCertificate | None, activity: Activity
    ) -> None:
        """
        Store an operator's decision, and the certificate that is issued by it.

        :param decided: with its new state, times, decider and serial.
        :raises NotFound: there is no such request, or it has expired by its ``decided_at``.
        :raises Conflict: it was decided on before, or another key lives under its transactionID.
        """


class CertificateStore(Protocol):
    """
    Issued certificates as operators and relying parties see them.
    """

    async def certificate_page(self, *, after: str, limit: int) -> Sequence[IssuedCertificate]:
        """
        At most ``limit`` certificates, newest first.

        :param after: the serial number of the last one of the page before; empty: from the newest.
        """

    async def revoke(self, serial: str, reason: str, activity: Activity) -> IssuedCertificate:
        """
        Revoke a certificate at the activity's time, and return it.

        :raises NotFound: there is none of that serial number.
        :raises Conflict: it is revoked already.
        """

    async def count_revoked(self, issuer_serial: str) -> int:
        """
        How many certificates of that issuer were ever revoked.
        """

    async def revoked(self, issuer_serial: str, now: datetime) -> Sequence[IssuedCertificate]:
        """
        The revoked certificates of an issuer that have not expired, in the order in which they
        were revoked.
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
        Store a challenge of a token; those that expired more than a day ago go.

        :raises NotFound: its token is gone.
        """
