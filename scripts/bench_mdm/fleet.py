"""
Many hosts at once, made by the database itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, Table, Text, cast, insert, literal, select

from scepd.storage.columns import Facts, UTCDateTime
from scepd.storage.tables import enrollment, host, host_profile
from scripts.bench_mdm.devices import complete


def add_hosts(connection: Connection, name: str, count: int, now: datetime) -> None:
    """
    Store so many hosts with an enabled enrollment, named ``name-1`` and so on.
    """
    _multiply(
        connection,
        host,
        {"uuid": None, "folded_uuid": None, "serial_number": None}
        | {"platform": literal("macos"), "facts": literal({}, Facts)},
        name,
        count,
    )
    _multiply(
        connection,
        enrollment,
        {"id": None, "host_uuid": None, "kind": literal("device")}
        | {"enabled": literal(True), "enrolled_at": literal(now, UTCDateTime)},
        name,
        count,
    )


def assign(
    connection: Connection,
    name: str,
    count: int,
    values: Mapping[str, Any],
) -> None:
    """
    Store an assignment of one profile for each of these hosts.

    :param values: of the columns of ``host_profile`` besides host and enrollment.
    """
    fixed = {
        key: literal(value, host_profile.c[key].type)
        for key, value in values.items()
        if value is not None
    }
    columns = {"host_uuid": None, "enrollment_id": None, **fixed}
    _multiply(connection, host_profile, columns, name, count)


def _multiply(
    connection: Connection, table: Table, columns: Mapping[str, Any], name: str, count: int
) -> None:
    """
    Insert rows; the columns that are None get the name with the row's number.
    """
    rest = complete(table, dict(columns))
    numbers = _numbers(count).subquery()
    named = literal(name + "-") + cast(numbers.c.number, Text)
    values = {
        key: named if value is None else _literal(table, key, value) for key, value in rest.items()
    }
    rows = select(*values.values()).select_from(numbers)
    connection.execute(insert(table).from_select(list(values), rows))


def _literal(table: Table, key: str, value: Any) -> Any:
    return value if hasattr(value, "label") else literal(value, table.c[key].type)


def _numbers(count: int) -> Select[tuple[int]]:
    first = select(literal(1).label("number")).cte("numbers", recursive=True)
    numbers = first.union_all(select(first.c.number + 1).where(first.c.number < count))
    return select(numbers.c.number)
