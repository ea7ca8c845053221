"""
What a poll of a device that has nothing to report needs to know, in one look.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import ARRAY, Connection, Select, Text, bindparam, column, exists, func, select

from scepd.model import KnownIdentity, Poll
from scepd.storage.database import Database
from scepd.storage.enrollments import IDENTITY_COLUMNS, identity_joined, identity_record
from scepd.storage.gathering import Gathering
from scepd.storage.prepared import Prepared
from scepd.storage.tables import command, issued_certificate

_Asked = tuple[str, str]
_TEXTS: ARRAY[str] = ARRAY(Text)


def _one() -> Select[Any]:
    asked = select(issued_certificate.c.sha256, *IDENTITY_COLUMNS, _waits(bindparam("enrollment")))
    same = issued_certificate.c.sha256 == bindparam("sha256")
    return asked.select_from(identity_joined(issued_certificate)).where(same)


def _several() -> Select[Any]:
    """
    The same for pairs of certificate and enrollment, in their order.
    """
    asked = (
        func.unnest(bindparam("sha256s", type_=_TEXTS), bindparam("enrollments", type_=_TEXTS))
        .table_valued(
            column("sha256", Text),
            column("enrollment", Text),
            with_ordinality="number",
            name="asked",
        )
        .render_derived()
    )
    same = issued_certificate.c.sha256 == asked.c.sha256
    found = identity_joined(asked.outerjoin(issued_certificate, same))
    columns = issued_certificate.c.sha256, *IDENTITY_COLUMNS, _waits(asked.c.enrollment)
    return select(*columns).select_from(found).order_by(asked.c.number)


def _waits(enrollment_id: Any) -> Any:
    # What was answered NotNow counts: the device is idle again.
    waiting = (command.c.enrollment_id == enrollment_id) & command.c.finished_at.is_(None)
    return exists(select(command.c.uuid).where(waiting)).label("waits")


_ONE = Prepared(_one())
_SEVERAL = Prepared(_several())


class SQLPollStore:
    """
    Implements :class:`~scepd.ports.PollStore`.
    """

    def __init__(self, database: Database) -> None:
        self._gathering = Gathering(database, _polls)

    async def poll(self, certificate_sha256: str, enrollment_id: str) -> Poll:
        """
        What is known of the certificate that signed, as :meth:`CheckInStore.identity` has it, and
        whether a command waits for that enrollment, as it is at this moment.
        """
        return await self._gathering.ask((certificate_sha256, enrollment_id))


def _polls(connection: Connection, asked: Sequence[_Asked]) -> list[Poll]:
    if len(asked) == 1:
        sha256, enrollment_id = asked[0]
        return [_poll(_ONE.first(connection, sha256=sha256, enrollment=enrollment_id))]
    sha256s, enrollments = [one[0] for one in asked], [one[1] for one in asked]
    rows = _SEVERAL.all(connection, sha256s=sha256s, enrollments=enrollments)
    return [_poll(row) for row in rows]


def _poll(row: tuple[object, ...] | None) -> Poll:
    if row is None or row[0] is None:
        return Poll(None, False)
    sha256, *columns, waits = row
    known: KnownIdentity | None = identity_record(cast("str", sha256), columns)
    return Poll(known, bool(waits))
