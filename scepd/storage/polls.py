"""
What a poll of a device that has nothing to report needs to know, in one look.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    Connection,
    Select,
    Text,
    bindparam,
    column,
    exists,
    func,
    select,
    type_coerce,
)
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.types import NullType

from scepd.model import Poll
from scepd.storage.database import Database
from scepd.storage.gathering import Gathering
from scepd.storage.identities import IDENTITY_COLUMNS, identity_joined, identity_record
from scepd.storage.prepared import Prepared
from scepd.storage.tables import command, issued_certificate

_REMEMBERED = 4096
_TEXTS: ARRAY[str] = ARRAY(Text)
# As the driver gives them: a row that was seen before is not read again.
_COLUMNS = tuple(
    type_coerce(each, NullType()).label(f"value_{number}")
    for number, each in enumerate((issued_certificate.c.sha256, *IDENTITY_COLUMNS))
)

# What the types of ours make of a value is the same on every database.
_READERS = tuple(each.type.result_processor(DefaultDialect(), None) for each in IDENTITY_COLUMNS)

_Asked = tuple[str, str]


def _one() -> Select[*tuple[Any, ...]]:
    asked = select(*_COLUMNS, _waits(bindparam("enrollment")))
    same = issued_certificate.c.sha256 == bindparam("sha256")
    return asked.select_from(identity_joined(issued_certificate)).where(same)


def _several() -> Select[*tuple[Any, ...]]:
    """
    The same for pairs of certificate and enrollment, in their order.
    """
    texts = (bindparam(name, type_=_TEXTS) for name in ("sha256s", "enrollments"))
    asked = (
        func.unnest(*texts)
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
    columns = *_COLUMNS, _waits(asked.c.enrollment)
    return select(*columns).select_from(found).order_by(asked.c.number)


def _waits(enrollment_id: Any) -> Any:
    # What was answered NotNow counts: the device is idle again.
    waiting = (command.c.enrollment_id == enrollment_id) & command.c.finished_at.is_(None)
    found = exists(select(command.c.uuid).where(waiting))
    return type_coerce(found, NullType()).label("waits")


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


def _polls(connection: Connection, *, questions: Sequence[_Asked]) -> list[Poll]:
    if len(questions) == 1:
        sha256, enrollment_id = questions[0]
        row = _ONE.first(connection, sha256=sha256, enrollment=enrollment_id)
        return [Poll(None, False) if row is None else _poll(row)]
    sha256s, enrollments = [one[0] for one in questions], [one[1] for one in questions]
    rows = _SEVERAL.all(connection, sha256s=sha256s, enrollments=enrollments)
    return [_poll(row) for row in rows]


@lru_cache(maxsize=_REMEMBERED)
def _poll(row: tuple[Any, ...]) -> Poll:
    """
    What a row says, which is the same whenever it is the same row.
    """
    sha256, *values, waits = row
    if sha256 is None:
        return Poll(None, False)
    read = [
        value if one is None else one(value) for one, value in zip(_READERS, values, strict=True)
    ]
    return Poll(identity_record(sha256, read), bool(waits))
