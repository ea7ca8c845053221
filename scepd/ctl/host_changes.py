"""
``scepctl host label`` and ``scepctl host fact``: what operators tell of hosts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.progress import track

from scepd.ctl.connection import Connection, JSONObject
from scepd.ctl.facts_file import MOST_LINES, FactsRow, read_facts
from scepd.ctl.failures import Refused
from scepd.ctl.json_values import JsonValue
from scepd.ctl.options import as_json, reaches_server
from scepd.ctl.output import show_fields, show_json

_LABEL_EXAMPLES = """\b
Examples:
  scepctl host label add 00008120-000E10C61C3BC01E staff vip
  scepctl host label remove 00008120-000E10C61C3BC01E vip
"""
_FACT_EXAMPLES = """\b
Examples:
  scepctl host fact set 00008120-000E10C61C3BC01E \\
      HOST_END_USER_EMAIL_IDP=ann@example.com "HOST_END_USER_IDP_FULL_NAME=Ann B."
  scepctl host fact unset 00008120-000E10C61C3BC01E HOST_END_USER_IDP_DEPARTMENT
"""
_IMPORT_EXAMPLES = """\b
A file:
  serial_number,HOST_END_USER_EMAIL_IDP,HOST_END_USER_IDP_GROUPS
  C02XXXXXXXXX,ann@example.com,"staff, vpn"

\b
Examples:
  scepctl host fact import people.csv --check
  scepctl host fact import people.csv
"""


@click.group("label")
def labels() -> None:
    """
    Labels of a host, by which profiles choose their hosts: add, remove.
    """


@labels.command("add", epilog=_LABEL_EXAMPLES)
@click.argument("host")
@click.argument("label", nargs=-1, required=True)
@as_json
@reaches_server
def add(connection: Connection, host: str, label: tuple[str, ...], as_json: bool) -> None:
    """
    Give the host of the UUID HOST labels; it gets the profiles that aim at them.

    Labels that begin with platform: or os: are automatic, and can't be given by hand.
    """
    _show(connection.patch("hosts", host, "labels", json={"add": [*label]}), as_json)


@labels.command("remove", epilog=_LABEL_EXAMPLES)
@click.argument("host")
@click.argument("label", nargs=-1, required=True)
@as_json
@reaches_server
def remove(connection: Connection, host: str, label: tuple[str, ...], as_json: bool) -> None:
    """
    Take labels of the host of the UUID HOST away; it loses the profiles that needed them.
    """
    _show(connection.patch("hosts", host, "labels", json={"remove": [*label]}), as_json)


@click.group("fact")
def facts() -> None:
    """
    Facts of a host, for variables of profiles: set, unset, import.

    \b
    HOST_END_USER_EMAIL_IDP                 HOST_END_USER_IDP_GROUPS
    HOST_END_USER_IDP_USERNAME              HOST_END_USER_IDP_DEPARTMENT
    HOST_END_USER_IDP_USERNAME_LOCAL_PART   HOST_END_USER_IDP_FULL_NAME
    """


@facts.command("set", epilog=_FACT_EXAMPLES)
@click.argument("host")
@click.argument("fact", nargs=-1, required=True, metavar="NAME=VALUE...")
@as_json
@reaches_server
def set_facts(connection: Connection, host: str, fact: tuple[str, ...], as_json: bool) -> None:
    """
    Tell facts of the host of the UUID HOST; profiles that use them are delivered again.
    """
    told: dict[str, JsonValue] = {}
    for one in fact:
        name, equals, value = one.partition("=")
        if not equals:
            raise click.BadParameter(f"{one!r} is not NAME=VALUE", param_hint="NAME=VALUE")
        told[name] = value
    _show(connection.patch("hosts", host, "facts", json={"facts": told}), as_json)


@facts.command("unset", epilog=_FACT_EXAMPLES)
@click.argument("host")
@click.argument("name", nargs=-1, required=True)
@as_json
@reaches_server
def unset(connection: Connection, host: str, name: tuple[str, ...], as_json: bool) -> None:
    """
    Take facts of the host of the UUID HOST away; profiles that need them fail, and say so.
    """
    told: dict[str, JsonValue] = dict.fromkeys(name)
    _show(connection.patch("hosts", host, "facts", json={"facts": told}), as_json)


@facts.command("import", epilog=_IMPORT_EXAMPLES)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--check", "only_check", is_flag=True, help="Change nothing; tell what is wrong.")
@reaches_server
def import_facts(connection: Connection, file: Path, only_check: bool) -> None:
    """
    Tell facts of many hosts from FILE, in CSV and UTF-8.

    Its first line names the columns: uuid or serial_number first, then facts. An empty field leaves
    the fact as it is. All lines are checked before anything changes, and each mistake is told by
    its line.
    """
    rows = read_facts(file)
    _check(connection, rows)
    if only_check:
        click.echo(f"All {len(rows)} lines are good; nothing was changed.")
        return
    changed = 0
    for batch in _batches(rows, "Telling facts"):
        try:
            changed += _count(_send(connection, batch, only_check=False))
        except Refused:
            click.echo(f"Lines before line {batch[0].number} are done.", err=True)
            raise
    click.echo(f"{len(rows)} lines; {changed} hosts have other facts than before.")


def _check(connection: Connection, rows: Sequence[FactsRow]) -> None:
    """
    Have all lines checked, and tell the mistakes of all of them together.
    """
    faults: list[tuple[str, str]] = []
    for batch in _batches(rows, "Checking"):
        try:
            _send(connection, batch, only_check=True)
        except Refused as error:
            if not error.faults:
                raise
            faults += error.faults
    if faults:
        raise Refused("Nothing was changed", "Lines of the file have mistakes.", faults)


def _send(connection: Connection, batch: Sequence[FactsRow], *, only_check: bool) -> JSONObject:
    lines: list[JsonValue] = [
        {"number": row.number, "host": row.host, "facts": {**row.facts}} for row in batch
    ]
    return connection.post("facts", json={"lines": lines, "only_check": only_check})


def _batches(rows: Sequence[FactsRow], what: str) -> Iterator[Sequence[FactsRow]]:
    """
    The rows by what one request takes, with a progress bar on a terminal.
    """
    batches = [rows[start : start + MOST_LINES] for start in range(0, len(rows), MOST_LINES)]
    console = Console(stderr=True)
    yield from track(batches, what, console=console, disable=not console.is_terminal)


def _count(answer: JSONObject) -> int:
    changed = answer.get("changed")
    return changed if isinstance(changed, int) else 0


def _show(host: JSONObject, as_json: bool) -> None:
    if as_json:
        show_json(host)
        return
    told = host.get("facts")
    said: list[JsonValue] = []
    if isinstance(told, dict):
        said = [f"{name}={value}" for name, value in sorted(told.items())]
    show_fields([("uuid", host.get("uuid")), ("labels", host.get("labels")), ("facts", said)])
