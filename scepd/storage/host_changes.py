"""
Labels, facts and details of hosts that change, and what of their profiles changes with them, in the
database.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, select, update

from scepd.errors import NotFound
from scepd.model import Activity, DeviceDetails, FactsChange
from scepd.profiles.lifecycle import RetrySettings
from scepd.storage.activities import insert_activity
from scepd.storage.chunks import chunks
from scepd.storage.convergence import converge_host
from scepd.storage.database import Database
from scepd.storage.host_facts import HostRow, facts_changed, host_row
from scepd.storage.host_labels import change_host_labels, set_automatic_labels
from scepd.storage.tables import host


class SQLHostChangeStore:
    """
    Implements :class:`~scepd.ports.HostChangeStore`.

    :param settings: how failures are tried again.
    """

    def __init__(self, database: Database, settings: RetrySettings | None = None) -> None:
        self._database = database
        self._settings = settings or RetrySettings()

    async def change_labels(
        self, host_uuid: str, add: Collection[str], remove: Collection[str], activity: Activity
    ) -> bool:
        """
        Give a host labels and take others away; those of its profiles that target it by then, or
        no longer do, are assigned and unassigned.

        :returns: whether that changed anything; if not there is no activity either.
        :raises NotFound: there is no such host.
        """

        def unit(connection: Connection) -> bool:
            _host(connection, host_uuid)
            if not change_host_labels(connection, host_uuid, add, remove):
                return False
            converge_host(connection, host_uuid, activity.at, self._settings)
            insert_activity(connection, activity)
            return True

        return await self._database.write(unit)

    async def change_facts(self, changes: Sequence[FactsChange], activity: Activity) -> int:
        """
        Set and unset facts, of all these hosts or of none. HOST_FACT_CHANGED happens to the
        assignments of enrolled hosts whose profile uses a value that changed.

        :returns: how many hosts changed; if none did there is no activity either.
        :raises NotFound: one of the hosts is not there.
        """

        def unit(connection: Connection) -> int:
            changed = sum(self._change_facts(connection, change, activity.at) for change in changes)
            if changed:
                insert_activity(connection, activity)
            return changed

        return await self._database.write(unit)

    async def learn(self, host_uuid: str, details: DeviceDetails, now: datetime) -> bool:
        """
        Keep what a device says that it is; what it does not say stays, and so do a platform and a
        serial number that are known. Automatic labels and the values of its variables follow, and
        its profiles with them.

        :returns: whether that changed anything; never when the host is not known.
        """

        def unit(connection: Connection) -> bool:
            known = host_row(connection, host_uuid)
            if known is None:
                return False
            told = _told(details, known)
            if not told:
                return False
            connection.execute(update(host).where(host.c.uuid == host_uuid).values(told))
            after = _host(connection, host_uuid)
            set_automatic_labels(connection, host_uuid, after.platform, after.os_version)
            facts_changed(connection, known, after, now, self._settings)
            converge_host(connection, host_uuid, now, self._settings)
            return True

        return await self._database.write(unit)

    async def uuids_of(self, names: Collection[str]) -> Mapping[str, Sequence[str]]:
        """
        The uuids of the hosts that have each of these as their uuid or serial number.
        """

        def query(connection: Connection) -> dict[str, list[str]]:
            found: dict[str, set[str]] = defaultdict(set)
            for some in chunks(list(names)):
                for column in (host.c.uuid, host.c.serial_number):
                    named = select(column, host.c.uuid).where(column.in_(some))
                    for name, uuid in connection.execute(named):
                        found[name].add(uuid)
            return {name: sorted(uuids) for name, uuids in found.items()}

        return await self._database.read(query)

    def _change_facts(self, connection: Connection, change: FactsChange, now: datetime) -> bool:
        before = _host(connection, change.host_uuid)
        facts = dict(before.facts)
        for name, value in change.facts:
            if value is None:
                facts.pop(name, None)
            else:
                facts[name] = value
        if facts == before.facts:
            return False
        same = host.c.uuid == change.host_uuid
        connection.execute(update(host).where(same).values(facts=facts))
        after = _host(connection, change.host_uuid)
        facts_changed(connection, before, after, now, self._settings)
        return True


def _told(details: DeviceDetails, known: HostRow) -> dict[str, str]:
    """
    What is new of it. Platform and serial number of a device never change, whoever says so.
    """
    said = {"model": details.model, "os_version": details.os_version}
    if not known.platform:
        said["platform"] = details.platform
    if not known.serial_number:
        said["serial_number"] = details.serial_number
    return {name: value for name, value in said.items() if value not in ("", getattr(known, name))}


def _host(connection: Connection, host_uuid: str) -> HostRow:
    found = host_row(connection, host_uuid)
    if found is None:
        raise NotFound(f"there is no host {host_uuid!r}")
    return found
