"""
osquery's agents, what inventories prove, and the certificates that were seen, in the database.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, and_, bindparam, or_, select, update

from scepd.model import Delivery, InventoryTaken, ManagedCertificate, RowEvent, RowVersions
from scepd.profiles.lifecycle import RetrySettings
from scepd.storage.certificates import (
    certificate_record,
    record_certificates,
    show_certificates,
)
from scepd.storage.columns import UTCDateTime
from scepd.storage.database import Database
from scepd.storage.deliveries import deliveries_of
from scepd.storage.enrollments import USER_KINDS
from scepd.storage.gone_certificates import retire_missing
from scepd.storage.inventory_rows import record_taken
from scepd.storage.prepared import Prepared
from scepd.storage.rows import RowChanges, apply_events
from scepd.storage.tables import enrollment, host, host_profile, managed_certificate

_OF_AGENT = Prepared(select(host.c.uuid).where(host.c.node_key_sha256 == bindparam("of_key")))
_WAYS = select(host_profile.c.enrollment_id).where(host_profile.c.host_uuid == bindparam("of_host"))
_USERS = Prepared(
    select(enrollment.c.user_name).where(
        enrollment.c.host_uuid == bindparam("of_host"),
        or_(*[enrollment.c.kind == kind for kind in USER_KINDS]),
        enrollment.c.enabled.is_(True),
        enrollment.c.id.in_(_WAYS),
    )
)
_IS_DUE = and_(
    host.c.uuid == bindparam("of_host"),
    or_(
        host.c.inventory_due_at.is_(None),
        host.c.inventory_due_at <= bindparam("now", type_=UTCDateTime),
    ),
)
_ASK_OF = Prepared(select(host.c.uuid).where(_IS_DUE))
_ASKED = Prepared(update(host).where(_IS_DUE).values(inventory_due_at=bindparam("again_at")))


class SQLVerificationStore:
    """
    Implements :class:`~scepd.ports.VerificationStore`.

    :param settings: how failures are tried again, and when a certificate is overdue.
    """

    def __init__(self, database: Database, settings: RetrySettings | None = None) -> None:
        self._database = database
        self._settings = settings or RetrySettings()

    async def enroll_agent(self, host_uuid: str, node_key_sha256: str, now: datetime) -> bool:
        """
        Give a host's osquery agent a (new) node key; the case of the uuid does not matter.

        :returns: False when there is no such host.
        """
        change = (
            update(host)
            .where(host.c.folded_uuid == host_uuid.lower())
            .values(node_key_sha256=node_key_sha256)
        )
        return await self._database.write(
            lambda connection: connection.execute(change).rowcount > 0
        )

    async def agent_host(self, node_key_sha256: str) -> str | None:
        """
        The host of an osquery agent, or None.
        """

        def query(connection: Connection) -> str | None:
            uuid: str | None = _OF_AGENT.scalar(connection, of_key=node_key_sha256)
            return uuid

        return await self._database.read(query, glance=True)

    async def profile_users(self, host_uuid: str) -> Sequence[str]:
        """
        The short names of the users by whose enabled channels profiles of a host go; empty where
        it is not known.
        """

        def query(connection: Connection) -> list[str]:
            return sorted({name for (name,) in _USERS.all(connection, of_host=host_uuid)})

        return await self._database.read(query)

    async def inventory_due(self, host_uuid: str, now: datetime, again_at: datetime) -> bool:
        """
        Whether the host should be asked for its inventory now; then it is not due again before
        ``again_at``, or the next acknowledgement of a profile.
        """
        same = {"of_host": host_uuid, "now": now}
        # Agents ask every few seconds: only the answer yes is worth a write.
        if not await self._database.read(
            lambda connection: _ASK_OF.first(connection, **same) is not None, glance=True
        ):
            return False
        return await self._database.write(
            lambda connection: _ASKED.change(connection, **same, again_at=again_at) > 0
        )

    async def deliveries(self, host_uuid: str) -> Sequence[Delivery]:
        """
        The installs that were handed to a host and may be proved: pending after a hand-over,
        verifying, verified and failed ones.
        """
        return await self._database.read(lambda connection: deliveries_of(connection, host_uuid))

    async def prove(
        self,
        host_uuid: str,
        certificates: Sequence[ManagedCertificate],
        events: Sequence[RowEvent],
        now: datetime,
        taken: InventoryTaken | None = None,
        judged: RowVersions | None = None,
    ) -> Sequence[RowEvent]:
        """
        Record the certificates that an inventory showed (the first sight of each is kept, and
        older ones of the same profile that are not in ``certificates`` stay), let events happen,
        and record that the inventory came, in one transaction.

        :param judged: the assignments as they were when the inventory was compared with them. It
            says nothing of those that have changed since, and shows no certificate of one that the
            host was not handed since it enrolled.
        :returns: the events that were of assignments as they are.
        """

        def unit(connection: Connection) -> list[RowEvent]:
            overdue = self._settings.overdue
            changed, left = _since(connection, judged or {}, now, self._settings)
            shown = [one for one in certificates if one.profile_uuid not in left]
            record_certificates(connection, host_uuid, shown, now, overdue)
            show_certificates(connection, host_uuid, shown, now)
            current = [one for one in events if one.profile_uuid not in changed]
            apply_events(connection, current, now, self._settings)
            if taken is not None:
                still = replace(taken, listed=taken.listed - changed)
                retire_missing(connection, host_uuid, still, current, now)
                record_taken(connection, host_uuid, still, now)
            return current

        return await self._database.write(unit)

    async def certificates(
        self, host_uuid: str, *, retired: bool = False
    ) -> Sequence[ManagedCertificate]:
        """
        The certificates of a host, the newest NotBefore first.

        :param retired: whether those that count no more are among them.
        """
        columns = managed_certificate.c
        newest_first = (
            select(managed_certificate)
            .where(columns.host_uuid == host_uuid)
            .order_by(columns.not_before.desc(), columns.sha1.desc())
        )
        if not retired:
            newest_first = newest_first.where(columns.retired_at.is_(None))

        def query(connection: Connection) -> list[ManagedCertificate]:
            return [certificate_record(row) for row in connection.execute(newest_first)]

        return await self._database.read(query)


def _since(
    connection: Connection, judged: RowVersions, now: datetime, settings: RetrySettings
) -> tuple[set[str], set[str]]:
    """
    The profiles whose assignments have changed since they were read; and those of them that the
    host was not handed since it enrolled.
    """
    changes = RowChanges(connection, now, settings)
    changes.look_ahead(judged)
    outdated = changes.outdated(judged)
    left = {key for key in outdated if (row := changes.row(*key)) is None or not row.offered}
    return {profile for _, profile in outdated}, {profile for _, profile in left}
