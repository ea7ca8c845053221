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
_UNION = re.compile(r"\sUNION\s+ALL\s", re.IGNORECASE)
# Texts, the separator, and all else by the character.
_PIECES = re.compile(r"'(?:[^']|'')*'|\sUNION\s+ALL\s|.", re.IGNORECASE | re.DOTALL)
_USERNAME = re.compile(r"\busername\s*=\s*'((?:[^']|'')*)'", re.IGNORECASE)


def query(device: SimulatedDevice, sql: str) -> list[Row]:
    """
    Answer a query of the form ``SELECT columns FROM table``, or several with UNION ALL.

    What stands behind the table is taken as fulfilled, but for the name of a user: the tables hold
    only profiles of the type Configuration, and certificates that are no authority's.

    :param device: whose tables these are.
    :param sql: the query.
    :returns: the rows, with the columns that were asked for.
    :raises EncodingError: another form, or no such table or column; the text is as SQLite's.
    """
    return [row for part in _parts(sql) for row in _rows(device, part)]


def _parts(sql: str) -> list[str]:
    parts = [""]
    for piece in _PIECES.findall(sql):
        if piece[:1] != "'" and _UNION.fullmatch(piece):
            parts.append("")
        else:
            parts[-1] += piece
    return parts


def _rows(device: SimulatedDevice, sql: str) -> list[Row]:
    columns, table = _parsed(sql)
    rows = _TABLES.get(table)
    if rows is None or table in device.behaviour.missing_tables:
        raise EncodingError(f"no such table: {table}")
    known = _COLUMNS[table]
    wanted = known if columns == ("*",) else columns
    for column in wanted:
        if column not in known:
            raise EncodingError(f"no such column: {column}")
    return [{column: row[column] for column in wanted} for row in rows(device, sql)]


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


def _user_profiles(device: SimulatedDevice, sql: str) -> list[Row]:
    """
    The table of fleetd's extension, in its words: it takes one user, named by one "equals".
    """
    names = _USERNAME.findall(sql)
    if not names:
        raise EncodingError("missing username constraint")
    if len(names) > 1:
        raise EncodingError("invalid username constraint, must be a single equals constraint")
    name = names[0].replace("''", "'")
    held = [user.profiles for user in device.users if user.short_name == name]
    if not held:
        raise EncodingError("calling /usr/bin/profiles to get user-scope profile payloads")
    rows = profile_rows(profile for profiles in held for profile in profiles)
    return [{**row, "username": name} for row in rows]


_TABLES: Mapping[str, Callable[[SimulatedDevice, str], list[Row]]] = {
    "macos_profiles": lambda device, sql: profile_rows(device.profiles),
    "macos_user_profiles": _user_profiles,
    "certificates": lambda device, sql: certificate_rows(device.identities),
}
_PROFILE_COLUMNS = ("display_name", "identifier", "install_date", "type")
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "macos_profiles": _PROFILE_COLUMNS,
    "macos_user_profiles": (*_PROFILE_COLUMNS, "username"),
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
