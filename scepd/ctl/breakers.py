"""
How ``scepctl ca`` shows circuit breakers.
"""

from __future__ import annotations

from collections.abc import Iterable

from scepd.ctl.connection import JSONObject
from scepd.ctl.json_values import JsonValue

_FIELDS = (
    ("breaker", "state"),
    ("failures in a row", "failures"),
    ("out since", "since"),
    ("reason", "reason"),
    ("next probe", "next_probe_at"),
)


def breaker_state(authority: JSONObject) -> JsonValue:
    """
    The state of the breaker of a certificate authority; None: the server tells none.
    """
    return _breaker(authority).get("state")


def breaker_fields(authority: JSONObject) -> Iterable[tuple[str, JsonValue]]:
    """
    Names and values of what is known of it, those left out that say nothing.
    """
    breaker = _breaker(authority)
    return [(name, breaker[key]) for name, key in _FIELDS if breaker.get(key)]


def _breaker(authority: JSONObject) -> JSONObject:
    found = authority.get("breaker")
    return found if isinstance(found, dict) else {}
