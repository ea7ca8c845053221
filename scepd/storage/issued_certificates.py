"""
Issued certificates as rows, and as operators and relying parties see them.

The functions run inside a caller's unit of work. Their statements are made once: each request for a
certificate runs them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import (
    Connection,
    Row,
    Select,
    bindparam,
    func,
    insert,
    literal_column,
    select,
    tuple_,
    update,
)

from scepd.errors import Conflict, NotFound
from scepd.model import Activity, IssuedCertificate
from scepd.storage.activities import insert_activity
from scepd.storage.database import Database
from scepd.storage.prepared import Prepared
from scepd.storage.tables import ca_state, issued_certificate, pending_request

_COLUMNS = issued_certificate.c
_WAITING = pending_request.c
_BY_REQUEST = select(issued_certificate).where(_COLUMNS.request_sha256 == bindparam("value"))
_BY_SHA256 = select(issued_certificate).where(_COLUMNS.sha256 == bindparam("value"))
_BY_SERIAL = select(issued_certificate).where(_COLUMNS.serial == bindparam("value"))
_ISSUED = Prepared(select(_COLUMNS.serial).where(_COLUMNS.request_sha256 == bindparam("request")))
_OTHER_KEY = Prepared(
    select(_COLUMNS.serial)
    .where(
        _COLUMNS.transaction_id == bindparam("transaction"),
        _COLUMNS.public_key_sha256 != bindparam("key"),
    )
    .limit(literal_column("1"))
)
_OTHER_KEY_WAITS = Prepared(
    select(_WAITING.id)
    .where(
        _WAITING.transaction_id == bindparam("transaction"),
        _WAITING.public_key_sha256 != bindparam("key"),
        _WAITING.expires_at > bindparam("now", type_=_WAITING.expires_at.type),
    )
    .limit(literal_column("1"))
)
_SET_LATER = ("revoked_at", "revocation_reason", "kept_until")
_INSERT = Prepared(
    insert(issued_certificate),
    [one.name for one in _COLUMNS if one.name not in _SET_LATER],
)
_NEWEST_FIRST = select(issued_certificate).order_by(
    _COLUMNS.issued_at.desc(), _COLUMNS.serial.desc()
)


class SQLCertificateStore:
    """
    Implements :class:`~scepd.ports.CertificateStore`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def certificate_page(self, *, after: str, limit: int) -> Sequence[IssuedCertificate]:
        """
        At most ``limit`` certificates, newest first.

        :param after: the serial number of the last one of the page before; empty: from the newest.
        """

        def query(connection: Connection) -> list[IssuedCertificate]:
            page = _NEWEST_FIRST.limit(limit)
            if after:
                last = by_serial(connection, after)
                if last is None:
                    return []
                page = page.where(
                    tuple_(_COLUMNS.issued_at, _COLUMNS.serial)
                    < tuple_(bindparam("at", last.issued_at, _COLUMNS.issued_at.type), last.serial)
                )
            return [_record(row) for row in connection.execute(page)]

        return await self._database.read(query)

    async def revoke(self, serial: str, reason: str, activity: Activity) -> IssuedCertificate:
        """
        Revoke a certificate at the activity's time, and return it.

        :raises NotFound: there is none of that serial number.
        :raises Conflict: it is revoked already.
        """

        def unit(connection: Connection) -> IssuedCertificate:
            found = by_serial(connection, serial)
            if found is None:
                raise NotFound("there is no certificate of that serial number")
            if found.revoked_at is not None:
                raise Conflict("the certificate is revoked already")
            connection.execute(
                update(issued_certificate)
                .where(_COLUMNS.serial == serial)
                .values(revoked_at=activity.at, revocation_reason=reason)
            )
            insert_activity(connection, activity)
            revoked = by_serial(connection, serial)
            assert revoked is not None, "it was there a moment ago"
            return revoked

        return await self._database.write(unit)

    async def count_revoked(self, issuer_serial: str) -> int:
        """
        How many certificates of that issuer were ever revoked, those too that are forgotten.
        """
        forgotten = select(ca_state.c.revoked_forgotten).where(ca_state.c.serial == issuer_serial)
        some = (
            select(func.count())
            .select_from(issued_certificate)
            .where(_COLUMNS.issuer_serial == issuer_serial, _COLUMNS.revoked_at.is_not(None))
        )
        return await self._database.read(
            lambda connection: (connection.scalar(some) or 0) + (connection.scalar(forgotten) or 0)
        )

    async def revoked(self, issuer_serial: str, now: datetime) -> Sequence[IssuedCertificate]:
        """
        The revoked certificates of an issuer that have not expired, in the order in which they
        were revoked.
        """
        some = (
            select(issued_certificate)
            .where(
                _COLUMNS.issuer_serial == issuer_serial,
                _COLUMNS.revoked_at.is_not(None),
                _COLUMNS.not_after > now,
            )
            .order_by(_COLUMNS.revoked_at)
        )
        return await self._database.read(
            lambda connection: [_record(row) for row in connection.execute(some)]
        )


def by_request(connection: Connection, request_sha256: str) -> IssuedCertificate | None:
    """
    What was issued for a request, or None.
    """
    return _found(connection, _BY_REQUEST, request_sha256)


def by_sha256(connection: Connection, sha256: str) -> IssuedCertificate | None:
    """
    The certificate with that fingerprint, or None.
    """
    return _found(connection, _BY_SHA256, sha256)


def by_serial(connection: Connection, serial: str) -> IssuedCertificate | None:
    """
    The certificate with that serial number, or None.
    """
    return _found(connection, _BY_SERIAL, serial)


def issued_or_refused(
    connection: Connection,
    request_sha256: str,
    transaction_id: str,
    public_key_sha256: str,
    now: datetime,
) -> IssuedCertificate | None:
    """
    What was issued for a request, or None; a request of another key in a transaction that has a
    certificate, or waits for one, is refused.

    :raises Conflict: it is one.
    """
    found = _ISSUED.first(connection, request=request_sha256)
    if found is not None:
        return by_serial(connection, str(found[0]))
    wanted = {"transaction": transaction_id, "key": public_key_sha256}
    if (
        _OTHER_KEY.first(connection, **wanted) is not None
        or _OTHER_KEY_WAITS.first(connection, **wanted, now=now) is not None
    ):
        raise Conflict("another key lives under this transactionID")
    return None


def insert_certificate(
    connection: Connection, certificate: IssuedCertificate, token_sha256: str | None
) -> None:
    """
    Store a certificate.

    :param token_sha256: the enrollment token that it may be used with.
    """
    _INSERT.change(
        connection,
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
        issuer_serial=certificate.issuer_serial,
        renewed_sha256=certificate.renewed_sha256,
        serial_number=certificate.serial_number,
    )


def _found(
    connection: Connection, statement: Select[tuple[object, ...]], value: str
) -> IssuedCertificate | None:
    row = connection.execute(statement, {"value": value}).first()
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
        issuer_serial=row.issuer_serial,
        renewed_sha256=row.renewed_sha256,
        revoked_at=row.revoked_at,
        revocation_reason=row.revocation_reason,
        serial_number=row.serial_number,
    )
