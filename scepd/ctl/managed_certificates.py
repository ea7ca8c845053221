"""
``scepctl certificate list --state``: the certificates on hosts, by where they stand.
"""

from __future__ import annotations

from itertools import islice

from scepd.ctl.connection import Connection, JSONObject, objects
from scepd.ctl.json_values import JsonValue
from scepd.ctl.output import show_json
from scepd.ctl.record_tables import show_records

STATES = ("current", "expiring", "overdue", "expired")
"""
The states that can be asked for.
"""
_KEYS = (
    "host",
    "serial_number",
    "profile_identifier",
    "state",
    "not_after",
    "renew_at",
    "overdue_at",
    "attempts",
    "due_at",
    "sha1",
    "subject",
    "reason",
)


def list_managed(
    connection: Connection,
    state: str,
    days: int | None,
    host: str | None,
    limit: int,
    *,
    everything: bool,
    as_json: bool,
) -> None:
    """
    Write the certificates in a state; the longest overdue first, else the soonest expiry.

    :param days: within how many an expiring one expires; None: as the server thinks.
    :param everything: whether those before each follow it.
    """
    parameters = {"state": state}
    if days is not None:
        parameters["days"] = str(days)
    if host is not None:
        parameters["host"] = host
    if everything:
        parameters["all"] = "1"
    items = list(islice(connection.items("managed_certificates", parameters=parameters), limit))
    if not items:
        connection.require_host(host)
    if as_json:
        show_json([*items])
        return
    rows = [row for item in items for row in _rows(item)]
    show_records("", _KEYS, rows, f"There are no {state} certificates.")


def _rows(item: JSONObject) -> list[JSONObject]:
    """
    One row of the certificate that counts, and one for each before it.
    """
    current = item.get("certificate")
    seen = current if isinstance(current, dict) else {}
    first: JSONObject = {**item, "not_after": item.get("expires_at"), **_names(seen)}
    retired: list[JSONObject] = [
        {
            **{key: item.get(key) for key in ("host", "serial_number", "profile_identifier")},
            "state": "retired",
            "not_after": one.get("not_after"),
            **_names(one),
        }
        for one in objects(item, "retired")
    ]
    return [first, *retired]


def _names(certificate: JSONObject) -> dict[str, JsonValue]:
    return {key: certificate.get(key) for key in ("sha1", "subject")}
