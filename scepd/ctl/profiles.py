"""
``scepctl profile``: the configuration profiles.
"""

from __future__ import annotations

from pathlib import Path

import click

from scepd.ctl.connection import Connection
from scepd.ctl.options import as_json, reaches_server
from scepd.ctl.output import show_json, show_table, show_warnings
from scepd.ctl.profile_output import profile_content, show_profile, targets_sentence
from scepd.ctl.record_tables import show_records
from scepd.ctl.target_options import targets_of, with_targets

_ADD_EXAMPLES = """\b
Examples:
  scepctl profile add wifi.mobileconfig
  scepctl profile add wifi.mobileconfig --labels-any staff --labels-any vip
  scepctl profile add vpn.mobileconfig --labels-all platform:macos --labels-none kiosk
"""
_SHOW_EXAMPLES = """\b
Examples:
  scepctl profile show a9dcc35a5-72f9-42b7-9a98-7ad9a9cca3ac
  scepctl profile show a9dcc35a5-72f9-42b7-9a98-7ad9a9cca3ac \\
      --host 00008120-000E10C61C3BC01E
"""
_STATUS_EXAMPLES = """\b
Examples:
  scepctl profile status a9dcc35a5-72f9-42b7-9a98-7ad9a9cca3ac
  scepctl profile status a9dcc35a5-72f9-42b7-9a98-7ad9a9cca3ac --json \\
      | jq -r '.[] | select(.status == "failed") | .host'
"""
_STATUS_KEYS = (
    "host",
    "serial_number",
    "operation",
    "status",
    "detail",
    "attempts",
    "acknowledged_at",
)


@click.group("profile")
def profiles() -> None:
    """
    Configuration profiles: add, replace, targets, list, show, status, resend, remove.
    """


@profiles.command("add", epilog=_ADD_EXAMPLES)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--label", "label", hidden=True)
@with_targets
@as_json
@reaches_server
def add(
    connection: Connection,
    file: Path,
    label: str | None,
    labels_any: tuple[str, ...],
    labels_all: tuple[str, ...],
    labels_none: tuple[str, ...],
    as_json: bool,
) -> None:
    """
    Check the profile in FILE (.mobileconfig, XML or binary) and store it.

    Every mistake in it is told, with the path of its payload and key. All hosts get it, or those
    that the options name by their labels; all the options must hold.
    """
    any_of = (*labels_any, label) if label else labels_any
    targets = targets_of(any_of, labels_all, labels_none)
    content = profile_content(file)
    answer = connection.post("profiles", content=content, parameters=targets)
    if as_json:
        show_json(answer)
        return
    show_profile(answer.get("profile"))
    show_warnings(answer.get("warnings"))


@profiles.command("list")
@as_json
@reaches_server
def list_all(connection: Connection, as_json: bool) -> None:
    """
    All profiles, by identifier.
    """
    items = list(connection.items("profiles"))
    if as_json:
        show_json([*items])
        return
    keys = ("uuid", "identifier", "display_name")
    show_table(
        ("UUID", "IDENTIFIER", "NAME", "HOSTS", "CERTIFICATE AUTHORITIES"),
        [
            [
                *(item.get(key) for key in keys),
                targets_sentence(item.get("targets")),
                item.get("certificate_authorities"),
            ]
            for item in items
        ],
        "There are no profiles; `scepctl profile add --help` tells how to add one.",
    )


@profiles.command("show", epilog=_SHOW_EXAMPLES)
@click.argument("uuid")
@click.option("--host", help="Write the profile as the host with this UUID would get it.")
@as_json
@reaches_server
def show(connection: Connection, uuid: str, host: str | None, as_json: bool) -> None:
    """
    The profile UUID; with --host, its content for that host, with challenges masked.
    """
    if host is not None:
        answer = connection.send("GET", "profiles", uuid, "preview", parameters={"host": host})
        click.echo(answer.content, nl=False)
        return
    found = connection.get("profiles", uuid)
    if as_json:
        show_json(found)
    else:
        show_profile(found)


@profiles.command("status", epilog=_STATUS_EXAMPLES)
@click.argument("uuid")
@as_json
@reaches_server
def status(connection: Connection, uuid: str, as_json: bool) -> None:
    """
    How far the profile UUID got, host by host, with reasons.
    """
    items = list(connection.items("profiles", uuid, "status"))
    if as_json:
        show_json([*items])
    else:
        show_records("", _STATUS_KEYS, items, "No host has this profile, or should have it.")


@profiles.command("remove")
@click.argument("uuid")
@reaches_server
def remove(connection: Connection, uuid: str) -> None:
    """
    Remove the profile UUID; the hosts that have it lose it.

    `scepctl profile status UUID` tells which have not lost it yet. A profile of the same identifier
    may be added meanwhile: it gets the same UUID, and devices keep it instead.
    """
    connection.delete("profiles", uuid)
    click.echo(f"Removed {uuid}.", err=True)


# Its former name.
profiles.add_command(
    click.Command(
        "delete", callback=remove.callback, params=remove.params, help=remove.help, hidden=True
    )
)
