"""
``scepctl enroll-token``: what lets devices enroll.
"""

from __future__ import annotations

import re

import click

from scepd.ctl.connection import Connection
from scepd.ctl.json_values import JsonValue
from scepd.ctl.options import as_json, reaches_server
from scepd.ctl.output import show_fields, show_json, show_table, shown

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"([0-9]{1,9})([smhd])")
_CREATE_EXAMPLES = """\b
Examples:
  scepctl enroll-token create --name "one laptop" --uses 1 --valid-for 12h
  scepctl enroll-token create --name staff --label staff --label berlin
"""


class Duration(click.ParamType[int]):
    """
    A time span such as ``7d``, ``12h``, ``30m`` or ``90s``, as seconds.
    """

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """
        Read it.
        """
        found = _DURATION.fullmatch(str(value))
        if found is None:
            self.fail(f"{value!r} is not a number with s, m, h or d behind it, such as 7d", param)
        return int(found[1]) * _UNITS[found[2]]


@click.group("enroll-token")
def enrollment_tokens() -> None:
    """
    Enrollment tokens: create, list, delete.
    """


@enrollment_tokens.command("create", epilog=_CREATE_EXAMPLES)
@click.option("--name", required=True, help="What it is called; need not be unique.")
@click.option("--label", "labels", multiple=True, help="Hosts get it. May be given several times.")
@click.option(
    "--uses", type=click.IntRange(1), help="Hosts that may enroll. [default: as many as wanted]"
)
@click.option(
    "--valid-for",
    type=Duration(),
    default="7d",
    show_default=True,
    metavar="TIME",
    help="A number of s, m, h or d.",
)
@click.option("--allow-reenrollment", is_flag=True, help="Enrolled hosts may enroll anew with it.")
@as_json
@reaches_server
def create(
    connection: Connection,
    name: str,
    labels: tuple[str, ...],
    uses: int | None,
    valid_for: int,
    allow_reenrollment: bool,
    as_json: bool,
) -> None:
    """
    Make an enrollment token, and show it and the URL where devices enroll with it.

    Neither is shown again. Whoever has the URL can enroll a device.
    """
    wanted: list[JsonValue] = [*labels]
    body: dict[str, JsonValue] = {
        "name": name,
        "labels": wanted,
        "uses": uses,
        "valid_for": valid_for,
        "allow_reenrollment": allow_reenrollment,
    }
    created = connection.post("enrollment_tokens", json=body)
    if as_json:
        show_json(created)
        return
    keys = ("id", "name", "labels", "uses_left", "allow_reenrollment", "expires_at", "token")
    show_fields([(key.replace("_", " "), created.get(key)) for key in keys])
    # Alone and never folded, so that it can be copied.
    click.echo(f"\nOpen this on a device to enroll it:\n{shown(created.get('url'))}")


@enrollment_tokens.command("list")
@as_json
@reaches_server
def list_all(connection: Connection, as_json: bool) -> None:
    """
    All enrollment tokens, newest first.
    """
    items = list(connection.items("enrollment_tokens"))
    if as_json:
        show_json([*items])
        return
    keys = ("id", "name", "labels", "uses_left", "allow_reenrollment", "expires_at")
    show_table(
        ("ID", "NAME", "LABELS", "USES LEFT", "RE-ENROLLMENT", "EXPIRES"),
        [[item.get(key) for key in keys] for item in items],
        "There are no enrollment tokens; `scepctl enroll-token create --help` tells how to make"
        " one.",
    )


@enrollment_tokens.command("delete")
@click.argument("id")
@reaches_server
def delete(connection: Connection, id: str) -> None:
    """
    Remove the enrollment token ID: nobody enrolls with it any more.
    """
    connection.delete("enrollment_tokens", id)
    click.echo(f"Removed {id}.", err=True)
