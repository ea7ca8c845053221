"""
The embedded certificate authority's own keys and what it issued, in the database.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Row, insert, select, update

from scepd.errors import Conflict
from scepd.model import CAState, ChallengeUse, EnrollmentChallenge, IssuedCertificate
from scepd.pki.keyring import SealedSecret
from scepd.storage import tables
from scepd.storage.database import Database
from scepd.storage.delivery_challenges import spend_challenge
from scepd.storage.tables import enrollment_challenge, enrollment_token, issued_certificate


class SQLIssuingStore:
    """
    Implements :class:`~scepd.ports.IssuingStore`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ca_state(self) -> CAState | None:
        """
        Its current certificate and key, or None before the first start.
        """
        return await self._database.read(_ca_state)

    async def create_ca_state(self, state: CAState) -> CAState:
        """
        Store its first certificate and key, and return what is stored: another process may have
        been faster.
        """

        def unit(connection: Connection) -> CAState:
            stored = _ca_state(connection)
            if stored is not None:
                return stored
            connection.execute(
                insert(tables.ca_state).values(
                    serial=state.serial,
                    certificate=state.certificate,
                    private_key_key_id=state.private_key.key_id,
                    private_key=state.private_key.data,
                    created_at=state.created_at,
                )
            )
            return state

        return await self._database.write(unit)

    async def issued(self, request_sha256: str) -> IssuedCertificate | None:
        """
        What was issued for the same request before, or None.
        """
        same = issued_certificate.c.request_sha256 == request_sha256
        return await self._database.read(lambda connection: _issued(connection, same))

    async def challenge(self, sha256: str) -> EnrollmentChallenge | None:
        """
        The enrollment challenge with that SHA-256, or None.
        """
        return await self._database.read(lambda connection: _challenge(connection, sha256))

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
        same = issued_certificate.c.request_sha256 == certificate.request_sha256

        def unit(connection: Connection) -> IssuedCertificate:
            stored = _issued(connection, same)
            if stored is not None:
                return stored
            _refuse_other_key(connection, certificate)
            if use is not None:
                spend_challenge(connection, use, now)
            token_sha256 = _spend(connection, certificate, now)
            _insert(connection, certificate, token_sha256)
            return certificate

        return await self._database.write(unit)

    async def certificate_by_sha256(self, sha256: str) -> IssuedCertificate | None:
        """
        What was issued with that fingerprint, or None.
        """
        same = issued_certificate.c.sha256 == sha256
        return await self._database.read(lambda connection: _issued(connection, same))


def _ca_state(connection: Connection) -> CAState | None:
    newest = select(tables.ca_state).order_by(tables.ca_state.c.created_at.desc()).limit(1)
    row = connection.execute(newest).first()
    if row is None:
        return None
    key = SealedSecret(row.private_key_key_id, row.private_key)
    return CAState(row.serial, row.certificate, key, row.created_at)


def _refuse_other_key(connection: Connection, certificate: IssuedCertificate) -> None:
    columns = issued_certificate.c
    other = select(columns.serial).where(
        columns.transaction_id == certificate.transaction_id,
        columns.public_key_sha256 != certificate.public_key_sha256,
    )
    if connection.execute(other.limit(1)).first() is not None:
        raise Conflict("another key was certified under this transactionID")


def _spend(connection: Connection, certificate: IssuedCertificate, now: datetime) -> str | None:
    """
    Spend the certificate's challenge, and return the token that it was made for.
    """
    sha256, key = certificate.challenge_sha256, certificate.public_key_sha256
    if sha256 is None:
        return None
    challenge = _challenge(connection, sha256)
    if challenge is None:
        raise Conflict("there is no such enrollment challenge")
    if challenge.expires_at <= now:
        raise Conflict("the enrollment challenge has expired")
    if challenge.used_by not in (None, key):
        raise Conflict("the enrollment challenge was spent by another key")
    _use_token(connection, challenge, now)
    connection.execute(
        update(enrollment_challenge)
        .where(enrollment_challenge.c.sha256 == sha256)
        .values(used_by=key)
    )
    return challenge.token_sha256


def _use_token(connection: Connection, challenge: EnrollmentChallenge, now: datetime) -> None:
    """
    Count a use of the challenge's token, unless the challenge was spent before.
    """
    same = enrollment_token.c.sha256 == challenge.token_sha256
    token = connection.execute(select(enrollment_token).where(same).with_for_update()).first()
    if token is None:
        raise Conflict("the enrollment token of this challenge is gone")
    if token.expires_at <= now:
        raise Conflict("the enrollment token of this challenge has expired")
    if challenge.used_by is not None or token.uses_left is None:
        return
    if token.uses_left < 1:
        raise Conflict("the enrollment token of this challenge is used up")
    uses_left = enrollment_token.c.uses_left - 1
    connection.execute(update(enrollment_token).where(same).values(uses_left=uses_left))


def _challenge(connection: Connection, sha256: str) -> EnrollmentChallenge | None:
    one = select(enrollment_challenge).where(enrollment_challenge.c.sha256 == sha256)
    row = connection.execute(one).first()
    if row is None:
        return None
    return EnrollmentChallenge(
        row.sha256, row.token_sha256, row.subject, row.expires_at, row.used_by
    )


def _insert(
    connection: Connection, certificate: IssuedCertificate, token_sha256: str | None
) -> None:
    connection.execute(
        insert(issued_certificate).values(
            serial=certificate.serial,
            certificate=certificate.certificate,
            sha256=certificate.sha256,
            subject=certificate.subject,
            purpose=certificate.purpose,
            transaction_id=certificate.transaction_id,
            request_sha256=certificate.request_sha256,
            public_key_sha256=certificate.public_key_sha256,
            challenge_sha256=certificate.challenge_sha256,
            token_sha256=token_sha256,
            not_after=certificate.not_after,
            issued_at=certificate.issued_at,
            host_uuid=certificate.host_uuid,
            profile_uuid=certificate.profile_uuid,
        )
    )


def _issued(connection: Connection, same: ColumnElement[bool]) -> IssuedCertificate | None:
    row = connection.execute(select(issued_certificate).where(same)).first()
    return None if row is None else _record(row)


def _record(row: Row[tuple[object, ...]]) -> IssuedCertificate:
    return IssuedCertificate(
        serial=row.serial,
        certificate=row.certificate,
        sha256=row.sha256,
        subject=row.subject,
        purpose=row.purpose,
        transaction_id=row.transaction_id,
        request_sha256=row.request_sha256,
        public_key_sha256=row.public_key_sha256,
        challenge_sha256=row.challenge_sha256,
        not_after=row.not_after,
        issued_at=row.issued_at,
        host_uuid=row.host_uuid,
        profile_uuid=row.profile_uuid,
    )
