"""
``scepctl profile replace`` and ``targets``: profiles that change.
"""

from __future__ import annotations

from pathlib import Path

import click

from scepd.ctl.connection import Connection
from scepd.ctl.json_values import JsonValue
from scepd.ctl.options import as_json, reaches_server
from scepd.ctl.output import show_json, show_warnings
from scepd.ctl.profile_output import profile_content, show_profile
from scepd.ctl.target_options import targets_of, with_targets

_REPLACE_EXAMPLES = """\b
Examples:
  scepctl profile replace a9dcc35a5-72f9-42b7-9a98-7ad9a9cca3ac wifi.mobileconfig
"""
_TARGETS_EXAMPLES = """\b
Examples:
  scepctl profile targets a9dcc35a5-72f9-42b7-9a98-7ad9a9cca3ac
  scepctl profile targets a9dcc35a5-72f9-42b7-9a98-7ad9a9cca3ac \\
      --labels-any staff --labels-any vip --labels-none kiosk
  scepctl profile targets a9dcc35a5-72f9-42b7-9a98-7ad9a9cca3ac --all-hosts
"""


@click.command("replace", epilog=_REPLACE_EXAMPLES)
@click.argument("uuid")
@click.argument("file", type=click.Path(path_type=Path))
@as_json
@reaches_server
def replace(connection: Connection, uuid: str, file: Path, as_json: bool) -> None:
    """
    Check the profile in FILE and store it in place of the profile UUID.

    It must have the same PayloadIdentifier and PayloadScope. UUID and targets stay, and all hosts
    get the new content, with a new certificate if it asks for one. The same content as before
    changes nothing.
    """
    content = profile_content(file)
    answer = connection.put("profiles", uuid, content=content)
    if as_json:
        show_json(answer)
        return
    show_profile(answer.get("profile"))
    show_warnings(answer.get("warnings"))
    if not answer.get("changed"):
        click.echo("It is the same as before: nothing changes.", err=True)


@click.command("targets", epilog=_TARGETS_EXAMPLES)
@click.argument("uuid")
@with_targets
@click.option("--all-hosts", is_flag=True, help="All hosts, whatever their labels.")
@as_json
@reaches_server
def targets(
    connection: Connection,
    uuid: str,
    labels_any: tuple[str, ...],
    labels_all: tuple[str, ...],
    labels_none: tuple[str, ...],
    all_hosts: bool,
    as_json: bool,
) -> None:
    """
    Which hosts the profile UUID is for; with options, aim it at others.

    The options replace what was set before, and all of them must hold. Hosts that come among the
    targets get the profile; those that leave them lose it. Labels that begin with platform: or os:
    are automatic, such as platform:macos and os:15.
    """
    wanted = targets_of(labels_any, labels_all, labels_none)
    if all_hosts and any(wanted.values()):
        raise click.UsageError("--all-hosts does not go with labels.")
    if all_hosts or any(wanted.values()):
        body: dict[str, JsonValue] = {rule: [*labels] for rule, labels in wanted.items()}
        found = connection.put("profiles", uuid, "targets", json=body)
    else:
        found = connection.get("profiles", uuid)
    if as_json:
        show_json(found)
        return
    show_profile({key: found.get(key) for key in ("uuid", "identifier", "targets", "hosts")})
