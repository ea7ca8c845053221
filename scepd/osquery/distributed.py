"""
Distributed queries: what is asked, and what comes back.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from scepd.osquery.messages import (
    LARGEST_BODY,
    JSONValue,
    object_in,
    read_object,
    required_text,
    write_object,
)

PROFILES = "scepd_profiles"
"""
The name of the query for the device's profiles, from an extension's table that can be missing.
"""
USER_PROFILES = "scepd_user_profiles"
"""
The name of the query for the profiles of the users that scepd manages, likewise.
"""
CERTIFICATES = "scepd_certificates"
"""
The name of the query for the host's certificates.
"""
QUERIES: Mapping[str, str] = {
    PROFILES: (
        "SELECT display_name, identifier, install_date FROM macos_profiles"
        " WHERE type = 'Configuration'"
    ),
    CERTIFICATES: (
        "SELECT common_name, subject, issuer, subject2, issuer2, serial, sha1, not_valid_before,"
        " not_valid_after, path FROM certificates WHERE ca = 0 AND path NOT LIKE '/System/%'"
    ),
}
"""
The SQL of each query that all hosts are asked; they are apart, so that a table that is missing
spoils no other.
"""
_MOST_QUERIES = 100
_MOST_USERS = 10
_LONGEST_NAME = 255
# fleetd's table takes one user, by one "equals", and refuses all else ("missing username
# constraint"); in a UNION each part brings its own.
_OF_USER = (
    "SELECT display_name, identifier, install_date FROM macos_user_profiles"
    " WHERE username = {name} AND type = 'Configuration'"
)

Row: TypeAlias = Mapping[str, str]
"""
A row: the text of each column.
"""


@dataclass(frozen=True, slots=True)
class DistributedWrite:
    """
    What an agent found.

    :param node_key: who it is.
    :param rows: of each query that succeeded, by its name; none of the others.
    :param statuses: of each query, by its name; 0 is success.
    """

    node_key: str = field(repr=False)
    rows: Mapping[str, tuple[Row, ...]]
    statuses: Mapping[str, int]

    def inventory(self, name: str) -> tuple[Row, ...] | None:
        """
        Return what a query found.

        :param name: of the query.
        :returns: its rows; None when it failed, or was not run: that is no inventory, and not the
            same as an empty one.
        """
        return self.rows.get(name)


def parse_distributed_write(body: bytes, *, max_size: int = LARGEST_BODY) -> DistributedWrite:
    """
    Read the request to ``distributed/write``.

    :param body: JSON.
    :param max_size: bytes.
    :returns: the results; a query without status or rows counts as failed.
    :raises EncodingError: not JSON, or without a node key.
    :raises LimitExceeded: too large.
    """
    root = read_object(body, max_size=max_size)
    node_key = required_text(root, "node_key")
    statuses = _statuses(object_in(root, "statuses"))
    queries = list(object_in(root, "queries").items())[:_MOST_QUERIES]
    found = {name: _rows(value) for name, value in queries if statuses.get(name) == 0}
    rows = {name: rows for name, rows in found.items() if rows is not None}
    return DistributedWrite(node_key, rows, statuses)


def inventory_queries(user_names: Collection[str] = ()) -> Mapping[str, str]:
    """
    What a host is asked for its inventory.

    :param user_names: short names of all users who have profiles. Of none they are not asked for;
        nor where one can't be named in SQL, as half a list would be taken for a whole one.
    :returns: the SQL of each query by its name.
    """
    if not 0 < len(user_names) <= _MOST_USERS or not all(map(_can_be_named, user_names)):
        return QUERIES
    parts = [_OF_USER.format(name=_sql_text(name)) for name in sorted(user_names)]
    return {**QUERIES, USER_PROFILES: " UNION ALL ".join(parts)}


def queries_answer(queries: Mapping[str, str]) -> bytes:
    """
    Answer a request to ``distributed/read``.

    :param queries: the SQL by the query's name; none when there is nothing to ask.
    :returns: JSON.
    """
    return write_object({"queries": dict(queries), "node_invalid": False})


def write_answer() -> bytes:
    """
    Answer a request to ``distributed/write``: taken.

    :returns: JSON.
    """
    return write_object({"node_invalid": False})


def _can_be_named(user_name: str) -> bool:
    return 0 < len(user_name) <= _LONGEST_NAME and user_name.isprintable()


def _sql_text(text: str) -> str:
    """
    Write a text as SQLite's literal, which knows no escapes but the doubled quote
    (https://www.sqlite.org/lang_expr.html#literal_values_constants_).
    """
    return "'" + text.replace("'", "''") + "'"


def _statuses(root: Mapping[str, JSONValue]) -> dict[str, int]:
    """
    Read the statuses; some versions of osquery write them as texts.
    """
    found = {}
    for name, value in list(root.items())[:_MOST_QUERIES]:
        if isinstance(value, int) and not isinstance(value, bool):
            found[name] = value
        elif isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
            found[name] = int(value)
    return found


def _rows(value: JSONValue) -> tuple[Row, ...] | None:
    """
    Read the rows of a query; some versions of osquery write no rows as an empty text.
    """
    if value == "":
        return ()
    if not isinstance(value, list):
        return None
    return tuple(_row(row) for row in value if isinstance(row, dict))


def _row(row: Mapping[str, JSONValue]) -> Row:
    return {
        column: value if isinstance(value, str) else str(value)
        for column, value in row.items()
        if isinstance(value, str | int) and not isinstance(value, bool)
    }
