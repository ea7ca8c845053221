"""
The renewal of device identities, in the database.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import Connection, case, func, literal, select, update

from scepd.model import (
    Activity,
    DeviceIdentity,
    IdentityCounts,
    Lease,
    LookedAtIdentity,
    PendingRenewal,
    QueuedCommand,
    RenewalAnswer,
)
from scepd.storage import tables
from scepd.storage.activities import insert_activity
from scepd.storage.chunks import chunks
from scepd.storage.columns import UTCDateTime
from scepd.storage.database import Database
from scepd.storage.identities import confirm
from scepd.storage.identity_rows import (
    IN_USE,
    described,
    identity_record,
    is_renewed_by,
    looked_at,
    looked_at_record,
    pending_renewal,
)
from scepd.storage.leases import refuse_lost
from scepd.storage.outbox import insert_commands, wish_pushes
from scepd.storage.tables import device_identity, issued_certificate

_COLUMNS = device_identity.c
_ENROLLMENT = tables.enrollment.c


class SQLIdentityStore:
    """
    Implements :class:`~scepd.ports.IdentityStore`.

    :param now: tells whether a lease has ended; None: the database's clock.
    """

    def __init__(self, database: Database, now: Callable[[], datetime] | None = None) -> None:
        self._database = database
        self._now = now

    async def confirm(self, certificate_sha256: str, now: datetime) -> bool:
        """
        A device has begun to use an identity: those that its enrollment had before are retired, and
        its challenges are void.

        :returns: False when it had begun before, or the identity is not pinned any more.
        """
        return await self._database.write(
            lambda connection: confirm(connection, certificate_sha256, now)
        )

    async def due_looks(self, now: datetime, limit: int) -> Sequence[LookedAtIdentity]:
        """
        At most ``limit`` identities in use, of enabled devices, that are to be looked at by now,
        the longest due first.
        """
        some = (
            looked_at()
            .where(_COLUMNS.look_at <= now, IN_USE, issued_certificate.c.revoked_at.is_(None))
            .order_by(_COLUMNS.look_at)
            .limit(limit)
        )
        return await self._database.read(
            lambda connection: [looked_at_record(row) for row in connection.execute(some)]
        )

    async def look_again(
        self, moments: Sequence[tuple[str, datetime]], lease: Lease | None
    ) -> None:
        """
        Set when identities, by the SHA-256 of their certificates, are looked at again.

        :raises Conflict: there is a lease, and it has passed to another owner.
        """

        def unit(connection: Connection) -> None:
            if lease is not None:
                refuse_lost(connection, lease, self._now)
            for sha256, look_at in moments:
                _change(connection, sha256, look_at=look_at)

        await self._database.write(unit, locks=lease is not None)

    async def begin_renewals(
        self,
        renewals: Sequence[tuple[str, QueuedCommand]],
        look_at: datetime,
        *,
        lease: Lease | None = None,
        only_due: bool = False,
        activity: Activity | None = None,
    ) -> Sequence[QueuedCommand]:
        """
        Queue the command of each identity, by the SHA-256 of its certificate, that is in use, not
        revoked, and of an enabled enrollment for which no such command waits; wish a push now, at
        the command's time; all in one transaction.

        :param look_at: when they are looked at again.
        :param only_due: leave out what is to be looked at after the command's time.
        :param activity: stored when something was queued.
        :returns: the commands that were queued.
        :raises Conflict: there is a lease, and it has passed to another owner.
        """

        def unit(connection: Connection) -> list[QueuedCommand]:
            if lease is not None:
                refuse_lost(connection, lease, self._now)
                _lock(connection, [sha256 for sha256, _ in renewals])
            begun = [
                command
                for sha256, command in renewals
                if _begin(connection, sha256, command, look_at, only_due=only_due)
            ]
            if begun and activity is not None:
                insert_activity(connection, activity)
            return begun

        return await self._database.write(unit, locks=lease is not None)

    async def renewal(self, command_uuid: str) -> PendingRenewal | None:
        """
        What a command renews; None: it renews nothing, or the enrollment has begun anew or ended.
        """
        return await self._database.read(
            lambda connection: pending_renewal(connection, command_uuid)
        )

    async def renewal_answered(
        self,
        command_uuid: str,
        answer: RenewalAnswer,
        now: datetime,
        activity: Activity | None = None,
    ) -> None:
        """
        Record what came of a command on the identity that it renews. A device that acknowledges
        for the second time, and has not come with what it got the first time, fails.
        """
        values: dict[str, object] = {
            "renewal_detail": answer.detail,
            "renewal_failures": _COLUMNS.renewal_failures + 1,
            "look_at": answer.look_at,
        }
        if answer.failed:
            # A device that could not go on to another identity goes on with this one.
            values |= {"renewal_failed_at": now, "retired_at": None}
        same = is_renewed_by(command_uuid)
        if not answer.failed:
            same &= _COLUMNS.retired_at.is_(None)
            # It was told to have another one before, and did not come with that, either.
            is_again = (_COLUMNS.renewal_failures > 0) & _COLUMNS.renewal_failed_at.is_(None)
            at = literal(now, UTCDateTime)
            values["renewal_failed_at"] = case((is_again, at), else_=_COLUMNS.renewal_failed_at)
        change = update(device_identity).where(same).values(values)

        def unit(connection: Connection) -> None:
            if connection.execute(change).rowcount and activity is not None:
                insert_activity(connection, activity)

        await self._database.write(unit)

    async def identities(self, host_uuid: str) -> Sequence[DeviceIdentity]:
        """
        The identities of a host's enrollments, the newest first.
        """
        some = described().where(_ENROLLMENT.host_uuid == host_uuid)

        def query(connection: Connection) -> list[DeviceIdentity]:
            found = [identity_record(row) for row in connection.execute(some)]
            # A host has a handful.
            return sorted(found, key=lambda one: one.pinned_at, reverse=True)

        return await self._database.read(query)

    async def counts(self, now: datetime, moments: Sequence[datetime]) -> IdentityCounts:
        """
        How the identities in use of enabled devices are.
        """
        some = (
            select(func.count())
            .select_from(device_identity)
            .join(tables.enrollment, _ENROLLMENT.id == _COLUMNS.enrollment_id)
            .where(IN_USE)
        )
        failing = some.where(_COLUMNS.renewal_failed_at.is_not(None))

        def query(connection: Connection) -> IdentityCounts:
            def expiring(by: datetime) -> int:
                return connection.scalar(some.where(_COLUMNS.not_after <= by)) or 0

            return IdentityCounts(
                tuple(expiring(moment) for moment in moments),
                expiring(now),
                connection.scalar(failing) or 0,
            )

        return await self._database.read(query)


def _lock(connection: Connection, sha256s: Sequence[str]) -> None:
    """
    Lock identities and their enrollments, by which it is decided who renews.
    """
    for some in chunks(sha256s):
        enrollments = select(_COLUMNS.enrollment_id).where(_COLUMNS.certificate_sha256.in_(some))
        for locked in (
            select(_ENROLLMENT.id).where(_ENROLLMENT.id.in_(enrollments)).order_by(_ENROLLMENT.id),
            select(_COLUMNS.certificate_sha256)
            .where(_COLUMNS.certificate_sha256.in_(some))
            .order_by(_COLUMNS.certificate_sha256),
        ):
            connection.execute(locked.with_for_update()).all()


def _begin(
    connection: Connection,
    sha256: str,
    command: QueuedCommand,
    look_at: datetime,
    *,
    only_due: bool,
) -> bool:
    wanted = looked_at().where(
        _COLUMNS.certificate_sha256 == sha256, IN_USE, issued_certificate.c.revoked_at.is_(None)
    )
    if only_due:
        wanted = wanted.where(_COLUMNS.look_at <= command.created_at)
    row = connection.execute(wanted).first()
    if row is None or row.pending:
        return False
    insert_commands(connection, [(command, row.host_uuid)])
    wish_pushes(connection, [row.enrollment_id], command.created_at)
    _change(
        connection,
        sha256,
        look_at=look_at,
        renewal_command=command.uuid,
        renewal_begun_at=command.created_at,
    )
    return True


def _change(connection: Connection, sha256: str, **values: object) -> None:
    # One that was retired meanwhile is looked at no more.
    same = (_COLUMNS.certificate_sha256 == sha256) & _COLUMNS.retired_at.is_(None)
    connection.execute(update(device_identity).where(same).values(values))
