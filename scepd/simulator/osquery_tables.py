"""
The tables of a simulated device's osquery, and the queries that ask for them.

Real agents tell every value as a text, and only the columns that were asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import TypeAlias

from scepd.errors import EncodingError
from scepd.pki.certificates import summarize
from scepd.simulator.device import SimulatedDevice
from scepd.simulator.identity import Identity
from scepd.simulator.inventory import common_name
from scepd.simulator.keychain import InstalledProfile
from scepd.simulator.openssl_names import listed, slashed

Row: TypeAlias = dict[str, str]
"""
The text of each column.
"""
_KEYCHAIN = "/Library/Keychains/System.keychain"
_SELECT = re.compile(r"\s*SELECT\s(.*)", re.IGNORECASE | re.DOTALL)
_FROM = re.compile(r"\sFROM\s", re.IGNORECASE)
_TABLE = re.compile(r"\s*(\w+)")


def query(device: SimulatedDevice, sql: str) -> list[Row]:
    """
    Answer a query of the form ``SELECT columns FROM table``.

    What stands behind the table is taken as fulfilled: the tables hold only profiles of the type
    Configuration, and certificates that are no authority's.

    :param device: whose tables these are.
    :param sql: the query.
    :returns: the rows, with the columns that were asked for.
    :raises EncodingError: another form, or no such table or column; the text is as SQLite's.
    """
    columns, table = _parsed(sql)
    rows = _TABLES.get(table)
    if rows is None or table in device.behaviour.missing_tables:
        raise EncodingError(f"no such table: {table}")
    known = _COLUMNS[table]
    wanted = known if columns == ("*",) else columns
    for column in wanted:
        if column not in known:
            raise EncodingError(f"no such column: {column}")
    return [{column: row[column] for column in wanted} for row in rows(device)]


def profile_rows(profiles: Iterable[InstalledProfile]) -> list[Row]:
    """
    Make the rows of ``macos_profiles``.

    :param profiles: of the device.
    :returns: a row for each.
    """
    return [
        {
            "display_name": held.display_name,
            "identifier": held.identifier,
            "install_date": _date(held.installed_at),
            "type": "Configuration",
        }
        for held in profiles
    ]


def certificate_rows(identities: Iterable[Identity]) -> list[Row]:
    """
    Make the rows of ``certificates``.

    :param identities: of the device.
    :returns: a row for each whose certificate is no authority's.
    """
    return [
        _certificate_row(identity)
        for identity in identities
        if not summarize(identity.certificate).is_ca
    ]


def _certificate_row(identity: Identity) -> Row:
    certificate, summary = identity.summary, summarize(identity.certificate)
    return {
        "common_name": common_name(certificate),
        "subject": slashed(certificate.subject),
        "issuer": slashed(certificate.issuer),
        "subject2": listed(certificate.subject),
        "issuer2": listed(certificate.issuer),
        "ca": "0",
        "serial": summary.serial,
        "sha1": summary.sha1,
        "not_valid_before": _epoch(summary.not_before),
        "not_valid_after": _epoch(summary.not_after),
        "path": _KEYCHAIN,
    }


_TABLES: Mapping[str, Callable[[SimulatedDevice], list[Row]]] = {
    "macos_profiles": lambda device: profile_rows(device.profiles),
    "macos_user_profiles": lambda device: profile_rows(
        held for user in device.users for held in user.profiles
    ),
    "certificates": lambda device: certificate_rows(device.identities),
}
_PROFILE_COLUMNS = ("display_name", "identifier", "install_date", "type")
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "macos_profiles": _PROFILE_COLUMNS,
    "macos_user_profiles": _PROFILE_COLUMNS,
    "certificates": (
        *("common_name", "subject", "issuer", "subject2", "issuer2", "ca", "serial", "sha1"),
        *("not_valid_before", "not_valid_after", "path"),
    ),
}


def _parsed(sql: str) -> tuple[tuple[str, ...], str]:
    select = _SELECT.fullmatch(sql)
    columns, *rest = _FROM.split(select[1], maxsplit=1) if select else ("",)
    table = _TABLE.match(rest[0]) if rest else None
    if table is None:
        raise EncodingError("the query is not SELECT columns FROM table")
    return tuple(column.strip() for column in columns.split(",")), table[1]


def _date(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S +0000")


def _epoch(at: datetime) -> str:
    return str(int(at.timestamp()))
