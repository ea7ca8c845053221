"""
The hosts, in the database.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection, Row, Select, bindparam, delete, insert, select, update

from scepd.model import Host
from scepd.profiles.labels import is_automatic
from scepd.storage.chunks import chunks
from scepd.storage.database import Database
from scepd.storage.host_labels import change_host_labels, set_automatic_labels
from scepd.storage.prepared import Prepared, PreparedForSome, PreparedRow
from scepd.storage.tables import host, host_label

_ONE = Prepared(select(host).where(host.c.uuid == bindparam("of_host")))
_SOME = PreparedForSome(lambda uuids: select(host).where(host.c.uuid.in_(uuids)))
_LABELS = PreparedForSome(lambda uuids: select(host_label).where(host_label.c.host_uuid.in_(uuids)))
_HostRow = Row[tuple[object, ...]] | PreparedRow


class SQLHostStore:
    """
    Implements :class:`~scepd.ports.HostStore`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put_host(self, host: Host) -> None:
        """
        Store a host, in place of one of the same uuid; its assignments stay, and so does what the
        record does not tell: its osquery agent, and when it was seen.
        """
        await self._database.write(lambda connection: _put(connection, host))

    async def host(self, uuid: str) -> Host | None:
        """
        The one of that uuid, or None.
        """

        def query(connection: Connection) -> Host | None:
            found = _records(connection, _ONE.all(connection, of_host=uuid))
            return found[0] if found else None

        return await self._database.read(query, glance=True)

    async def hosts_of(self, uuids: Collection[str]) -> Mapping[str, Host]:
        """
        Those of these uuids that there are, by uuid.
        """

        def query(connection: Connection) -> dict[str, Host]:
            found: dict[str, Host] = {}
            for some in chunks(sorted(set(uuids))):
                records = _records(connection, _SOME.all(connection, some))
                found |= {one.uuid: one for one in records}
            return found

        return await self._database.read(query)

    async def hosts(self, *, after: str = "", limit: int = 100) -> Sequence[Host]:
        """
        At most ``limit`` of them by uuid, from the first greater than ``after``.
        """
        page = select(host).where(host.c.uuid > after).order_by(host.c.uuid).limit(limit)
        return await self._database.read(lambda connection: _page(connection, page))


def put_enrolled_host(connection: Connection, new: Host) -> None:
    """
    Store a host that enrolls: of one that is known facts and labels are kept, labels are added,
    and what the device does not tell this time stays. Automatic labels follow what is known of it.
    """
    known = _ONE.first(connection, of_host=new.uuid)
    # A token that was made before labels were automatic may have one that only looks so.
    given = {label for label in new.labels if not is_automatic(label)}
    if known is None:
        _put(connection, replace(new, labels=tuple(given)))
        set_automatic_labels(connection, new.uuid, new.platform, new.os_version)
        return
    platform, os_version = new.platform or known.platform, new.os_version or known.os_version
    values = {
        "serial_number": new.serial_number or known.serial_number,
        "platform": platform,
        "model": new.model or known.model,
        "os_version": os_version,
        "last_seen": new.last_seen or known.last_seen,
    }
    connection.execute(update(host).where(host.c.uuid == new.uuid).values(values))
    change_host_labels(connection, new.uuid, given, ())
    set_automatic_labels(connection, new.uuid, platform, os_version)


def _put(connection: Connection, new: Host) -> None:
    values: dict[str, object] = {
        "serial_number": new.serial_number,
        "platform": new.platform,
        "facts": new.facts,
        "model": new.model,
        "os_version": new.os_version,
    }
    if new.last_seen is not None:
        values["last_seen"] = new.last_seen
    change = update(host).where(host.c.uuid == new.uuid).values(values)
    if not connection.execute(change).rowcount:
        connection.execute(
            insert(host).values(uuid=new.uuid, folded_uuid=new.uuid.lower(), **values)
        )
    connection.execute(delete(host_label).where(host_label.c.host_uuid == new.uuid))
    _insert_labels(connection, new.uuid, new.labels)


def _insert_labels(connection: Connection, host_uuid: str, labels: Iterable[str]) -> None:
    values = [{"host_uuid": host_uuid, "label": label} for label in sorted(set(labels))]
    if values:
        connection.execute(insert(host_label), values)


def _page(connection: Connection, page: Select[tuple[object, ...]]) -> list[Host]:
    return _records(connection, connection.execute(page).all())


def _records(connection: Connection, rows: Sequence[_HostRow]) -> list[Host]:
    labels = _labels(connection, [row.uuid for row in rows])
    return [_record(row, labels[row.uuid]) for row in rows]


def _labels(connection: Connection, uuids: Sequence[str]) -> dict[str, list[str]]:
    labels: dict[str, list[str]] = defaultdict(list)
    for row in _LABELS.all(connection, uuids):
        labels[row.host_uuid].append(row.label)
    return labels


def _record(row: _HostRow, labels: Sequence[str]) -> Host:
    return Host(
        row.uuid,
        row.serial_number,
        row.platform,
        tuple(sorted(labels)),
        row.facts,
        row.model,
        row.os_version,
        row.last_seen,
    )
