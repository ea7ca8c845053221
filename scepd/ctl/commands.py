"""
The command line as a whole.
"""

from __future__ import annotations

from pathlib import Path

import click

from scepd import __version__
from scepd.ctl.connection import DEFAULT_SERVER, DEFAULT_TOKEN_FILE, Connection
from scepd.ctl.failures import EXIT_CODES
from scepd.ctl.lazy import LazyGroup
from scepd.ctl.options import with_options

_CTL = "scepd.ctl"
_PLACES = {
    "init": (f"{_CTL}.setup:init",),
    "doctor": (f"{_CTL}.doctor:doctor",),
    "simulate": (f"{_CTL}.simulate:simulate",),
    "ca": (
        f"{_CTL}.certificate_authorities:authorities",
        f"{_CTL}.authority_change:change",
        f"{_CTL}.embedded_ca:roll_over",
    ),
    "profile": (
        f"{_CTL}.profiles:profiles",
        f"{_CTL}.profile_changes:replace",
        f"{_CTL}.resending:resend",
        f"{_CTL}.profile_changes:targets",
    ),
    "enroll-token": (f"{_CTL}.enrollment_tokens:enrollment_tokens",),
    "token": (f"{_CTL}.api_tokens:api_tokens",),
    "host": (
        f"{_CTL}.hosts:hosts",
        f"{_CTL}.pushes:push",
        f"{_CTL}.host_changes:labels",
        f"{_CTL}.host_changes:facts",
    ),
    "command": (f"{_CTL}.host_commands:commands",),
    "push": (f"{_CTL}.pushes:pushes",),
    "certificate": (f"{_CTL}.embedded_ca:certificates",),
    "request": (f"{_CTL}.embedded_ca:requests",),
    "exchange": (f"{_CTL}.records:exchanges",),
    "activity": (f"{_CTL}.records:activities",),
    "status": (f"{_CTL}.records:status",),
}
_EXAMPLES = """\b
Examples:
  scepctl init
  scepctl ca add Test_SCEP --url http://ca.example.com/scep --challenge-file FILE
  scepctl profile add wifi.mobileconfig
  scepctl host show 00008120-000E10C61C3BC01E
  scepctl exchange list --json

"""


@click.group(
    cls=LazyGroup,
    places=_PLACES,
    epilog=_EXAMPLES + EXIT_CODES,
    context_settings={"max_content_width": 100},
)
@click.version_option(__version__, prog_name="scepctl")
@click.option(
    "--server",
    envvar="SCEPCTL_SERVER",
    default=DEFAULT_SERVER,
    show_default=True,
    show_envvar=True,
    metavar="URL",
    help="http://…, https://… or unix:/path of the admin API.",
)
@click.option(
    "--token-file",
    envvar="SCEPCTL_TOKEN_FILE",
    default=DEFAULT_TOKEN_FILE,
    show_default=True,
    show_envvar=True,
    type=click.Path(path_type=Path),
    help="File that holds the API token.",
)
@click.pass_context
def main(context: click.Context, server: str, token_file: Path) -> None:
    """
    Operate scepd: its certificate authorities, its profiles, its hosts, its records.
    """
    known = context.find_object(Connection) or Connection()
    context.obj = with_options(known, server, token_file)
