"""
Enrollments and the identities that are pinned to them, in the database.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Connection, or_, select, update

from scepd.errors import Conflict, NotFound
from scepd.model import AFTER_ENROLLING, Activity, Enrollment, Host, KnownIdentity, PushAddress
from scepd.profiles.lifecycle import Event, RetrySettings
from scepd.storage import tables
from scepd.storage.activities import insert_activity
from scepd.storage.chunks import chunks
from scepd.storage.convergence import converge_host
from scepd.storage.database import Database
from scepd.storage.enrollments import (
    DEVICE_KINDS,
    USER_KINDS,
    disable,
    enrollment_record,
    is_enabled,
    put_enrollment,
)
from scepd.storage.host_facts import facts_changed, host_row
from scepd.storage.hosts import put_enrolled_host
from scepd.storage.identities import known_identity, pin, pin_only, refuse_pinned
from scepd.storage.outbox import anything_waits, cancel_queue, drop_pushes, wish_pushes
from scepd.storage.rows import apply_to_rows
from scepd.storage.tables import device_identity, host, host_profile
from scepd.storage.user_channel_routes import deliver_by_device, end_channel, end_channels

_COLUMNS = tables.enrollment.c


class SQLCheckInStore:
    """
    Implements :class:`~scepd.ports.CheckInStore`.

    :param settings: how failures are tried again.
    """

    def __init__(self, database: Database, settings: RetrySettings | None = None) -> None:
        self._database = database
        self._settings = settings or RetrySettings()

    async def identity(self, certificate_sha256: str) -> KnownIdentity | None:
        """
        What is known of a certificate: None unless it was issued for an enrollment challenge, or
        renews such a one, nor when it is not pinned and the token of that challenge is gone.
        """
        return await self._database.read(
            lambda connection: known_identity(connection, certificate_sha256)
        )

    async def enrollment(self, enrollment_id: str) -> Enrollment | None:
        """
        The enrollment with that id, or None.
        """
        one = select(tables.enrollment).where(_COLUMNS.id == enrollment_id)

        def query(connection: Connection) -> Enrollment | None:
            row = connection.execute(one).first()
            return None if row is None else enrollment_record(row)

        return await self._database.read(query)

    async def enrollments_of_host(self, host_uuid: str) -> Sequence[Enrollment]:
        """
        The enrollments of a host, its user channels too: that of the device first, then by id.
        """
        some = select(tables.enrollment).where(_COLUMNS.host_uuid == host_uuid)

        def query(connection: Connection) -> list[Enrollment]:
            found = [enrollment_record(row) for row in connection.execute(some)]
            return sorted(found, key=lambda one: (one.kind in USER_KINDS, one.id))

        return await self._database.read(query)

    async def enrolled_hosts(self, host_uuids: Collection[str]) -> Collection[str]:
        """
        Those of these hosts whose device is enrolled: its push address came, and no CheckOut since.
        """

        def query(connection: Connection) -> frozenset[str]:
            found: set[str] = set()
            for some in chunks(sorted(set(host_uuids))):
                enabled = select(_COLUMNS.host_uuid).where(
                    _COLUMNS.host_uuid.in_(some),
                    _COLUMNS.kind.in_(DEVICE_KINDS),
                    _COLUMNS.enabled.is_(True),
                )
                found.update(connection.scalars(enabled))
            return frozenset(found)

        return await self._database.read(query)

    async def authenticate(
        self,
        host: Host,
        enrollment: Enrollment,
        certificate_sha256: str,
        *,
        replace_enabled: bool = True,
        activity: Activity | None = None,
    ) -> None:
        """
        Begin an enrollment anew: store the host (its facts and labels of operators are kept, the
        given labels are added) and the enrollment, disabled; pin the identity as its only one; its
        open commands are cancelled, also one that renews its identity, with its challenges, its
        push wish goes, and ENROLLED_ANEW happens to each of the host's assignments.

        A device takes its user channels along.

        :param replace_enabled: whether it may take the place of an enabled enrollment.
        :param activity: stored when it does.
        :raises Conflict: the identity is pinned to another enrollment; or it may not.
        """
        now = enrollment.enrolled_at

        def unit(connection: Connection) -> None:
            refuse_pinned(connection, enrollment.id, certificate_sha256)
            if is_enabled(connection, enrollment.id):
                if not replace_enabled:
                    raise Conflict("the device is enrolled already")
                if activity is not None:
                    insert_activity(connection, activity)
            put_enrolled_host(connection, host)
            put_enrollment(connection, enrollment)
            pin_only(connection, enrollment.id, certificate_sha256, now)
            cancel_queue(connection, enrollment.id, now)
            drop_pushes(connection, [enrollment.id])
            if enrollment.kind in DEVICE_KINDS:
                self._leave(connection, enrollment.host_uuid, Event.ENROLLED_ANEW, now)

        await self._database.write(unit)

    async def go_on(
        self, host: Host, enrollment_id: str, certificate_sha256: str, now: datetime
    ) -> None:
        """
        Go on with an enrollment under another identity, which is one of its own: store what the
        host tells of itself this time (its facts and labels of operators are kept), let
        HOST_FACT_CHANGED happen to what uses a value that is another by that, and change nothing
        else.

        :raises Conflict: the identity is not one of this enrollment, or another one has its place.
        """
        columns = device_identity.c
        pinned = select(columns.enrollment_id).where(
            columns.certificate_sha256 == certificate_sha256, columns.retired_at.is_(None)
        )

        def unit(connection: Connection) -> None:
            if connection.scalar(pinned) != enrollment_id:
                raise Conflict("this identity is not one of this enrollment any more")
            before = host_row(connection, host.uuid)
            put_enrolled_host(connection, host)
            after = host_row(connection, host.uuid)
            if before is not None and after is not None:
                facts_changed(connection, before, after, now, self._settings)

        await self._database.write(unit)

    async def pin_identity(
        self, enrollment_id: str, certificate_sha256: str, now: datetime
    ) -> None:
        """
        Let an enrollment use one more identity.

        :raises Conflict: it is pinned to another enrollment.
        :raises NotFound: there is no such enrollment.
        """
        one = select(_COLUMNS.id).where(_COLUMNS.id == enrollment_id)

        def unit(connection: Connection) -> None:
            if connection.scalar(one) is None:
                raise _not_found(enrollment_id)
            if not refuse_pinned(connection, enrollment_id, certificate_sha256):
                pin(connection, enrollment_id, certificate_sha256, now)

        await self._database.write(unit)

    async def update_token(
        self, enrollment_id: str, push: PushAddress, now: datetime, push_due: datetime
    ) -> None:
        """
        Enable an enrollment and store where it is pushed to. A device that was disabled gets an
        assignment of each profile that targets it, due now, and a push wish due at ``push_due``.
        One that was not gets the wish when a command waits for it: what was pushed to the address
        before may be lost.

        :raises NotFound: there is no such enrollment, or it has ended: it has no identity.
        """
        same = _COLUMNS.id == enrollment_id
        values = {
            "enabled": True,
            "push_topic": push.topic,
            "push_key_id": push.secret.key_id,
            "push": push.secret.data,
            "token_updated_at": now,
        }
        pinned = select(device_identity.c.enrollment_id).where(
            device_identity.c.enrollment_id == enrollment_id
        )

        def unit(connection: Connection) -> None:
            begun = select(tables.enrollment).where(same, _COLUMNS.id.in_(pinned))
            row = connection.execute(begun).first()
            if row is None:
                raise _not_found(enrollment_id)
            connection.execute(update(tables.enrollment).where(same).values(values))
            is_device = row.kind in DEVICE_KINDS
            if is_device and not row.enabled:
                deliver_by_device(connection, row.host_uuid, enrollment_id, now, self._settings)
                _mark_enrolled(connection, row.host_uuid, row.enrolled_at)
            if is_device:
                # Its labels may be others than when it enrolled: its token's, or its system's.
                converge_host(connection, row.host_uuid, now, self._settings)
            if is_device and not row.enabled:
                wish_pushes(connection, [enrollment_id], push_due, AFTER_ENROLLING)
            elif anything_waits(connection, enrollment_id):
                # What came or comes of a push to the token before counts no more.
                wish_pushes(connection, [enrollment_id], push_due)

        await self._database.write(unit)

    async def check_out(self, enrollment_id: str, now: datetime) -> None:
        """
        Disable an enrollment and unpin its identities, so that only :meth:`authenticate` begins it
        anew, also with one of them; a renewal of its identity is cancelled; CHECKED_OUT happens to
        each of the host's assignments.

        A device takes its user channels along. A user channel ends alone: USER_CHANNEL_ENDED
        happens to the assignments that went by it, which take the next newest one, or wait.
        """
        one = select(_COLUMNS.host_uuid, _COLUMNS.kind).where(_COLUMNS.id == enrollment_id)

        def unit(connection: Connection) -> None:
            row = connection.execute(one).first()
            if row is None:
                return
            if row.kind in USER_KINDS:
                end_channel(connection, enrollment_id, row.host_uuid, now, self._settings)
                return
            disable(connection, _COLUMNS.id == enrollment_id, now)
            self._leave(connection, row.host_uuid, Event.CHECKED_OUT, now)

        await self._database.write(unit)

    async def tell(self, activity: Activity) -> None:
        """
        Store an activity that changed nothing.
        """
        await self._database.write(lambda connection: insert_activity(connection, activity))

    async def saw(self, enrollment_ids: Sequence[str], at: datetime) -> None:
        """
        Set when these enrollments and their hosts were last seen; never back.
        """

        def unit(connection: Connection) -> None:
            for ids in chunks(enrollment_ids):
                for seen, some in (
                    (tables.enrollment, _COLUMNS.id.in_(ids)),
                    (
                        host,
                        host.c.uuid.in_(select(_COLUMNS.host_uuid).where(_COLUMNS.id.in_(ids))),
                    ),
                ):
                    earlier = or_(seen.c.last_seen.is_(None), seen.c.last_seen < at)
                    connection.execute(update(seen).where(some, earlier).values(last_seen=at))

        await self._database.write(unit)

    def _leave(self, connection: Connection, host_uuid: str, event: Event, now: datetime) -> None:
        """
        Let the event happen to the host's assignments; until a device enrollment is enabled they
        are nobody's work.
        """
        channels = (_COLUMNS.host_uuid == host_uuid) & _COLUMNS.kind.in_(USER_KINDS)
        end_channels(connection, channels, now)
        some = host_profile.c.host_uuid == host_uuid
        apply_to_rows(connection, some, lambda row: event, now, self._settings)
        deliver_by_device(connection, host_uuid, None, now, self._settings)


def _mark_enrolled(connection: Connection, host_uuid: str, at: datetime) -> None:
    some = host_profile.c.host_uuid == host_uuid
    connection.execute(update(host_profile).where(some).values(enrolled_at=at))


def _not_found(enrollment_id: str) -> NotFound:
    return NotFound(f"there is no enrollment {enrollment_id!r}")
