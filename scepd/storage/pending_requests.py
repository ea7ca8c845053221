"""
Requests that wait for an operator, in the database.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    and_,
    bindparam,
    delete,
    func,
    insert,
    select,
    tuple_,
    update,
)

from scepd.errors import Conflict, NotFound
from scepd.model import Activity, IssuedCertificate, PendingRequest, RequestState
from scepd.pki.keyring import SealedSecret
from scepd.storage.activities import insert_activity
from scepd.storage.database import Database
from scepd.storage.issued_certificates import insert_certificate, issued_or_refused
from scepd.storage.tables import pending_request

_COLUMNS = pending_request.c
_WAITS = _COLUMNS.state == RequestState.PENDING.value


class SQLPendingRequestStore:
    """
    Implements :class:`~scepd.ports.PendingRequestStore`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_request(
        self, request: PendingRequest, most: int
    ) -> PendingRequest | IssuedCertificate:
        """
        Store a request, and return what is stored: for the same request what was issued for it, or
        what became of it. Those that have expired by its ``created_at`` go.

        :param most: how many may wait.
        :raises Conflict: another key lives under this transactionID, or too many wait.
        """

        def unit(connection: Connection) -> PendingRequest | IssuedCertificate:
            now = request.created_at
            connection.execute(delete(pending_request).where(_COLUMNS.expires_at <= now))
            same = _COLUMNS.request_sha256 == request.request_sha256
            known = _unless_refused(connection, request, now) or _one(connection, same)
            if known is not None:
                return known
            waiting = select(func.count()).select_from(pending_request).where(_WAITS)
            if (connection.scalar(waiting) or 0) >= most:
                raise Conflict("too many requests wait for an operator")
            connection.execute(insert(pending_request), _values(request))
            return request

        return await self._database.write(unit)

    async def polled_request(
        self, transaction_id: str, signer_key_sha256: str, now: datetime
    ) -> PendingRequest | None:
        """
        The newest request of a transaction by that signer that has not expired, or None.
        """
        same = and_(
            _COLUMNS.transaction_id == transaction_id,
            _COLUMNS.signer_key_sha256 == signer_key_sha256,
            _COLUMNS.expires_at > now,
        )
        return await self._database.read(lambda connection: _one(connection, same))

    async def pending_request(self, id: str, now: datetime) -> PendingRequest | None:
        """
        The request with that id, if it has not expired, or None.
        """
        same = and_(_COLUMNS.id == id, _COLUMNS.expires_at > now)
        return await self._database.read(lambda connection: _one(connection, same))

    async def pending_requests(
        self, now: datetime, *, waiting: bool, after: str, limit: int
    ) -> Sequence[PendingRequest]:
        """
        At most ``limit`` requests that have not expired, newest first.

        :param waiting: only those that nobody decided on.
        :param after: the id of the last one of the page before; empty: from the newest.
        """
        page = (
            select(pending_request)
            .where(_COLUMNS.expires_at > now)
            .order_by(_COLUMNS.created_at.desc(), _COLUMNS.id.desc())
            .limit(limit)
        )
        if waiting:
            page = page.where(_WAITS)

        def query(connection: Connection) -> list[PendingRequest]:
            wanted = page
            if after:
                last = _one(connection, _COLUMNS.id == after)
                if last is None:
                    return []
                at = bindparam("at", last.created_at, _COLUMNS.created_at.type)
                place = tuple_(_COLUMNS.created_at, _COLUMNS.id)
                wanted = page.where(place < tuple_(at, last.id))
            return [_record(row) for row in connection.execute(wanted)]

        return await self._database.read(query)

    async def decide_request(
        self, decided: PendingRequest, certificate: IssuedCertificate | None, activity: Activity
    ) -> None:
        """
        Store an operator's decision, and the certificate that is issued by it.

        :param decided: with its new state, times, decider and serial.
        :raises NotFound: there is no such request, or it has expired by its ``decided_at``.
        :raises Conflict: it was decided on before, or another key lives under its transactionID.
        """

        def unit(connection: Connection) -> None:
            _refuse_decided(connection, decided, activity.at)
            if certificate is not None:
                insert_certificate(connection, certificate, None)
            change = update(pending_request).where(_COLUMNS.id == decided.id)
            connection.execute(change.values(_decision(decided)))
            insert_activity(connection, activity)

        await self._database.write(unit)


def _refuse_decided(connection: Connection, decided: PendingRequest, now: datetime) -> None:
    stored = _one(connection, and_(_COLUMNS.id == decided.id, _COLUMNS.expires_at > now))
    if stored is None:
        raise NotFound("there is no such request")
    # Under another `approval` the same request may have been let through by itself.
    issued = _unless_refused(connection, decided, now) is not None
    if issued or stored.state is not RequestState.PENDING:
        what = RequestState.APPROVED if issued else stored.state
        raise Conflict(f"the request was {what.value} before")


def _unless_refused(
    connection: Connection, request: PendingRequest, now: datetime
) -> IssuedCertificate | None:
    return issued_or_refused(
        connection,
        request.request_sha256,
        request.transaction_id,
        request.public_key_sha256,
        now,
    )


def _one(connection: Connection, same: ColumnElement[bool]) -> PendingRequest | None:
    newest = _COLUMNS.created_at.desc()
    row = connection.execute(select(pending_request).where(same).order_by(newest)).first()
    return None if row is None else _record(row)


def _decision(request: PendingRequest) -> dict[str, object]:
    return {
        "state": request.state.value,
        "decided_at": request.decided_at,
        "decided_by": request.decided_by,
        "serial": request.serial,
        "expires_at": request.expires_at,
    }


def _values(request: PendingRequest) -> dict[str, object]:
    return {
        "id": request.id,
        "transaction_id": request.transaction_id,
        "request_sha256": request.request_sha256,
        "signer_key_sha256": request.signer_key_sha256,
        "signer_certificate": request.signer_certificate,
        "public_key_sha256": request.public_key_sha256,
        "request_key_id": request.request.key_id,
        "request": request.request.data,
        "subject": request.subject,
        "alternative_names": request.alternative_names,
        "created_at": request.created_at,
    } | _decision(request)


def _record(row: Row[tuple[object, ...]]) -> PendingRequest:
    return PendingRequest(
        id=row.id,
        transaction_id=row.transaction_id,
        request_sha256=row.request_sha256,
        signer_key_sha256=row.signer_key_sha256,
        signer_certificate=row.signer_certificate,
        public_key_sha256=row.public_key_sha256,
        request=SealedSecret(row.request_key_id, row.request),
        subject=row.subject,
        alternative_names=row.alternative_names,
        created_at=row.created_at,
        expires_at=row.expires_at,
        state=RequestState(row.state),
        decided_at=row.decided_at,
        decided_by=row.decided_by,
        serial=row.serial,
    )
