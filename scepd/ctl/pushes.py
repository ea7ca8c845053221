"""
``scepctl push`` and ``host push``: how pushing goes, and a push by hand.
"""

from __future__ import annotations

import click

from scepd.ctl.connection import Connection, JSONObject, objects
from scepd.ctl.json_values import JsonValue
from scepd.ctl.options import as_json, reaches_server
from scepd.ctl.output import printable, show_fields, show_json
from scepd.ctl.record_tables import readable, show_records

_PUSH_EXAMPLES = """\b
Examples:
  scepctl host push 00008120-000E10C61C3BC01E
  scepctl host list --json | jq -r '.[].uuid' | xargs -n1 scepctl host push
"""
_STATUS_EXAMPLES = """\b
Examples:
  scepctl push status
  scepctl push status --json | jq .parked
"""
_FIELDS = (
    ("state", "state"),
    ("complaint", "complaint"),
    ("push service", "host"),
    ("topic", "topic"),
    ("certificate expires", "not_after"),
    ("connections", "connections"),
    ("waiting", "waiting"),
    ("in flight", "in_flight"),
    ("taken within an hour", "accepted_hour"),
    ("taken within a day", "accepted_day"),
    ("due now", "due"),
    ("oldest due", "oldest_due"),
    ("under way", "claimed"),
    ("due later", "later_by_state"),
    ("refused for good", "parked"),
    ("enrolled by topic", "topics"),
)
_REFUSAL_KEYS = ("status", "reason", "count", "last_at")


@click.group("push")
def pushes() -> None:
    """
    Pushes: status.
    """


@pushes.command("status", epilog=_STATUS_EXAMPLES)
@as_json
@reaches_server
def status(connection: Connection, as_json: bool) -> None:
    """
    The push certificate, the connections to Apple, what waits, and what Apple refused.

    docs/push.md says what to do about each reason.
    """
    found = connection.get("push")
    if as_json:
        show_json(found)
        return
    show_fields([(name, _shown(found, key)) for name, key in _FIELDS])
    refusals = objects(found, "refusals")
    show_records("Refusals since the start", _REFUSAL_KEYS, refusals, "none")


@click.command("push", epilog=_PUSH_EXAMPLES)
@click.argument("uuid")
@as_json
@reaches_server
def push(connection: Connection, uuid: str, as_json: bool) -> None:
    """
    Push to the host UUID now, so that it asks for its commands.

    The push is stored: it survives a restart, and is tried again when it can't be sent.
    """
    found = connection.post("hosts", uuid, "push")
    if as_json:
        show_json(found)
    else:
        click.echo(printable(str(found.get("detail"))))


def _shown(found: JSONObject, key: str) -> JsonValue:
    value = found.get(key)
    if isinstance(value, dict):
        return [f"{name} {number}" for name, number in sorted(value.items())]
    return readable(value) if value != "" else None
