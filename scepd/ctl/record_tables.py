"""
Tables of records with a status: each status has its colour on a terminal, and times are short.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from scepd.ctl.connection import JSONObject
from scepd.ctl.json_values import JsonValue
from scepd.ctl.output import shown

_GOOD = {"verified", "Acknowledged", "SUCCESS"}
_BAD = {"failed", "Error", "FAILURE"}
_STATUS_KEYS = {"status", "pki_status"}
_TIME_KEYS = {"first_seen", "last_seen", "not_before", "not_after"}

_LONG_KEYS = {"detail", "issuer", "labels", "reason", "subject"}
_LEAST_LONG = 24
_GAP = 2


def show_records(
    title: str, keys: Sequence[str], records: Sequence[JSONObject], empty: str
) -> None:
    """
    Write a table of some fields of records; where the terminal is too narrow for it, a block of
    lines for each.

    :param title: a line above it; empty: none.
    :param keys: the fields; their names are the headings.
    :param empty: the sentence to write when there are no records.
    """
    console = Console(highlight=False, markup=False, emoji=False)
    if title:
        click.echo()
        console.print(Text(title, style="bold underline"))
    if not records:
        click.echo(empty)
        return
    rows = [[_cell(key, record.get(key)) for key in keys] for record in records]
    widths = _widths(keys, rows)
    if not console.is_terminal:
        # A table that is read by grep must not be folded.
        console.width = sum(widths) + _GAP * len(widths)
    if _least_width(keys, widths) <= console.width:
        console.print(_table(keys, rows))
        return
    for number, row in enumerate(rows):
        if number:
            click.echo()
        console.print(_block(keys, row))


def readable(value: JsonValue) -> JsonValue:
    """
    A time of the admin API (ISO 8601) without what people don't need: to the second, in UTC.

    :returns: such as ``2026-01-31 12:00:00Z``; what is no time comes back as it is.
    """
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        return value
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"


def _heading(key: str) -> str:
    return key.removesuffix("_at").replace("_", " ").upper()


def _cell(key: str, value: JsonValue) -> Text:
    if key in _STATUS_KEYS and value:
        return Text(shown(value), style=_colour(value))
    is_time = key.endswith("_at") or key in _TIME_KEYS
    return Text(shown(readable(value) if is_time else value) or "-")


def _colour(status: JsonValue) -> str:
    if status in _GOOD:
        return "green"
    return "red" if status in _BAD else "yellow"


def _widths(keys: Sequence[str], rows: Sequence[Sequence[Text]]) -> list[int]:
    headings = [Text(_heading(key)) for key in keys]
    return [max(cell.cell_len for cell in column) for column in zip(headings, *rows, strict=True)]


def _least_width(keys: Sequence[str], widths: Sequence[int]) -> int:
    """
    What a table needs when only long texts are folded.
    """
    least = [
        min(width, _LEAST_LONG) if key in _LONG_KEYS else width
        for key, width in zip(keys, widths, strict=True)
    ]
    return sum(least) + _GAP * (len(least) - 1)


def _table(keys: Sequence[str], rows: Sequence[Sequence[Text]]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for key in keys:
        table.add_column(_heading(key), overflow="fold", no_wrap=key not in _LONG_KEYS)
    for row in rows:
        table.add_row(*row)
    return table


def _block(keys: Sequence[str], row: Sequence[Text]) -> Table:
    block = Table(box=None, show_header=False, pad_edge=False)
    block.add_column(style="bold", no_wrap=True)
    block.add_column(overflow="fold")
    for key, cell in zip(keys, row, strict=True):
        block.add_row(Text(_heading(key).lower()), cell)
    return block
