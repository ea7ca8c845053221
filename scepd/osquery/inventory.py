"""
The rows of our queries, as profiles and certificates.

A row that makes no sense is left out and never spoils the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from scepd.osquery.distributed import (
    CERTIFICATES,
    PROFILES,
    USER_PROFILES,
    DistributedWrite,
    Row,
)

_MOST_ROWS = 10_000
_LONGEST = 4096
_SHA1 = re.compile(r"[0-9a-f]{40}")
_SERIAL = re.compile(r"-?[0-9A-F]{1,128}")
_INSTALL_DATE = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}) ([0-9]{2}:[0-9]{2}:[0-9]{2}) ([+-][0-9]{2}):?([0-9]{2})"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS = re.compile(r"([0-9]{1,12})(?:\.[0-9]*)?")
# Certificates without an end bear the year 9999 (RFC 5280 section 4.1.2.5).
_LAST_SECOND = 253_402_300_799

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class InstalledProfile:
    """
    A profile that is on a host.

    :param identifier: PayloadIdentifier.
    :param display_name: PayloadDisplayName; may be empty.
    :param installed_at: aware, UTC; None when the date could not be read.
    """

    identifier: str
    display_name: str
    installed_at: datetime | None


@dataclass(frozen=True, slots=True)
class ObservedCertificate:
    """
    A certificate that is on a host, as far as osquery tells of it.

    :param sha1: of its DER: 40 lower-case hexadecimal digits.
    :param common_name: of the subject; may be empty.
    :param subject: in the form ``/C=…/CN=…``; may be empty.
    :param issuer: likewise.
    :param subject2: in the form ``CN = x, O = y``, which is exact; may be empty.
    :param issuer2: likewise.
    :param serial: upper-case hexadecimal digits; may be empty.
    :param not_before: aware, UTC.
    :param not_after: aware, UTC.
    :param path: of the keychain; may be empty.
    """

    sha1: str
    common_name: str
    subject: str
    issuer: str
    subject2: str
    issuer2: str
    serial: str
    not_before: datetime
    not_after: datetime
    path: str


def profiles_of(write: DistributedWrite) -> tuple[InstalledProfile, ...] | None:
    """
    List the profiles of the device.

    :param write: what the agent found.
    :returns: the profiles; None when this is no inventory of them.
    """
    return _read(write, PROFILES, _profile)


def user_profiles_of(write: DistributedWrite) -> tuple[InstalledProfile, ...] | None:
    """
    List the profiles of the device's users.

    :param write: what the agent found.
    :returns: the profiles; None when this is no inventory of them. An empty one is none, either:
        fleetd's first versions of the table lost all rows, and MDM can tell.
    """
    return _read(write, USER_PROFILES, _profile) or None


def certificates_of(write: DistributedWrite) -> tuple[ObservedCertificate, ...] | None:
    """
    List the certificates of the host, one in several keychains once.

    :param write: what the agent found.
    :returns: the certificates; None when this is no inventory of them.
    """
    found = _read(write, CERTIFICATES, _certificate)
    if found is None:
        return None
    unique: dict[str, ObservedCertificate] = {}
    for each in found:
        unique.setdefault(each.sha1, each)
    return tuple(unique.values())


def _read(
    write: DistributedWrite, name: str, reader: Callable[[Row], _T | None]
) -> tuple[_T, ...] | None:
    rows = write.inventory(name)
    if rows is None:
        return None
    # What stands behind a cut would be taken for missing.
    if len(rows) > _MOST_ROWS:
        return None
    found = (reader(row) for row in rows)
    return tuple(each for each in found if each is not None)


def _profile(row: Row) -> InstalledProfile | None:
    # As it is: it is compared with what was uploaded.
    identifier = row.get("identifier", "")
    if not 0 < len(identifier) <= _LONGEST:
        return None
    date = _install_date(row.get("install_date", ""))
    return InstalledProfile(identifier, _text(row, "display_name"), date)


def _certificate(row: Row) -> ObservedCertificate | None:
    sha1 = _text(row, "sha1").lower()
    not_before = _epoch(row.get("not_valid_before", ""))
    not_after = _epoch(row.get("not_valid_after", ""))
    if not _SHA1.fullmatch(sha1) or not_before is None or not_after is None:
        return None
    serial = _text(row, "serial").upper().replace(":", "")
    return ObservedCertificate(
        sha1=sha1,
        common_name=_text(row, "common_name"),
        subject=_text(row, "subject"),
        issuer=_text(row, "issuer"),
        subject2=_text(row, "subject2"),
        issuer2=_text(row, "issuer2"),
        serial=serial if _SERIAL.fullmatch(serial) else "",
        not_before=not_before,
        not_after=not_after,
        path=_text(row, "path"),
    )


def _text(row: Row, column: str) -> str:
    value = row.get(column, "").strip()
    return value if len(value) <= _LONGEST and value.isprintable() else ""


def _epoch(text: str) -> datetime | None:
    """
    Read seconds since 1970, the form of the table ``certificates``.
    """
    found = _SECONDS.fullmatch(text.strip())
    if found is None or int(found[1]) > _LAST_SECOND:
        return None
    return _EPOCH + timedelta(seconds=int(found[1]))


def _install_date(text: str) -> datetime | None:
    """
    Read ``YYYY-MM-DD hh:mm:ss +0000``, the form of the table ``macos_profiles``.
    """
    found = _INSTALL_DATE.fullmatch(text.strip())
    if found is None:
        return None
    date, time, hours, minutes = found.groups()
    try:
        return datetime.fromisoformat(f"{date}T{time}{hours}:{minutes}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
