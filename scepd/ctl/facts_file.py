"""
Facts of many hosts in a file of comma-separated values (RFC 4180).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scepd.ctl.failures import Refused

MOST_LINES = 100
"""
Lines that are sent in one request; with the longest values it stays within the size of one.
"""

_HOST_COLUMNS = ("uuid", "serial_number")
_LARGEST_FILE = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class FactsRow:
    """
    What a line tells of a host.

    :param number: of the line; the first one, which names the columns, is 1.
    :param host: its uuid or serial number.
    :param facts: value by name, of fields that are not empty.
    """

    number: int
    host: str
    facts: Mapping[str, str]


def read_facts(file: Path) -> Sequence[FactsRow]:
    """
    Read a file.

    :returns: its lines; those without any field are left out.
    :raises Refused: it can't be read, or is not such a file; with every line that is wrong.
    """
    rows: list[FactsRow] = []
    faults: list[tuple[str, str]] = []
    seen: dict[str, int] = {}
    for row in parse_facts(_text(file), str(file)):
        if not isinstance(row, FactsRow):
            faults.append(row)
            continue
        first = seen.setdefault(row.host, row.number)
        if first != row.number:
            faults.append((f"line {row.number}", f"Line {first} is about the same host."))
        rows.append(row)
    if faults:
        raise Refused("Nothing was changed", f"{file}: lines have mistakes.", faults)
    if not rows:
        raise Refused(f"{file}: it names no host")
    return rows


def parse_facts(text: str, name: str) -> Iterator[FactsRow | tuple[str, str]]:
    """
    Read the text of a file.

    :param name: of the file, for messages.
    :returns: for each line what it tells, or its place and what is wrong with it.
    :raises Refused: the first line does not name the columns, or the text is not CSV.
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = [column.strip() for column in next(reader, [])]
        _check_columns(columns, name)
        end = reader.line_num
        for fields in reader:
            # A field in quotation marks may go over several lines: the first one is told.
            number, end = end + 1, reader.line_num
            if any(field.strip() for field in fields):
                yield _row(number, columns, fields)
    except csv.Error as error:
        raise Refused(f"{name}: line {reader.line_num}: it is not CSV: {error}") from None


def _row(number: int, columns: Sequence[str], fields: Sequence[str]) -> FactsRow | tuple[str, str]:
    place = f"line {number}"
    if len(fields) != len(columns):
        return place, f"It has {len(fields)} fields; the first line names {len(columns)} columns."
    host, *values = (field.strip() for field in fields)
    if not host:
        return place, f"The {columns[0]} is empty."
    told = {name: value for name, value in zip(columns[1:], values, strict=True) if value}
    if not told:
        return place, "It tells no fact."
    return FactsRow(number, host, told)


def _check_columns(columns: Sequence[str], name: str) -> None:
    if not columns or columns[0] not in _HOST_COLUMNS or len(columns) < 2:
        raise Refused(
            f"{name}: its first line must name the columns: uuid or serial_number first, then facts"
        )
    if len(set(columns)) != len(columns):
        raise Refused(f"{name}: its first line names a column twice")


def _text(file: Path) -> str:
    try:
        if file.stat().st_size > _LARGEST_FILE:
            raise Refused(f"{file}: it is larger than {_LARGEST_FILE >> 20} MiB")
        # Spreadsheets put a byte order mark in front.
        return file.read_text("utf-8-sig")
    except OSError as error:
        raise Refused(f"{file}: can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Refused(f"{file}: it is not UTF-8") from None
