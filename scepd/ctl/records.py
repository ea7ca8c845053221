"""
``scepctl exchange``, ``activity`` and ``status``: what happened, and how the server is.
"""

from __future__ import annotations

import click

from scepd.ctl.connection import Connection, objects
from scepd.ctl.options import as_json, reaches_server
from scepd.ctl.output import show_fields, show_json, show_table

_LIMIT = click.option(
    "--limit", type=click.IntRange(1, 200), default=50, show_default=True, help="At most so many."
)
_EXCHANGE_COLUMNS = (
    "started_at",
    "host_uuid",
    "ca_name",
    "message_type",
    "pki_status",
    "fail_info",
    "http_status",
    "milliseconds",
    "detail",
)
_ACTIVITY_COLUMNS = ("at", "actor", "action", "subject")


@click.group("exchange")
def exchanges() -> None:
    """
    PKIOperations that devices sent through the proxy.
    """


@exchanges.command("list")
@click.option("--host", help="Only those of the host with this UUID.")
@_LIMIT
@as_json
@reaches_server
def list_exchanges(connection: Connection, host: str | None, limit: int, as_json: bool) -> None:
    """
    The newest exchanges, with what the certificate authority answered.
    """
    parameters = {"limit": str(limit)} | ({"host": host} if host else {})
    _show(connection, "exchanges", parameters, _EXCHANGE_COLUMNS, as_json)


@click.group("activity")
def activities() -> None:
    """
    Changes that operators made.
    """


@activities.command("list")
@_LIMIT
@as_json
@reaches_server
def list_activities(connection: Connection, limit: int, as_json: bool) -> None:
    """
    The newest changes: when, by whom, what.
    """
    _show(connection, "activities", {"limit": str(limit)}, _ACTIVITY_COLUMNS, as_json)


@click.command("status")
@as_json
@reaches_server
def status(connection: Connection, as_json: bool) -> None:
    """
    The server's version, its clock, its database.
    """
    found = connection.get("status")
    if as_json:
        show_json(found)
    else:
        show_fields([(key.replace("_", " "), value) for key, value in found.items()])


def _show(
    connection: Connection,
    path: str,
    parameters: dict[str, str],
    columns: tuple[str, ...],
    as_json: bool,
) -> None:
    items = objects(connection.get(path, parameters=parameters), "items")
    if not items:
        connection.require_host(parameters.get("host"))
    if as_json:
        show_json([*items])
        return
    titles = [column.replace("_", " ").upper() for column in columns]
    rows = [[item.get(column) for column in columns] for item in items]
    show_table(titles, rows, f"There are no {path}.")
