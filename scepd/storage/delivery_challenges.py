"""
The one-time challenges of deliveries, in the database.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update

from scepd.errors import Conflict
from scepd.model import ChallengeUse, DeliveryChallenge
from scepd.profiles.requested_names import NamePattern, RequestedNames
from scepd.storage.database import Database
from scepd.storage.prepared import Prepared
from scepd.storage.tables import delivery_challenge, enrollment_window
from scepd.storage.windows import IS_LIVE

# A window lasts for 7 days longer when the certificate authority answers PENDING.
_KEPT = timedelta(days=8)
_MOST_PRUNED = 100
_COLUMNS = delivery_challenge.c
_UNUSED = Prepared(
    delete(delivery_challenge).where(
        _COLUMNS.host_uuid == bindparam("of_host"),
        _COLUMNS.profile_uuid == bindparam("of_profile"),
        _COLUMNS.ca_name == bindparam("of_ca"),
        _COLUMNS.csr_sha256.is_(None),
    )
)
_OLD = Prepared(
    delete(delivery_challenge).where(
        _COLUMNS.sha256.in_(
            select(_COLUMNS.sha256)
            .where(_COLUMNS.deadline < bindparam("of_before"))
            .limit(bindparam("most"))
        )
    )
)
_INSERT = Prepared(insert(delivery_challenge), _COLUMNS.keys())
_DEADLINE = Prepared(
    select(enrollment_window.c.deadline).where(
        enrollment_window.c.id == bindparam("of_window"), IS_LIVE
    )
)


class SQLDeliveryChallengeStore:
    """
    Implements :class:`~scepd.ports.DeliveryChallengeStore`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def delivery_challenge(self, sha256: str) -> DeliveryChallenge | None:
        """
        The challenge with that SHA-256, or None.
        """
        return await self._database.read(lambda connection: _find(connection, sha256))

    async def use_challenge(self, use: ChallengeUse, now: datetime) -> None:
        """
        Bind a challenge to a request, in one transaction with the look at all that forbids it. The
        same request may use it again.

        :raises Conflict: it is unknown, or of another certificate authority; its enrollment window
            is closed or past its deadline; or it was used for another request.
        """
        await self._database.write(lambda connection: spend_challenge(connection, use, now))


def spend_challenge(connection: Connection, use: ChallengeUse, now: datetime) -> DeliveryChallenge:
    """
    Bind a challenge to a request; inside a caller's unit of work.

    :returns: the challenge as it was before.
    :raises Conflict: as :meth:`SQLDeliveryChallengeStore.use_challenge`.
    """
    challenge = _find(connection, use.sha256, locked=True)
    if challenge is None or challenge.ca_name != use.ca_name:
        raise Conflict("the challenge is not known here")
    deadline = _deadline(connection, challenge.window_id)
    if deadline is None or now > deadline:
        raise Conflict("the enrollment window of the challenge is closed")
    if challenge.csr_sha256 not in (None, use.csr_sha256):
        raise Conflict("the challenge was used for another request")
    same = _COLUMNS.sha256 == use.sha256
    change = update(delivery_challenge).where(same).values(csr_sha256=use.csr_sha256)
    connection.execute(change)
    return challenge


def put_challenge(connection: Connection, new: DeliveryChallenge, now: datetime) -> None:
    """
    Store the challenge of a delivery in place of the unused one before it, unless its window was
    not opened; old ones go, at most 100. Inside a caller's unit of work.
    """
    if _deadline(connection, new.window_id) is None:
        return
    _UNUSED.change(
        connection, of_host=new.host_uuid, of_profile=new.profile_uuid, of_ca=new.ca_name
    )
    _OLD.change(connection, of_before=now - _KEPT, most=_MOST_PRUNED)
    _INSERT.change(
        connection,
        sha256=new.sha256,
        host_uuid=new.host_uuid,
        profile_uuid=new.profile_uuid,
        ca_name=new.ca_name,
        window_id=new.window_id,
        names=_encoded(new.names),
        deadline=new.deadline,
        csr_sha256=new.csr_sha256,
    )


def _deadline(connection: Connection, window_id: str) -> datetime | None:
    """
    Until when a window that is not closed admits.
    """
    deadline: datetime | None = _DEADLINE.scalar(connection, of_window=window_id)
    return deadline


def _find(connection: Connection, sha256: str, *, locked: bool = False) -> DeliveryChallenge | None:
    one = select(delivery_challenge).where(_COLUMNS.sha256 == sha256)
    row = connection.execute(one.with_for_update() if locked else one).first()
    return None if row is None else _record(row)


def _record(row: Row[tuple[object, ...]]) -> DeliveryChallenge:
    return DeliveryChallenge(
        sha256=row.sha256,
        host_uuid=row.host_uuid,
        profile_uuid=row.profile_uuid,
        ca_name=row.ca_name,
        window_id=row.window_id,
        names=_decoded(row.names),
        deadline=row.deadline,
        csr_sha256=row.csr_sha256,
    )


def _encoded(names: RequestedNames) -> str:
    parts = {
        "subject": [[_plain(one) for one in rdn] for rdn in names.subject],
        "alternative_names": [_plain(one) for one in names.alternative_names],
    }
    return json.dumps(parts, ensure_ascii=False)


def _plain(pattern: NamePattern) -> list[object]:
    return [pattern.kind, list(pattern.pieces)]


def _decoded(text: str) -> RequestedNames:
    def patterns(plain: list[tuple[str, list[str]]]) -> tuple[NamePattern, ...]:
        return tuple(NamePattern(kind, tuple(pieces)) for kind, pieces in plain)

    parts = json.loads(text)
    return RequestedNames(
        tuple(patterns(rdn) for rdn in parts["subject"]), patterns(parts["alternative_names"])
    )
