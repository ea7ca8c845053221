"""
What ``scepctl doctor`` asks the daemon about.
"""

from __future__ import annotations

from collections.abc import Iterator

from scepd.ctl.connection import Connection, JSONObject
from scepd.ctl.failures import NotAuthenticated, Refused, Unreachable
from scepd.ctl.findings import Finding, bad, doubtful, good
from scepd.model import EMBEDDED_CA


def remote_findings(connection: Connection) -> Iterator[Finding]:
    """
    Ask a running scepd how it is, and whether it reaches Apple and each certificate authority.
    """
    try:
        yield from _readiness(connection.readiness())
        yield _apple(connection.get("push"))
        for authority in list(connection.items("certificate_authorities")):
            name = str(authority.get("name"))
            if name != EMBEDDED_CA:
                yield _authority(connection, name)
    except NotAuthenticated as error:
        yield doubtful("admin API", f"not asked further: {error.message}")
    except Unreachable as error:
        yield bad("scepd", error.message)


def _readiness(ready: JSONObject) -> Iterator[Finding]:
    parts = ready.get("parts")
    # What is wrong with pushes comes with more detail below.
    for name, text in sorted(parts.items() if isinstance(parts, dict) else ()):
        if name != "apns":
            yield good(name, "ready") if text == "ready" else bad(name, str(text))


def _apple(push: JSONObject) -> Finding:
    what, state, complaint = "Apple's push service", push.get("state"), push.get("complaint")
    text = f"{push.get('host')}: {state}" + (f"; {complaint}" if complaint else "")
    if state == "connected":
        return doubtful(what, text) if complaint else good(what, text)
    # Without a certificate there is nothing that could be connected.
    return doubtful(what, text) if state == "not_configured" else bad(what, text)


def _authority(connection: Connection, name: str) -> Finding:
    what = f"certificate authority {name}"
    try:
        report = connection.post("certificate_authorities", name, "check")
    except (NotAuthenticated, Unreachable):
        raise
    except Refused as error:
        faults = "; ".join(message for _, message in error.faults)
        return bad(what, faults or error.detail or error.message)
    warnings = report.get("warnings")
    if isinstance(warnings, list) and warnings:
        return doubtful(what, " ".join(str(warning) for warning in warnings))
    return good(what, f"it answers; its certificate expires {report.get('not_after')}")
