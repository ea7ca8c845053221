"""
``scepctl host``: the devices, and what each of them has.
"""

from __future__ import annotations

import click

from scepd.ctl.connection import Connection, JSONObject, objects
from scepd.ctl.json_values import JsonValue
from scepd.ctl.options import as_json, reaches_server
from scepd.ctl.output import show_fields, show_json
from scepd.ctl.record_tables import readable, show_records

_LIST_EXAMPLES = """\b
Examples:
  scepctl host list
  scepctl host list --json | jq -r '.[] | select(.platform == "macos") | .uuid'
  scepctl host list --json | jq -r '.[] | select(.enrolled | not) | .uuid'
"""
_SHOW_EXAMPLES = """\b
Examples:
  scepctl host show 00008120-000E10C61C3BC01E
  scepctl host show 00008120-000E10C61C3BC01E --all
  scepctl host show 00008120-000E10C61C3BC01E --json | jq .certificates
"""
_VERIFY_EXAMPLES = """\b
Examples:
  scepctl host verify 00008120-000E10C61C3BC01E
  scepctl host show 00008120-000E10C61C3BC01E --json | jq .inventory
"""
_INVENTORY_KEYS = (
    "profiles_at",
    "profiles_source",
    "certificates_at",
    "certificates_source",
    "unreadable_certificates",
    "agent_at",
    "asked_at",
    "next_at",
    "waiting",
)
_RENEW_EXAMPLES = """\b
Examples:
  scepctl host renew-identity 00008120-000E10C61C3BC01E
  scepctl host show 00008120-000E10C61C3BC01E    # tells how far it got
"""
_HOST_KEYS = (
    "uuid",
    "serial_number",
    "platform",
    "model",
    "os_version",
    "labels",
    "last_seen",
)
_LIST_KEYS = (*_HOST_KEYS[:-1], "enrolled", "last_seen")
_ENROLLMENT_KEYS = ("id", "kind", "user_name", "enabled", "enrolled_at", "last_seen")
_PROFILE_KEYS = (
    "identifier",
    "uuid",
    "operation",
    "scope",
    "status",
    "detail",
    "attempts",
    "ca_name",
    "due_at",
    "delivered_at",
    "acknowledged_at",
)
_CERTIFICATE_KEYS = (
    "subject",
    "issuer",
    "serial",
    "source",
    "sha1",
    "not_before",
    "not_after",
    "first_seen",
    "renew_at",
    "retired_at",
    "profile_uuid",
)
_COMMAND_KEYS = (
    "uuid",
    "request_type",
    "profile_uuid",
    "status",
    "detail",
    "created_at",
    "offered_at",
    "finished_at",
    "answer_size",
)
_EXCHANGE_KEYS = (
    "started_at",
    "ca_name",
    "message_type",
    "pki_status",
    "fail_info",
    "http_status",
    "detail",
)
_IDENTITY_KEYS = (
    "state",
    "serial",
    "subject",
    "issued_at",
    "not_after",
    "renew_at",
    "renewal",
    "renewal_failures",
    "renewal_again_at",
    "renewal_detail",
)
_PUSH_KEYS = (
    "enrollment_id",
    "state",
    "has_address",
    "status",
    "reason",
    "attempts",
    "due_at",
    "answered_at",
)
_SECTIONS = (
    ("enrollments", _ENROLLMENT_KEYS),
    ("identities", _IDENTITY_KEYS),
    ("pushes", _PUSH_KEYS),
    ("profiles", _PROFILE_KEYS),
    ("certificates", _CERTIFICATE_KEYS),
    ("commands", _COMMAND_KEYS),
    ("exchanges", _EXCHANGE_KEYS),
)


@click.group("host")
def hosts() -> None:
    """
    Hosts: list, show, push, label, fact, verify, renew-identity.
    """


@hosts.command("list", epilog=_LIST_EXAMPLES)
@as_json
@reaches_server
def list_all(connection: Connection, as_json: bool) -> None:
    """
    All hosts, by UUID.
    """
    items = list(connection.items("hosts"))
    if as_json:
        show_json([*items])
        return
    empty = "There are no hosts; `scepctl enroll-token create --help` tells how to let one enroll."
    show_records("", _LIST_KEYS, items, empty)


@hosts.command("show", epilog=_SHOW_EXAMPLES)
@click.argument("uuid")
@click.option("--all", "everything", is_flag=True, help="Retired certificates, too.")
@as_json
@reaches_server
def show(connection: Connection, uuid: str, everything: bool, as_json: bool) -> None:
    """
    The host UUID: its identities, profiles, certificates, commands and exchanges, with reasons.
    """
    found = connection.get("hosts", uuid)
    if as_json:
        show_json(found)
        return
    show_fields(_fields(found))
    _show_inventory(found)
    for name, keys in _SECTIONS:
        records = objects(found, name)
        shown: tuple[str, ...] = keys
        if name == "certificates" and not everything:
            records = [one for one in records if not one.get("retired_at")]
            shown = tuple(key for key in keys if key != "retired_at")
        show_records(name.capitalize(), shown, records, "none")


@hosts.command("verify", epilog=_VERIFY_EXAMPLES)
@click.argument("uuid")
@as_json
@reaches_server
def verify(connection: Connection, uuid: str, as_json: bool) -> None:
    """
    Ask the host UUID now what profiles and certificates it has.

    It is asked over MDM, which is pushed, and its osquery agent when that next reads its queries.
    What it answers proves, or misses, what was delivered: `scepctl host show` tells then.
    """
    found = connection.post("hosts", uuid, "verify")
    if as_json:
        show_json(found)
    else:
        show_fields(_inventory_fields(found))


def _show_inventory(host: JSONObject) -> None:
    found = host.get("inventory")
    click.echo("\nInventory")
    if isinstance(found, dict):
        show_fields(_inventory_fields(found))
    else:
        click.echo("none: the host has acknowledged no profile yet")


def _inventory_fields(found: JSONObject) -> list[tuple[str, JsonValue]]:
    return [(key.replace("_", " "), readable(found.get(key)) or None) for key in _INVENTORY_KEYS]


@hosts.command("renew-identity", epilog=_RENEW_EXAMPLES)
@click.argument("uuid")
@as_json
@reaches_server
def renew_identity(connection: Connection, uuid: str, as_json: bool) -> None:
    """
    Give the host UUID a new MDM identity now; by itself it gets one in time before it expires.

    The host is sent its enrollment profile again, and pushed. Nothing else of it changes: its
    profiles stay, and so does its enrollment. The old identity counts until the new one is used.
    """
    begun = connection.post("hosts", uuid, "identity-renewal")
    if as_json:
        show_json(begun)
    else:
        show_fields([(key.replace("_", " "), value) for key, value in begun.items()])


def _fields(host: JSONObject) -> list[tuple[str, JsonValue]]:
    facts = host.get("facts")
    said: list[JsonValue] = []
    if isinstance(facts, dict):
        said = [f"{name}={value}" for name, value in sorted(facts.items())]
    fields = [(key.replace("_", " "), readable(host.get(key)) or None) for key in _HOST_KEYS]
    return [*fields, ("facts", said)]
