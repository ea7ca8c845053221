"""
What the embedded certificate authority issues, and what allows it, in the database.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, bindparam, select, update

from scepd.errors import ChallengeUnknown, Conflict
from scepd.model import ChallengeUse, EnrollmentChallenge, IssuedCertificate
from scepd.storage.database import Database
from scepd.storage.delivery_challenges import spend_challenge
from scepd.storage.identities import RENEW, pin
from scepd.storage.issued_certificates import (
    by_request,
    by_serial,
    by_sha256,
    insert_certificate,
    issued_or_refused,
)
from scepd.storage.tables import (
    device_identity,
    enrollment_challenge,
    enrollment_token,
    issued_certificate,
)

# Made once: each request for a certificate runs them.
_CHALLENGE = select(enrollment_challenge).where(
    enrollment_challenge.c.sha256 == bindparam("challenge")
)
_SPEND = (
    update(enrollment_challenge)
    .where(enrollment_challenge.c.sha256 == bindparam("challenge"))
    .values(used_by=bindparam("key"))
)
_TOKEN = (
    select(enrollment_token)
    .where(enrollment_token.c.sha256 == bindparam("token"))
    .with_for_update()
)
_USE_TOKEN = (
    update(enrollment_token)
    .where(enrollment_token.c.sha256 == bindparam("token"))
    .values(uses_left=enrollment_token.c.uses_left - 1)
)
_TOKEN_OF = select(issued_certificate.c.token_sha256).where(
    issued_certificate.c.sha256 == bindparam("renewed")
)
_PINNED_TO = select(device_identity.c.enrollment_id).where(
    device_identity.c.certificate_sha256 == bindparam("renewed"),
    device_identity.c.retired_at.is_(None),
)
_IS_RETIRED = select(device_identity.c.retired_at).where(
    device_identity.c.certificate_sha256 == bindparam("renewed"),
    device_identity.c.retired_at.is_not(None),
)


class SQLIssuingStore:
    """
    Implements :class:`~scepd.ports.IssuingStore`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def issued(self, request_sha256: str) -> IssuedCertificate | None:
        """
        What was issued for the same request before, or None.
        """
        return await self._database.read(lambda connection: by_request(connection, request_sha256))

    async def challenge(self, sha256: str) -> EnrollmentChallenge | None:
        """
        The enrollment challenge with that SHA-256, or None.
        """
        return await self._database.read(lambda connection: _challenge(connection, sha256))

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

        def unit(connection: Connection) -> IssuedCertificate:
            stored = issued_or_refused(
                connection,
                certificate.request_sha256,
                certificate.transaction_id,
                certificate.public_key_sha256,
                now,
            )
            if stored is not None:
                return stored
            if use is not None:
                spend_challenge(connection, use, now)
            challenge = _spend(connection, certificate, now)
            bound, token_sha256 = certificate, None
            if challenge is not None:
                bound, token_sha256 = _bound(certificate, challenge), challenge.token_sha256
            if certificate.renewed_sha256 is not None:
                bound, token_sha256 = _renew(
                    connection, certificate, certificate.renewed_sha256, now
                )
            insert_certificate(connection, bound, token_sha256)
            if challenge is not None and challenge.enrollment_id is not None:
                one = bound.sha256, now, bound.not_after
                pin(connection, challenge.enrollment_id, *one)
            return bound

        return await self._database.write(unit)

    async def certificate_by_sha256(self, sha256: str) -> IssuedCertificate | None:
        """
        What was issued with that fingerprint, or None.
        """
        return await self._database.read(lambda connection: by_sha256(connection, sha256))

    async def certificate_by_serial(self, serial: str) -> IssuedCertificate | None:
        """
        What was issued under that serial number, or None.
        """
        return await self._database.read(lambda connection: by_serial(connection, serial))


def _spend(
    connection: Connection, certificate: IssuedCertificate, now: datetime
) -> EnrollmentChallenge | None:
    """
    Spend the certificate's challenge, and return it.
    """
    sha256, key = certificate.challenge_sha256, certificate.public_key_sha256
    if sha256 is None:
        return None
    challenge = _challenge(connection, sha256)
    if challenge is None:
        raise ChallengeUnknown("the challenge is not one of this authority")
    if challenge.expires_at <= now:
        raise Conflict("the challenge has expired")
    if challenge.subject != certificate.subject:
        raise Conflict("the challenge is for another subject")
    if challenge.used_by not in (None, key):
        raise Conflict("the challenge was used for another key")
    _use_token(connection, challenge, now)
    connection.execute(_SPEND, {"challenge": sha256, "key": key})
    return challenge


def _bound(certificate: IssuedCertificate, challenge: EnrollmentChallenge) -> IssuedCertificate:
    """
    A certificate with what its challenge says of its use.
    """
    renews = challenge.enrollment_id is not None
    return replace(
        certificate,
        purpose=RENEW if renews else certificate.purpose,
        host_uuid=challenge.host_uuid,
        serial_number=challenge.serial_number,
    )


def _use_token(connection: Connection, challenge: EnrollmentChallenge, now: datetime) -> None:
    """
    Count a use of the challenge's token, unless the challenge was spent before or has none.
    """
    if challenge.enrollment_id is not None:
        return
    token = connection.execute(_TOKEN, {"token": challenge.token_sha256}).first()
    if token is None:
        raise Conflict("the enrollment token of this challenge is gone")
    if token.expires_at <= now:
        raise Conflict("the enrollment token of this challenge has expired")
    if challenge.used_by is not None or token.uses_left is None:
        return
    if token.uses_left < 1:
        raise Conflict("the enrollment token of this challenge is used up")
    connection.execute(_USE_TOKEN, {"token": challenge.token_sha256})


def _renew(
    connection: Connection, certificate: IssuedCertificate, renewed_sha256: str, now: datetime
) -> tuple[IssuedCertificate, str | None]:
    """
    Let a certificate follow another one, and return it, bound as that one, with the token of both.
    """
    renewed = by_sha256(connection, renewed_sha256)
    if renewed is None or renewed.purpose != certificate.purpose:
        raise Conflict("the signer's certificate is not one of this authority")
    if renewed.revoked_at is not None:
        raise Conflict("the signer's certificate has been revoked")
    if renewed.not_after <= now:
        raise Conflict("the signer's certificate has expired")
    same = {"renewed": renewed_sha256}
    if connection.scalar(_IS_RETIRED, same) is not None:
        raise Conflict("another certificate has the place of the signer's")
    enrollment_id = connection.scalar(_PINNED_TO, same)
    if enrollment_id is not None:
        pin(connection, enrollment_id, certificate.sha256, now, certificate.not_after)
    token_sha256: str | None = connection.scalar(_TOKEN_OF, same)
    return replace(certificate, serial_number=renewed.serial_number), token_sha256


def _challenge(connection: Connection, sha256: str) -> EnrollmentChallenge | None:
    row = connection.execute(_CHALLENGE, {"challenge": sha256}).first()
    if row is None:
        return None
    return EnrollmentChallenge(
        row.sha256,
        row.token_sha256,
        row.subject,
        row.expires_at,
        row.used_by,
        row.enrollment_id,
        row.host_uuid,
        row.serial_number,
    )
