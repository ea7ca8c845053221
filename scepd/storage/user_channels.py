"""
The user channels of devices, in the database.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, select, update

from scepd.errors import NotFound
from scepd.model import AFTER_ENROLLING, Enrollment, PushAddress
from scepd.profiles.lifecycle import RetrySettings
from scepd.storage.convergence import converge_host
from scepd.storage.database import Database
from scepd.storage.enrollments import USER_KINDS, put_enrollment
from scepd.storage.outbox import anything_waits, wish_pushes
from scepd.storage.tables import device_identity, enrollment
from scepd.storage.user_channel_routes import deliver_by_channel, end_channel

MOST_CHANNELS = 100
"""
User channels of one device that are remembered.
"""
_COLUMNS = enrollment.c


class SQLUserChannelStore:
    """
    Implements :class:`~scepd.ports.UserChannelStore`.

    :param settings: how failures are tried again.
    """

    def __init__(self, database: Database, settings: RetrySettings | None = None) -> None:
        self._database = database
        self._settings = settings or RetrySettings()

    async def update_token(
        self,
        channel: Enrollment,
        device_id: str,
        push: PushAddress,
        now: datetime,
        push_due: datetime,
    ) -> None:
        """
        Enable a user channel of an enabled device and store where it is pushed to. One that was not
        enabled begins with nothing in its queue and gets a push wish due at ``push_due``; what
        waited for a user channel of the host takes it, due now. One that was gets the wish when a
        command waits for it.

        Of more than 100 channels of a device the one that was silent for the longest time is
        forgotten: disabled ones first.

        :raises NotFound: the device is not enabled, or has ended: it has no identity.
        """

        def unit(connection: Connection) -> None:
            _refuse_absent(connection, channel, device_id)
            same = _COLUMNS.id == channel.id
            known = connection.execute(select(enrollment).where(same)).first()
            begins = known is None or not known.enabled
            if known is None:
                self._make_room(connection, channel.host_uuid, now)
            if begins:
                put_enrollment(connection, channel)
            connection.execute(update(enrollment).where(same).values(_enabled(channel, push, now)))
            if begins:
                deliver_by_channel(connection, channel.host_uuid, now, self._settings)
                # The profile may have got other content while its row waited.
                converge_host(connection, channel.host_uuid, now, self._settings)
                wish_pushes(connection, [channel.id], push_due, AFTER_ENROLLING)
            elif anything_waits(connection, channel.id):
                # What came or comes of a push to the token before counts no more.
                wish_pushes(connection, [channel.id], push_due)

        await self._database.write(unit)

    async def end(self, channel_id: str, now: datetime) -> None:
        """
        Disable a user channel and cancel its open commands. USER_CHANNEL_ENDED happens to the
        assignments that went by it; they take the next newest one of the host, or wait. Nothing
        happens when there is no such channel.
        """
        one = select(_COLUMNS.host_uuid).where(
            _COLUMNS.id == channel_id, _COLUMNS.kind.in_(USER_KINDS)
        )

        def unit(connection: Connection) -> None:
            host_uuid = connection.scalar(one)
            if host_uuid is not None:
                end_channel(connection, channel_id, host_uuid, now, self._settings)

        await self._database.write(unit)

    def _make_room(self, connection: Connection, host_uuid: str, now: datetime) -> None:
        some = select(enrollment).where(
            _COLUMNS.host_uuid == host_uuid, _COLUMNS.kind.in_(USER_KINDS)
        )
        by_silence = sorted(
            connection.execute(some).all(),
            key=lambda row: (row.enabled, row.last_seen or row.enrolled_at, row.id),
        )
        for row in by_silence[: max(0, len(by_silence) + 1 - MOST_CHANNELS)]:
            end_channel(connection, row.id, host_uuid, now, self._settings)
            connection.execute(delete(enrollment).where(_COLUMNS.id == row.id))


def _refuse_absent(connection: Connection, channel: Enrollment, device_id: str) -> None:
    pinned = select(device_identity.c.enrollment_id).where(
        device_identity.c.enrollment_id == device_id
    )
    one = select(_COLUMNS.id).where(
        _COLUMNS.id == device_id,
        _COLUMNS.host_uuid == channel.host_uuid,
        _COLUMNS.enabled.is_(True),
        _COLUMNS.id.in_(pinned),
    )
    if connection.scalar(one) is None:
        raise NotFound(f"the device of the user channel {channel.id!r} is not enrolled")


def _enabled(channel: Enrollment, push: PushAddress, now: datetime) -> dict[str, object]:
    return {
        "enabled": True,
        "user_name": channel.user_name,
        "push_topic": push.topic,
        "push_key_id": push.secret.key_id,
        "push": push.secret.data,
        "token_updated_at": now,
    }
