"""
``scepctl doctor``: what is wrong, or soon will be.
"""

from __future__ import annotations

from pathlib import Path

import click

from scepd.ctl.connection import Connection
from scepd.ctl.findings import Finding, Verdict
from scepd.ctl.local_checks import local_findings
from scepd.ctl.options import as_json, reaches_server
from scepd.ctl.output import show_json, waiting
from scepd.ctl.record_tables import show_records
from scepd.ctl.remote_checks import remote_findings

_EXAMPLES = """\b
Examples:
  scepctl doctor
  scepctl doctor --config /etc/scepd/scepd.toml
  scepctl doctor --offline --json | jq '.[] | select(.verdict != "ok")'
"""
_KEYS = ("what", "verdict", "detail")


@click.command("doctor", epilog=_EXAMPLES)
@click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("etc/scepd.toml"),
    show_default=True,
    help="The configuration file.",
)
@click.option("--offline", is_flag=True, help="Don't ask scepd; look at files and database only.")
@as_json
@reaches_server
@click.pass_context
def doctor(
    context: click.Context, connection: Connection, path: Path, offline: bool, as_json: bool
) -> None:
    """
    Look at configuration, keyring, database, push certificate and its topic; and, by a running
    scepd, at its listeners, Apple's push service and each certificate authority.

    Ends with 1 when something failed; warnings are no failures. Nothing is changed.
    """
    with waiting("Looking …"):
        found = list(local_findings(path))
        if not offline:
            found += remote_findings(connection)
    _show(found, as_json)
    if any(finding.verdict is Verdict.BAD for finding in found):
        context.exit(1)


def _show(found: list[Finding], as_json: bool) -> None:
    if as_json:
        show_json([finding.as_json() for finding in found])
    else:
        show_records("", _KEYS, [finding.as_json() for finding in found], "nothing was looked at")
