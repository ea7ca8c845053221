"""
The command line as a whole.
"""

from __future__ import annotations

from pathlib import Path

import click

from scepd import __version__
from scepd.ctl.api_tokens import api_tokens
from scepd.ctl.authority_change import change
from scepd.ctl.certificate_authorities import authorities
from scepd.ctl.connection import DEFAULT_SERVER, DEFAULT_TOKEN_FILE, Connection
from scepd.ctl.doctor import doctor
from scepd.ctl.embedded_ca import certificates, requests, roll_over
from scepd.ctl.enrollment_tokens import enrollment_tokens
from scepd.ctl.failures import EXIT_CODES
from scepd.ctl.host_changes import facts, labels
from scepd.ctl.host_commands import commands
from scepd.ctl.hosts import hosts
from scepd.ctl.options import with_options
from scepd.ctl.profile_changes import replace, targets
from scepd.ctl.profiles import profiles
from scepd.ctl.pushes import push, pushes
from scepd.ctl.records import activities, exchanges, status
from scepd.ctl.resending import resend
from scepd.ctl.setup import init
from scepd.ctl.simulate import simulate

_EXAMPLES = """\b
Examples:
  scepctl init
  scepctl ca add Test_SCEP --url http://ca.example.com/scep --challenge-file FILE
  scepctl profile add wifi.mobileconfig
  scepctl host show 00008120-000E10C61C3BC01E
  scepctl exchange list --json

"""


@click.group(epilog=_EXAMPLES + EXIT_CODES, context_settings={"max_content_width": 100})
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


authorities.add_command(change)
for _command in (
    init,
    doctor,
    simulate,
    authorities,
    profiles,
    enrollment_tokens,
    api_tokens,
    hosts,
    commands,
    pushes,
    certificates,
    requests,
    exchanges,
    activities,
    status,
):
    main.add_command(_command)
authorities.add_command(roll_over)
for _command in (push, labels, facts):
    hosts.add_command(_command)
for _command in (replace, resend, targets):
    profiles.add_command(_command)
