"""
``scepctl token``: who may use the admin API.
"""

from __future__ import annotations

import click

from scepd.ctl.connection import Connection
from scepd.ctl.options import as_json, reaches_server
from scepd.ctl.output import show_fields, show_json, show_table, shown

_CREATE_EXAMPLES = """\b
Examples:
  scepctl token create --name alice --role admin
  scepctl token create --name scepserver --role verifier
"""


@click.group("token")
def api_tokens() -> None:
    """
    API tokens: create, list, revoke.
    """


@api_tokens.command("create", epilog=_CREATE_EXAMPLES)
@click.option("--name", required=True, help="Whose it is; activities name it. Unique.")
@click.option(
    "--role",
    required=True,
    type=click.Choice(["admin", "verifier"]),
    help="admin: everything; verifier: ask about one-time challenges, nothing else.",
)
@as_json
@reaches_server
def create(connection: Connection, name: str, role: str, as_json: bool) -> None:
    """
    Make an API token and show it. It is never shown again.

    Put it into a file that only its user may read, as --token-file of scepctl, or as the token file
    of scepd-verify-csr.
    """
    created = connection.post("api_tokens", json={"name": name, "role": role})
    if as_json:
        show_json(created)
        return
    keys = ("id", "name", "role", "created_at")
    show_fields([(key.replace("_", " "), created.get(key)) for key in keys])
    # Alone and never folded, so that it can be copied.
    click.echo(f"\nThe token:\n{shown(created.get('token'))}")


@api_tokens.command("list")
@as_json
@reaches_server
def list_all(connection: Connection, as_json: bool) -> None:
    """
    All API tokens, newest first; never their texts.
    """
    items = list(connection.items("api_tokens"))
    if as_json:
        show_json([*items])
        return
    keys = ("id", "name", "role", "created_at")
    show_table(
        ("ID", "NAME", "ROLE", "CREATED"),
        [[item.get(key) for key in keys] for item in items],
        "There are no API tokens.",
    )


@api_tokens.command("revoke")
@click.argument("id")
@reaches_server
def revoke(connection: Connection, id: str) -> None:
    """
    Let nobody in any more with the API token ID; the last one of the role admin stays.
    """
    connection.delete("api_tokens", id)
    click.echo(f"Revoked {id}.", err=True)
