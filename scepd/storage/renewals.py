"""
The renewal of certificates, in the database.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Integer,
    Select,
    and_,
    bindparam,
    func,
    insert,
    or_,
    select,
    update,
)

from scepd.model import (
    EXPIRING_DAYS,
    Alarm,
    CertificateCounts,
    CertificateQuery,
    Lease,
    OverdueCase,
    RowEvent,
    WatchedCertificate,
)
from scepd.profiles.lifecycle import Event, Operation, RetrySettings, Status
from scepd.storage.columns import UTCDateTime
from scepd.storage.database import Database
from scepd.storage.leases import refuse_lost
from scepd.storage.renewal_view import IS_WATCHED, watched_page
from scepd.storage.row_columns import AssignmentRow
from scepd.storage.row_writes import IS_ROW
from scepd.storage.rows import RowChanges
from scepd.storage.tables import activity, host_profile

_ACTOR = "scepd"
_COLUMNS = host_profile.c
_MICROSECOND = timedelta(microseconds=1)
RENEWAL_OVERDUE = "certificate renewal overdue"
NEVER_SEEN = "certificate never seen"
EXPIRED = "certificate expired"


def _time(name: str) -> BindParameter[datetime]:
    return bindparam(name, type_=UTCDateTime)


def _due(status: Status, *some: ColumnElement[bool]) -> Select[tuple[object, ...]]:
    # No more than what is due is put in order.
    return (
        select(_COLUMNS.host_uuid, _COLUMNS.profile_uuid, _COLUMNS.expires_at)
        .where(
            _COLUMNS.status == status.value, _COLUMNS.renew_at <= _time("now"), IS_WATCHED, *some
        )
        .order_by(_COLUMNS.expires_at)
        .limit(bindparam("most", type_=Integer))
    )


# Made once: each run needs them.
_DUE = _due(Status.VERIFIED)
# What was due before the device acknowledged is answered by this very delivery, though its
# certificate was not seen yet.
_DUE_UNPROVED = _due(Status.VERIFYING, _COLUMNS.renew_at > _COLUMNS.acknowledged_at)
_DUE_AGAIN = _due(
    Status.FAILED,
    _COLUMNS.expires_at > _time("now"),
    or_(
        _COLUMNS.changed_at <= _time("long_ago"),
        and_(_COLUMNS.changed_at <= _time("lately"), _COLUMNS.expires_at <= _time("soon")),
    ),
)
_WATCHED = select(host_profile).where(IS_WATCHED)
_WATCHED_ROW = _WATCHED.where(IS_ROW).with_for_update()
_EXPIRED_UNTOLD = _WATCHED.where(
    _COLUMNS.expires_at <= _time("now"), _COLUMNS.alarm != Alarm.EXPIRED.value
).limit(bindparam("most", type_=Integer))
_OVERDUE_UNTOLD = _WATCHED.where(
    _COLUMNS.overdue_at <= _time("now"), _COLUMNS.alarm == Alarm.NONE.value
).limit(bindparam("most", type_=Integer))
_TELL = update(host_profile).where(IS_ROW).values(alarm=bindparam("told"))
_SET_DUE = update(host_profile).where(IS_ROW).values(due_at=_time("moment"))


class SQLRenewalStore:
    """
    Implements :class:`~scepd.ports.RenewalStore`.

    :param settings: how failures are tried again.
    :param now: tells when a lease has ended; None: the database's clock.
    """

    def __init__(
        self,
        database: Database,
        settings: RetrySettings | None = None,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self._database = database
        self._settings = settings or RetrySettings()
        self._now = now

    async def due_renewals(
        self, now: datetime, again_after: tuple[timedelta, timedelta], limit: int
    ) -> Sequence[tuple[str, str]]:
        """
        Host and profile of at most ``limit`` assignments whose certificate should be renewed by
        now, the soonest expiry first: verified ones, those whose certificate was seen though their
        profile was not, and those that failed meanwhile but have a certificate that is still good.

        :param again_after: how long failed ones are left alone in the last time before expiry, and
            before that; the last time is as long as the latter.
        """
        least, most = again_after
        values = {
            "now": now,
            "soon": now + most,
            "long_ago": now - most,
            "lately": now - least,
            "most": limit,
        }

        def query(connection: Connection) -> list[tuple[str, str]]:
            searches = (_DUE, _DUE_UNPROVED, _DUE_AGAIN)
            found = [row for one in searches for row in connection.execute(one, values)]
            found.sort(key=lambda row: (row.expires_at, row.host_uuid, row.profile_uuid))
            return [(row.host_uuid, row.profile_uuid) for row in found[:limit]]

        return await self._database.read(query)

    async def renew(
        self, keys: Sequence[tuple[str, str]], now: datetime, lease: Lease
    ) -> Sequence[RowEvent]:
        """
        RENEWAL_DUE happens to those of these assignments whose certificate should still be renewed.
        The last is due now, and each a microsecond before the one behind it, so that the processor,
        which takes the longest due first, keeps their order.

        :returns: the events that happened.
        :raises Conflict: the lease has passed to another owner.
        """

        def unit(connection: Connection) -> list[RowEvent]:
            refuse_lost(connection, lease, self._now)
            changes = RowChanges(connection, now, self._settings)
            ahead = dict(changes.look_ahead(keys))
            events: list[RowEvent] = []
            for host_uuid, profile_uuid in keys:
                row = ahead.get((host_uuid, profile_uuid))
                event = RowEvent(host_uuid, profile_uuid, Event.RENEWAL_DUE)
                if row is not None and _is_due(row, now) and changes.change(row, event):
                    events.append(event)
            changes.write()
            _keep_order(connection, events, now)
            return events

        return await self._database.write(unit, locks=True)

    async def overdue_cases(self, now: datetime, limit: int) -> Sequence[OverdueCase]:
        """
        At most ``limit`` certificates that are overdue, or have expired, and of which that was not
        told.
        """

        def query(connection: Connection) -> list[OverdueCase]:
            cases: dict[tuple[str, str], OverdueCase] = {}
            for search in (_EXPIRED_UNTOLD, _OVERDUE_UNTOLD):
                for row in connection.execute(search, {"now": now, "most": limit}):
                    case = _case(row, now, self._settings.overdue.unseen)
                    if case is not None:
                        cases[case.host_uuid, case.profile_uuid] = case
            return list(cases.values())[:limit]

        return await self._database.read(query)

    async def tell_cases(
        self, cases: Sequence[OverdueCase], now: datetime, lease: Lease
    ) -> Sequence[OverdueCase]:
        """
        Store an activity for each case that is still one, and that it was told.

        :returns: those that were.
        :raises Conflict: the lease has passed to another owner.
        """

        def unit(connection: Connection) -> list[OverdueCase]:
            refuse_lost(connection, lease, self._now)
            told = []
            for case in cases:
                key = {"row_host": case.host_uuid, "row_profile": case.profile_uuid}
                row = connection.execute(_WATCHED_ROW, key).first()
                still = None if row is None else _case(row, now, self._settings.overdue.unseen)
                if still is not None:
                    connection.execute(_TELL, key | {"told": still.alarm.value})
                    told.append(still)
            _insert_activities(connection, told, now)
            return told

        return await self._database.write(unit, locks=True)

    async def watched(self, query: CertificateQuery) -> Sequence[WatchedCertificate]:
        """
        A page of the certificates in a state: the longest overdue first, else the soonest expiry.
        """
        return await self._database.read(lambda connection: watched_page(connection, query))

    async def certificate_counts(self, now: datetime) -> CertificateCounts:
        """
        How many certificates stand where.
        """
        expires_at, overdue_at = _COLUMNS.expires_at, _COLUMNS.overdue_at

        def count(connection: Connection, *some: ColumnElement[bool]) -> int:
            wanted = select(func.count()).select_from(host_profile).where(IS_WATCHED, *some)
            return connection.scalar(wanted) or 0

        def query(connection: Connection) -> CertificateCounts:
            return CertificateCounts(
                {
                    days: count(
                        connection, expires_at > now, expires_at <= now + timedelta(days=days)
                    )
                    for days in EXPIRING_DAYS
                },
                count(connection, overdue_at <= now),
                count(connection, expires_at <= now),
            )

        return await self._database.read(query)


def _is_due(row: AssignmentRow, now: datetime) -> bool:
    if None in (row.enrollment_id, row.ca_name) or row.operation != Operation.INSTALL.value:
        return False
    if row.renew_at is None or row.renew_at > now:
        return False
    if row.status == Status.VERIFYING.value:
        return row.acknowledged_at is not None and row.renew_at > row.acknowledged_at
    return row.status in (Status.VERIFIED.value, Status.FAILED.value)


def _keep_order(connection: Connection, events: Sequence[RowEvent], now: datetime) -> None:
    values = [
        {
            "row_host": event.host_uuid,
            "row_profile": event.profile_uuid,
            "moment": now - place * _MICROSECOND,
        }
        for place, event in enumerate(reversed(events))
    ]
    if values:
        connection.execute(_SET_DUE, values)


def _case(row: AssignmentRow, now: datetime, unseen: timedelta) -> OverdueCase | None:
    """
    What is to be told of an assignment, if anything is.

    :param unseen: how long a certificate may take from the acknowledgement until it is seen.
    """
    alarm, told = Alarm.NONE, Alarm(row.alarm)
    if row.expires_at is not None and row.expires_at <= now:
        alarm = Alarm.EXPIRED
    elif row.overdue_at is not None and row.overdue_at <= now:
        alarm = Alarm.OVERDUE
    if alarm is Alarm.NONE or told in (alarm, Alarm.EXPIRED):
        return None
    is_verifying = row.status == Status.VERIFYING.value and row.acknowledged_at is not None
    is_unseen = row.expires_at is None or (is_verifying and row.acknowledged_at + unseen <= now)
    return OverdueCase(row.host_uuid, row.profile_uuid, alarm, is_unseen, row.detail)


def _insert_activities(connection: Connection, cases: Sequence[OverdueCase], now: datetime) -> None:
    values = [
        {
            "at": now,
            "actor": _ACTOR,
            "action": _action(case),
            "subject": f"{case.host_uuid}/{case.profile_uuid}",
        }
        for case in cases
    ]
    if values:
        connection.execute(insert(activity), values)


def _action(case: OverdueCase) -> str:
    if case.alarm is Alarm.EXPIRED:
        return EXPIRED
    return NEVER_SEEN if case.is_unseen else RENEWAL_OVERDUE
