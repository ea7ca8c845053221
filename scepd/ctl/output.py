"""
Answers on standard output: tables for people, JSON for programs. Nothing else goes there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from scepd.ctl.json_values import JsonValue


def printable(text: str) -> str:
    """
    A text without what a terminal would obey: each such character becomes a replacement mark.
    """
    return "".join(char if char.isprintable() else "\ufffd" for char in text)


def show_json(value: JsonValue) -> None:
    """
    Write JSON, indented.
    """
    click.echo(json.dumps(value, indent=2))


def show_table(columns: Sequence[str], rows: Sequence[Sequence[JsonValue]], empty: str) -> None:
    """
    Write a table.

    :param empty: the sentence to write when there are no rows.
    """
    if not rows:
        click.echo(empty)
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(shown(value)) for value in row))
    _stdout().print(table)


def show_fields(fields: Sequence[tuple[str, JsonValue]]) -> None:
    """
    Write one thing, a field a line.
    """
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in fields:
        table.add_row(Text(name), Text(shown(value)))
    _stdout().print(table)


def show_warnings(warnings: JsonValue) -> None:
    """
    Write the warnings of an answer to standard error, a line each.
    """
    for warning in warnings if isinstance(warnings, list) else []:
        click.echo(f"Warning: {printable(str(warning))}", err=True)


def shown(value: JsonValue) -> str:
    """
    A value for people's eyes.
    """
    if value is None or value == []:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(shown(item) for item in value)
    return printable(str(value))


@contextmanager
def waiting(sentence: str) -> Iterator[None]:
    """
    Show on standard error that something is under way, when that is a terminal.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(Text(sentence)):
        yield


def _stdout() -> Console:
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        # A pipe has no width: a table that is read by grep must not be folded.
        console.width = 400
    return console
