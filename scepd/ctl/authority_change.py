"""
``scepctl ca change``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from scepd.ctl.authority_settings import (
    FILE,
    clearing_options,
    given_settings,
    text_of,
    trust_options,
)
from scepd.ctl.certificate_authorities import one_line, show_report
from scepd.ctl.connection import Connection
from scepd.ctl.options import as_json, reaches_server
from scepd.ctl.output import waiting

_EXAMPLES = """\b
Examples:
  scepctl ca change Test_SCEP --max-concurrency 4 --requests-per-second 2.5
  scepctl ca change Test_SCEP --url https://new.example.com/scep \\
      --challenge-file challenge.txt
  scepctl ca change Test_SCEP --no-outgoing-proxy
  scepctl ca change Test_SCEP --url https://new.example.com/scep \\
      --challenge-mode one_time
"""


@click.command("change", epilog=_EXAMPLES)
@click.argument("name")
@click.option("--url", help="http or https URL of its SCEP service; needs the challenge, too.")
@click.option("--challenge-file", type=FILE, help="File that holds the challenge, in one line.")
@click.option("--challenge-stdin", is_flag=True, help="Read the challenge from standard input.")
@click.option(
    "--challenge-mode",
    type=click.Choice(["static", "one_time"]),
    help="one_time: each delivery has a challenge of its own; static needs one.",
)
@click.option("--max-concurrency", type=int, help="Exchanges with it at one time.")
@click.option("--ca-identifier", help="Sent as `message` of GetCACert, where it has several CAs.")
@click.option("--trusted-certificates", type=FILE, help="PEM file with the roots of its URL.")
@click.option(
    "--allow-single-des/--forbid-single-des",
    default=None,
    help="Whether its answers may use single DES without a warning in the log.",
)
@trust_options
@clearing_options
@as_json
@reaches_server
def change(
    connection: Connection,
    /,
    name: str,
    challenge_file: Path | None,
    challenge_stdin: bool,
    as_json: bool,
    **options: object,
) -> None:
    """
    Change settings of the certificate authority NAME; those that are not given stay.

    It is checked with the new settings, live; nothing is changed when anything is wrong. With
    another URL or another outgoing proxy the challenge has to be given again: from
    --challenge-file, --challenge-stdin, the environment variable SCEPCTL_CHALLENGE or a hidden
    prompt. With --challenge-mode one_time there is none to be given.
    """
    settings = given_settings(options)
    challenge = _challenge(challenge_file, challenge_stdin)
    mode = settings.get("challenge_mode")
    if mode == "one_time" and challenge is not None:
        raise click.UsageError("With --challenge-mode one_time scepd makes the challenges itself.")
    needs_one = settings.get("url") or settings.get("outgoing_proxy") or mode == "static"
    if challenge is None and needs_one and mode != "one_time":
        challenge = _asked_challenge()
    if challenge is not None:
        settings["challenge"] = challenge
    if not settings:
        raise click.UsageError("Nothing is given that shall be changed.")
    with waiting(f"Asking {name} for its certificate …"):
        report = connection.patch("certificate_authorities", name, json=settings)
    show_report(report, as_json)


def _challenge(file: Path | None, from_stdin: bool) -> str | None:
    if file is not None and from_stdin:
        raise click.UsageError("--challenge-file and --challenge-stdin exclude each other.")
    if file is not None:
        return one_line(text_of(file))
    return one_line(sys.stdin.read()) if from_stdin else None


def _asked_challenge() -> str | None:
    if "SCEPCTL_CHALLENGE" in os.environ:
        return os.environ["SCEPCTL_CHALLENGE"]
    if sys.stdin is None or not sys.stdin.isatty():
        # The server knows whether it is needed, and says so.
        return None
    prompted: str = click.prompt("Challenge", hide_input=True, err=True)
    return prompted
