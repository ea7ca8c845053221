"""
``scepctl certificate`` and ``request``, and ``ca rollover``: the embedded certificate authority.
"""

from __future__ import annotations

from itertools import islice

import click

from scepd.ctl.connection import Connection, JSONObject, objects
from scepd.ctl.json_values import JsonValue
from scepd.ctl.managed_certificates import STATES, list_managed
from scepd.ctl.options import as_json, reaches_server
from scepd.ctl.output import show_fields, show_json, show_table
from scepd.model import REVOCATION_REASONS

_LIMIT = click.option(
    "--limit", type=click.IntRange(1), default=50, show_default=True, help="At most so many."
)
_CERTIFICATE_COLUMNS = (
    "serial",
    "subject",
    "purpose",
    "issued_at",
    "not_after",
    "revoked_at",
    "revocation_reason",
)
_SHOWN_COLUMNS = (
    "serial",
    "subject",
    "issuer",
    "ca_name",
    "source",
    "first_seen",
    "not_after",
    "renew_at",
)
_REQUEST_COLUMNS = ("id", "state", "subject", "alternative_names", "created_at", "decided_by")
_AUTHORITY_COLUMNS = ("role", "subject", "serial", "key_bits", "not_before", "not_after")
_LIST_EXAMPLES = """\b
Examples:
  scepctl certificate list
  scepctl certificate list --host 00008120-000E10C61C3BC01E
  scepctl certificate list --state overdue
  scepctl certificate list --state expiring --days 7
  scepctl certificate list --state current --host 00008120-000E10C61C3BC01E --all
"""
_ROLL_OVER_EXAMPLES = """\b
Examples:
  scepctl ca rollover --plan
  scepctl ca rollover --status
  scepctl ca rollover --commit
"""


@click.group("certificate")
def certificates() -> None:
    """
    Certificates: those that the embedded CA issued, and those that hosts have: list, revoke.
    """


@certificates.command("list", epilog=_LIST_EXAMPLES)
@click.option(
    "--state",
    type=click.Choice(STATES),
    help="Those on hosts, of whichever CA: current, expiring, overdue (with reasons) or expired.",
)
@click.option(
    "--days",
    type=click.IntRange(1, 3650),
    help="With --state expiring: within so many days; 30 when left out.",
)
@click.option("--all", "everything", is_flag=True, help="With --state: those before them, too.")
@_LIMIT
@click.option("--host", help="Of the host of this UUID: those that its inventories showed.")
@as_json
@reaches_server
def list_certificates(
    connection: Connection,
    state: str | None,
    days: int | None,
    host: str | None,
    everything: bool,
    limit: int,
    as_json: bool,
) -> None:
    """
    The newest certificates that the embedded CA issued; with --state or --host, those on hosts.

    Overdue are certificates whose renewal was due long ago, and those that were delivered and
    never seen. What to do is in docs/renewal.md.
    """
    if state is not None:
        list_managed(connection, state, days, host, limit, everything=everything, as_json=as_json)
        return
    if days is not None or everything:
        raise click.UsageError("--days and --all go with --state only.")
    if host is not None:
        found = objects(connection.get("hosts", host), "certificates")[:limit]
        _show(found, _SHOWN_COLUMNS, "No inventory of the host showed one of ours.", as_json)
        return
    items = list(islice(connection.items("certificates"), limit))
    _show(items, _CERTIFICATE_COLUMNS, "The embedded CA has issued no certificates.", as_json)


@certificates.command("revoke")
@click.argument("serial")
@click.option(
    "--reason",
    type=click.Choice(REVOCATION_REASONS),
    default="unspecified",
    show_default=True,
    help="Stands in the revocation list.",
)
@as_json
@reaches_server
def revoke(connection: Connection, serial: str, reason: str, as_json: bool) -> None:
    """
    Revoke the certificate with the number SERIAL (hexadecimal), for good.

    A device whose MDM identity it is can't check in any more, and has to enroll again.
    """
    revoked = connection.post("certificates", serial, "revoke", json={"reason": reason})
    if as_json:
        show_json(revoked)
    else:
        click.echo(f"Revoked {revoked.get('serial')} of {revoked.get('subject')}.", err=True)


@click.group("request")
def requests() -> None:
    """
    Requests for certificates that wait for an operator: list, approve, deny.
    """


@requests.command("list")
@click.option("--all", "everything", is_flag=True, help="Those that were decided on, too.")
@_LIMIT
@as_json
@reaches_server
def list_requests(connection: Connection, everything: bool, limit: int, as_json: bool) -> None:
    """
    The newest requests that wait.
    """
    parameters = {} if everything else {"waiting": "1"}
    items = list(islice(connection.items("requests", parameters=parameters), limit))
    _show(items, _REQUEST_COLUMNS, "No requests wait.", as_json)


@requests.command("approve")
@click.argument("id")
@as_json
@reaches_server
def approve(connection: Connection, id: str, as_json: bool) -> None:
    """
    Issue the certificate that the request ID waits for.
    """
    _decided(connection.post("requests", id, "approve"), as_json)


@requests.command("deny")
@click.argument("id")
@as_json
@reaches_server
def deny(connection: Connection, id: str, as_json: bool) -> None:
    """
    Refuse the request ID.
    """
    _decided(connection.post("requests", id, "deny"), as_json)


@click.command("rollover", epilog=_ROLL_OVER_EXAMPLES)
@click.option("--plan", is_flag=True, help="Make the next key and certificate.")
@click.option("--commit", is_flag=True, help="Issue with them from now on.")
@click.option("--cancel", is_flag=True, help="Forget what was planned.")
@click.option("--status", is_flag=True, help="Show them. [the default]")
@as_json
@reaches_server
def roll_over(connection: Connection, /, as_json: bool, **steps: bool) -> None:
    """
    Change the embedded CA's key and certificate.

    After --plan clients can fetch the next certificate. After --commit new certificates are issued
    with it; those of before stay good until they expire. --cancel takes back a --plan.
    """
    step, *others = [name for name, is_given in steps.items() if is_given] or ["status"]
    if others:
        raise click.UsageError("Only one of --plan, --commit, --cancel and --status is allowed.")
    path = ("embedded_ca", "rollover")
    if step == "status":
        found = connection.get(*path)
    else:
        found = connection.post(*path, json={"step": step})
    _show(list(objects(found, "items")), _AUTHORITY_COLUMNS, "There are none.", as_json)


def _decided(request: JSONObject, as_json: bool) -> None:
    if as_json:
        show_json(request)
        return
    keys = ("id", "state", "subject", "serial")
    show_fields([(key, request.get(key)) for key in keys])


def _show(items: list[JSONObject], columns: tuple[str, ...], empty: str, as_json: bool) -> None:
    if as_json:
        show_json([*items])
        return
    titles = [column.replace("_", " ").upper() for column in columns]
    rows: list[list[JsonValue]] = [[item.get(column) for column in columns] for item in items]
    show_table(titles, rows, empty)
