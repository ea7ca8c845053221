"""
``scepctl profile resend``: another try for deliveries.
"""

from __future__ import annotations

import click

from scepd.ctl.connection import Connection
from scepd.ctl.options import as_json, reaches_server
from scepd.ctl.output import printable, show_json

_EXAMPLES = """\b
Examples:
  scepctl profile resend a9dcc35a5-72f9-42b7-9a98-7ad9a9cca3ac --failed
  scepctl profile resend a9dcc35a5-72f9-42b7-9a98-7ad9a9cca3ac --failed --per-hour 200
  scepctl profile resend a9dcc35a5-72f9-42b7-9a98-7ad9a9cca3ac \\
      --host 00008120-000E10C61C3BC01E
"""


@click.command("resend", epilog=_EXAMPLES)
@click.argument("uuid")
@click.option("--host", help="Only to the host with this UUID, whatever came of it before.")
@click.option("--failed", is_flag=True, help="To all hosts where it failed.")
@click.option(
    "--per-hour",
    type=click.IntRange(1, 1_000_000),
    help="With --failed: so many in an hour. [default: as fast as deliveries go]",
)
@as_json
@reaches_server
def resend(
    connection: Connection,
    uuid: str,
    host: str | None,
    failed: bool,
    per_hour: int | None,
    as_json: bool,
) -> None:
    """
    Deliver the profile UUID again, to one host or to all where it failed.

    A removal that failed is tried again likewise. `scepctl profile status` shows the reasons of
    failures: mend them first.
    """
    if failed == (host is not None):
        raise click.UsageError("either --host or --failed is needed")
    if host is not None:
        if per_hour is not None:
            raise click.UsageError("--per-hour goes with --failed")
        connection.send("POST", "hosts", host, "profiles", uuid, "resend")
        if as_json:
            show_json({"count": 1})
        else:
            click.echo("It is delivered again with the next tick.")
        return
    parameters = None if per_hour is None else {"per_hour": str(per_hour)}
    answer = connection.post("profiles", uuid, "resend", parameters=parameters)
    if as_json:
        show_json(answer)
    elif not answer.get("count"):
        click.echo("It failed on no enrolled host.")
    else:
        click.echo(
            f"{answer['count']} are delivered again, the last due at "
            f"{printable(str(answer.get('last_due')))}."
        )
