"""
``scepctl ca``: the certificate authorities.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from scepd.ctl.authority_settings import (
    FILE,
    certificates_in,
    given_settings,
    text_of,
    trust_options,
)
from scepd.ctl.breakers import breaker_fields, breaker_state
from scepd.ctl.connection import Connection, JSONObject, objects
from scepd.ctl.json_values import JsonValue
from scepd.ctl.options import as_json, reaches_server
from scepd.ctl.output import show_fields, show_json, show_table, show_warnings, waiting

_IN_PEM = ("trusted_certificates", "client_certificate")
_ADD_EXAMPLES = """\b
Examples:
  scepctl ca add Test_SCEP --url http://ca.example.com:2016/scep \\
      --challenge-file challenge.txt
  pass show ca/challenge | scepctl ca add Test_SCEP \\
      --url https://ca.example.com/scep --challenge-stdin
  scepctl ca add STEP_CA --url https://step-ca.example.com/scep/devices \\
      --challenge-mode one_time --webhook-id ID --webhook-secret-file FILE
"""


@click.group("ca")
def authorities() -> None:
    """
    Certificate authorities: add, list, show, check, change, delete.
    """


@authorities.command("add", epilog=_ADD_EXAMPLES)
@click.argument("name")
@click.option("--url", required=True, help="http or https URL of its SCEP service.")
@click.option("--challenge-file", type=FILE, help="File that holds the challenge, in one line.")
@click.option("--challenge-stdin", is_flag=True, help="Read the challenge from standard input.")
@click.option(
    "--challenge-mode",
    type=click.Choice(["static", "one_time"]),
    default="static",
    show_default=True,
    help="one_time: each delivery has a challenge of its own, which the CA asks scepd about.",
)
@click.option("--max-concurrency", type=int, help="Exchanges with it at one time. [default: 16]")
@click.option("--ca-identifier", help="Sent as `message` of GetCACert, where it has several CAs.")
@click.option("--trusted-certificates", type=FILE, help="PEM file with the roots of its URL.")
@click.option(
    "--allow-single-des", is_flag=True, help="Its answers may use single DES, without a warning."
)
@trust_options
@as_json
@reaches_server
def add(
    connection: Connection,
    /,
    name: str,
    url: str,
    challenge_file: Path | None,
    challenge_stdin: bool,
    challenge_mode: str,
    max_concurrency: int | None,
    ca_identifier: str | None,
    trusted_certificates: Path | None,
    allow_single_des: bool,
    as_json: bool,
    **trust: object,
) -> None:
    """
    Check a certificate authority, live, and store it under NAME.

    NAME is its identity: 1 to 255 of A-Z a-z 0-9 _, and it can't be changed later. Profiles name it
    in $FLEET_VAR_CUSTOM_SCEP_CHALLENGE_NAME and $FLEET_VAR_CUSTOM_SCEP_PROXY_URL_NAME.

    The challenge comes from --challenge-file, from --challenge-stdin, from the environment variable
    SCEPCTL_CHALLENGE, or from a hidden prompt. It is no option of its own: the shell's history
    would keep it. With --challenge-mode one_time there is none to be given.
    """
    one_time = challenge_mode == "one_time"
    if one_time and (challenge_file is not None or challenge_stdin):
        raise click.UsageError("With --challenge-mode one_time scepd makes the challenges itself.")
    body: dict[str, JsonValue] = {
        "name": name,
        "url": url,
        "challenge": "" if one_time else _challenge(challenge_file, challenge_stdin),
        "ca_identifier": ca_identifier,
        "trusted_certificates": text_of(trusted_certificates) if trusted_certificates else None,
        "allow_single_des": allow_single_des,
    }
    if one_time:
        body["challenge_mode"] = challenge_mode
    if max_concurrency is not None:
        body["max_concurrency"] = max_concurrency
    body |= given_settings(trust)
    with waiting(f"Asking {url} for its certificate …"):
        report = connection.post("certificate_authorities", json=body)
    show_report(report, as_json)


@authorities.command("list")
@as_json
@reaches_server
def list_all(connection: Connection, as_json: bool) -> None:
    """
    All certificate authorities, by name.
    """
    items = list(connection.items("certificate_authorities"))
    if as_json:
        show_json([*items])
        return
    keys = ("name", "url", "subject", "not_after", "challenge_mode", "built_in")
    show_table(
        ("NAME", "URL", "SUBJECT", "EXPIRES", "CHALLENGES", "BUILT IN", "BREAKER"),
        [[*(item.get(key) for key in keys), breaker_state(item)] for item in items],
        "There are no certificate authorities; `scepctl ca add --help` tells how to add one.",
    )


@authorities.command("show")
@click.argument("name")
@as_json
@reaches_server
def show(connection: Connection, name: str, as_json: bool) -> None:
    """
    The certificate authority NAME. Its challenge, and the key of a client certificate, are never
    shown.
    """
    found = connection.get("certificate_authorities", name)
    if as_json:
        show_json(found)
    else:
        for key in _IN_PEM:
            found[key] = certificates_in(found.get(key))
        fields = [(key, value) for key, value in found.items() if key != "breaker"]
        shown = [(key.replace("_", " "), value) for key, value in fields]
        show_fields([*shown, *breaker_fields(found)])


@authorities.command("check")
@click.argument("name")
@as_json
@reaches_server
def check(connection: Connection, name: str, as_json: bool) -> None:
    """
    Ask the certificate authority NAME again for its certificate and capabilities.
    """
    with waiting(f"Asking {name} for its certificate …"):
        report = connection.post("certificate_authorities", name, "check")
    show_report(report, as_json)


@authorities.command("delete")
@click.argument("name")
@click.option("--force", is_flag=True, help="Even though profiles use it; they fail from then on.")
@reaches_server
def delete(connection: Connection, name: str, force: bool) -> None:
    """
    Remove the certificate authority NAME; refused while profiles use it.
    """
    connection.delete("certificate_authorities", name, parameters={"force": "1"} if force else None)
    click.echo(f"Removed {name}.", err=True)


def show_report(report: JSONObject, as_json: bool) -> None:
    """
    Write what a live check brought: all of it as JSON, or a field a line and the warnings.
    """
    if as_json:
        show_json(report)
        return
    before = report.get("previous_sha256")
    show_fields(
        (
            ("name", report.get("name")),
            ("subject", report.get("subject")),
            ("sha256", report.get("sha256")),
            ("expires", report.get("not_after")),
            *([("sha256 before", before)] if before else []),
            ("capabilities", report.get("capabilities")),
            ("checked at", report.get("checked_at")),
            *_chain(report),
        )
    )
    if report.get("fingerprint_changed"):
        click.echo("Warning: Its certificate is another than at the last check.", err=True)
    show_warnings(report.get("warnings"))


def _chain(report: JSONObject) -> list[tuple[str, JsonValue]]:
    """
    The certificates of a GetCACert answer, where it had more than one.
    """
    chain = objects(report, "certificates") if "certificates" in report else []
    if len(chain) < 2:
        return []
    return [
        (f"certificate {number}", [each.get(key) for key in ("subject", "sha256", "not_after")])
        for number, each in enumerate(chain, 1)
    ]


def _challenge(file: Path | None, from_stdin: bool) -> str:
    if file is not None and from_stdin:
        raise click.UsageError("--challenge-file and --challenge-stdin exclude each other.")
    if file is not None:
        return one_line(text_of(file))
    if from_stdin:
        return one_line(sys.stdin.read())
    if "SCEPCTL_CHALLENGE" in os.environ:
        return os.environ["SCEPCTL_CHALLENGE"]
    if sys.stdin is None or not sys.stdin.isatty():
        raise click.UsageError(
            "A challenge is needed: --challenge-file FILE, --challenge-stdin or SCEPCTL_CHALLENGE."
        )
    prompted: str = click.prompt("Challenge", hide_input=True, err=True)
    return prompted


def one_line(text: str) -> str:
    """
    A challenge as it was typed or stored.
    """
    # Editors and `echo` end a line; that is not part of the challenge.
    return text.removesuffix("\n").removesuffix("\r")
