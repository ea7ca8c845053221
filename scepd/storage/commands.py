"""
The queue of commands, in the database.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, update

from scepd.apns.retry import Random
from scepd.errors import NotFound
from scepd.model import (
    Activity,
    CommandAnswer,
    CommandRecord,
    DeliveryChallenge,
    EnrollmentChallenge,
    EnrollmentWindow,
    OfferRule,
    Offers,
    QueuedCommand,
    RowEvent,
)
from scepd.profiles.lifecycle import Event, RetrySettings
from scepd.storage import tables
from scepd.storage.activities import insert_activity
from scepd.storage.columns import UTCDateTime
from scepd.storage.database import Database
from scepd.storage.delivery_challenges import put_challenge
from scepd.storage.identities import put_renewal_challenge
from scepd.storage.offers import (
    NOT_NOW,
    NOT_OFFERED,
    OFFER_COLUMNS,
    count_failure,
    forget_not_now,
    offer,
)
from scepd.storage.outbox import insert_commands, wish_pushes
from scepd.storage.prepared import Prepared
from scepd.storage.push_answers import command_answered, command_offered
from scepd.storage.row_writes import IS_ROW
from scepd.storage.rows import apply_event
from scepd.storage.tables import enrollment, host_profile

_COLUMNS = tables.command.c
_WAITS = _COLUMNS.finished_at.is_(None)
# All of a command but what the device answered, which may be long.
_QUEUED = (
    _COLUMNS.uuid,
    _COLUMNS.enrollment_id,
    _COLUMNS.request_type,
    _COLUMNS.profile_uuid,
    _COLUMNS.body,
    _COLUMNS.priority,
    _COLUMNS.created_at,
    *OFFER_COLUMNS,
)
_NEXT = (
    select(*_QUEUED)
    .where(_COLUMNS.enrollment_id == bindparam("of_enrollment"), _WAITS)
    # The order of the index of what waits.
    .order_by(_COLUMNS.setbacks, _COLUMNS.priority, _COLUMNS.created_at, _COLUMNS.uuid)
    .limit(1)
)
_AFTER_NOT_NOW = _NEXT.where(_COLUMNS.status != NOT_NOW)
_FIRST = Prepared(_NEXT)
_FIRST_AFTER_NOT_NOW = Prepared(_AFTER_NOT_NOW)
_ONE = Prepared(select(*_QUEUED).where(_COLUMNS.uuid == bindparam("of_command")))
_ASSIGNED = Prepared(
    select(host_profile.c.host_uuid, host_profile.c.profile_uuid)
    .join(
        tables.command,
        (host_profile.c.host_uuid == _COLUMNS.host_uuid)
        & (host_profile.c.profile_uuid == _COLUMNS.profile_uuid),
    )
    .where(_COLUMNS.uuid == bindparam("of_command"), host_profile.c.command_uuid == _COLUMNS.uuid)
)
_CURRENT = Prepared(select(host_profile.c.command_uuid).where(IS_ROW))
_NOW = bindparam("now", type_=UTCDateTime)
_RESULT = (
    update(tables.command)
    .where(
        _COLUMNS.uuid == bindparam("of_command"),
        _COLUMNS.enrollment_id == bindparam("of_enrollment"),
        _WAITS,
    )
    .values(
        status=bindparam("new_status"),
        detail=bindparam("new_detail"),
        # A result whose answer is not kept, None, leaves the one before it.
        **{
            column.name: func.coalesce(bindparam(f"new_{column.name}", type_=column.type), column)
            for column in (_COLUMNS.answer_size, _COLUMNS.answer)
        },
    )
)
# What an operator wrote can hold secrets.
_FINISH = Prepared(_RESULT.values(finished_at=_NOW, body=None))
_PUT_OFF = Prepared(
    _RESULT.values(
        not_now_at=func.coalesce(_COLUMNS.not_now_at, _NOW),
        not_now_count=_COLUMNS.not_now_count + 1,
        **NOT_OFFERED,
    )
)
_RECORDED = (
    _COLUMNS.uuid,
    _COLUMNS.request_type,
    _COLUMNS.profile_uuid,
    _COLUMNS.status,
    _COLUMNS.detail,
    _COLUMNS.created_at,
    _COLUMNS.offered_at,
    _COLUMNS.finished_at,
    _COLUMNS.answer_size,
    _COLUMNS.answer.is_not(None),
)


class SQLCommandStore:
    """
    Implements :class:`~scepd.ports.CommandStore`.

    :param settings: how failures are tried again.
    :param random: a number from 0 up to 1, which spreads pushes in time.
    :param offers: what becomes of commands that are offered and never answered.
    """

    def __init__(
        self,
        database: Database,
        settings: RetrySettings | None = None,
        random: Random = random.random,
        offers: OfferRule | None = None,
    ) -> None:
        self._database = database
        self._settings = settings or RetrySettings()
        self._random = random
        self._offers = offers or OfferRule()

    async def queue(self, command: QueuedCommand, activity: Activity | None = None) -> None:
        """
        Queue a command, and wish a push now: at the command's time.

        :raises NotFound: there is no such enrollment.
        """
        id = command.enrollment_id
        host_uuids = select(enrollment.c.host_uuid).where(enrollment.c.id == id)

        def unit(connection: Connection) -> None:
            host_uuid = connection.scalar(host_uuids)
            if host_uuid is None:
                raise NotFound(f"there is no enrollment {id!r}")
            insert_commands(connection, [(command, host_uuid)])
            wish_pushes(connection, [id], command.created_at)
            if activity is not None:
                insert_activity(connection, activity)

        await self._database.write(unit)

    async def next_command(
        self, enrollment_id: str, *, after_not_now: bool, without: Sequence[str] = ()
    ) -> QueuedCommand | None:
        """
        The command that should be offered next, of those without a final result: the fewest
        setbacks first, then by priority and age. ``after_not_now``: leave out those that were
        answered NotNow. ``without``: leave out those, by their uuids.
        """
        first = _FIRST_AFTER_NOT_NOW if after_not_now else _FIRST
        others = _AFTER_NOT_NOW if after_not_now else _NEXT

        def query(connection: Connection) -> QueuedCommand | None:
            given = {"of_enrollment": enrollment_id}
            if without:
                # A rare case, which is not prepared: the statement has as many places as these.
                some = others.where(_COLUMNS.uuid.not_in(without))
                row: Sequence[Any] | None = connection.execute(some, given).first()
            else:
                row = first.first(connection, **given)
            return None if row is None else _queued(row)

        return await self._database.read(query)

    async def hand_over(
        self,
        command_uuid: str,
        now: datetime,
        window: EnrollmentWindow | None,
        challenge: DeliveryChallenge | EnrollmentChallenge | None = None,
        *,
        is_idle: bool = False,
    ) -> bool:
        """
        Mark a command as offered, once more, and forget that it could not be made before;
        HANDED_OVER happens to its assignment, ``window`` replaces the assignment's windows, and
        ``challenge`` the one that was not used; the challenge of a renewal is stored beside those
        of hand-overs before that are good still.

        :param is_idle: the device reported Idle: what it answered NotNow before is left out no more
            after the next NotNow.
        :returns: False when the command was cancelled meanwhile; then nothing happened.
        """

        def unit(connection: Connection) -> bool:
            if not offer(connection, command_uuid, now, self._offers):
                return False
            if is_idle:
                forget_not_now(connection, command_uuid)
            command_offered(connection, command_uuid, now, self._random)
            event = _handed_over(connection, command_uuid)
            if event is not None:
                apply_event(connection, event, now, self._settings, window=window)
                if isinstance(challenge, DeliveryChallenge):
                    put_challenge(connection, challenge, now)
            if isinstance(challenge, EnrollmentChallenge):
                put_renewal_challenge(connection, challenge, now)
            return True

        return await self._database.write(unit)

    async def rendering_failed(
        self, command_uuid: str, now: datetime, detail: str, event: RowEvent | None
    ) -> bool:
        """
        Count that a command could not be made for its device, which is there: it stands behind
        those that were never set back, until it is offered. ``detail`` is kept with it, and
        ``event`` happens to the assignment, if the command is still the assignment's current one.

        :returns: False when it has its final result; then nothing happened.
        """

        def unit(connection: Connection) -> bool:
            if not count_failure(connection, command_uuid, now, detail):
                return False
            # A device that comes and gets nothing is not left alone for a day.
            command_offered(connection, command_uuid, now, self._random)
            if event is not None and _is_current(connection, event, command_uuid):
                apply_event(connection, event, now, self._settings)
            return True

        return await self._database.write(unit)

    async def finish(
        self,
        command_uuid: str,
        enrollment_id: str,
        status: str,
        detail: str,
        now: datetime,
        event: RowEvent | None,
        answer: CommandAnswer | None = None,
    ) -> bool:
        """
        Record a device's result: ``Acknowledged``, ``Error``, ``cancelled``; or ``NotNow``, which
        is not final and counts, and after which offers are counted anew. ``answer`` is kept beside
        it. ``event`` happens to the assignment, if the command is still the assignment's current
        one. The push wish is dropped when nothing waits any more, and put off when the device
        answered NotNow to everything that does.

        A body goes with a final result: what an operator wrote can hold secrets.

        :returns: False when there is no such command of that enrollment, or it had a final result.
        """
        record = _PUT_OFF if status == NOT_NOW else _FINISH
        values = {
            "new_status": status,
            "new_detail": detail,
            "now": now,
            "new_answer_size": None if answer is None else answer.size,
            "new_answer": None if answer is None else answer.plist,
        }

        def unit(connection: Connection) -> bool:
            same = {"of_command": command_uuid, "of_enrollment": enrollment_id}
            if not record.change(connection, **same, **values):
                return False
            if event is not None and _is_current(connection, event, command_uuid):
                apply_event(connection, event, now, self._settings)
            command_answered(connection, enrollment_id, status, now, self._random)
            return True

        return await self._database.write(unit)

    async def command(self, command_uuid: str) -> QueuedCommand | None:
        """
        A command, whatever became of it, or None.
        """

        def query(connection: Connection) -> QueuedCommand | None:
            row = _ONE.first(connection, of_command=command_uuid)
            return None if row is None else _queued(row)

        return await self._database.read(query, glance=True)

    async def commands(self, host_uuid: str, *, limit: int = 100) -> Sequence[CommandRecord]:
        """
        The commands of a host's enrollments, newest first.
        """
        page = (
            select(*_RECORDED)
            .where(_COLUMNS.host_uuid == host_uuid)
            .order_by(_COLUMNS.created_at.desc(), _COLUMNS.uuid.desc())
            .limit(limit)
        )

        def query(connection: Connection) -> list[CommandRecord]:
            return [CommandRecord(*row) for row in connection.execute(page)]

        return await self._database.read(query)


def _queued(row: Sequence[Any]) -> QueuedCommand:
    offered = len(OFFER_COLUMNS)
    columns: list[Any] = [*row[:-offered], Offers(*row[-offered:])]
    return QueuedCommand(*columns)


def _handed_over(connection: Connection, command_uuid: str) -> RowEvent | None:
    """
    What happens to the assignment whose current command this is, if there is one.
    """
    row = _ASSIGNED.first(connection, of_command=command_uuid)
    if row is None:
        return None
    return RowEvent(row.host_uuid, row.profile_uuid, Event.HANDED_OVER)


def _is_current(connection: Connection, event: RowEvent, command_uuid: str) -> bool:
    key = {"row_host": event.host_uuid, "row_profile": event.profile_uuid}
    return bool(_CURRENT.scalar(connection, **key) == command_uuid)
