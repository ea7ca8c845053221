"""
``scepctl command``: MDM commands, and what hosts answered to them.
"""

from __future__ import annotations

import plistlib
from pathlib import Path
from xml.parsers.expat import ExpatError

import click

from scepd.ctl.connection import Connection
from scepd.ctl.failures import Refused
from scepd.ctl.options import as_json, reaches_server
from scepd.ctl.output import show_fields, show_json

_SEND_EXAMPLES = """\b
Examples:
  scepctl command send 00008120-000E10C61C3BC01E device-information.plist
  scepctl command send 00008120-000E10C61C3BC01E restart.plist --json | jq -r .uuid
  scepctl command send 00008120-000E10C61C3BC01E profile-list.plist --user ann
"""
_ANSWER_EXAMPLES = """\b
Examples:
  scepctl host show 00008120-000E10C61C3BC01E    # lists its commands
  scepctl command answer 00008120-000E10C61C3BC01E \\
      6d1f6f6c-0c2b-4a38-9f6e-0c9e3f8b7a11
"""


@click.group("command")
def commands() -> None:
    """
    MDM commands: send, answer.
    """


@commands.command("send", epilog=_SEND_EXAMPLES)
@click.argument("host")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--user",
    help="Send it over the channel of this user: the short name, or the UserID, as `scepctl host "
    "show` lists them.",
)
@as_json
@reaches_server
def send(connection: Connection, host: str, file: Path, user: str | None, as_json: bool) -> None:
    """
    Send the host of the UUID HOST the command in FILE, whatever it is.

    FILE is a property list, XML or binary: a dictionary with a Command, or what stands in it. The
    command is stored as it is until its answer has come, and pushed.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise Refused(f"{file}: can't be read: {error.strerror}") from None
    parameters = {"user": user} if user else None
    sent = connection.post("hosts", host, "commands", content=content, parameters=parameters)
    if as_json:
        show_json(sent)
    else:
        show_fields([(key.replace("_", " "), value) for key, value in sent.items()])


@commands.command("answer", epilog=_ANSWER_EXAMPLES)
@click.argument("host")
@click.argument("command")
@click.option(
    "--output", type=click.Path(path_type=Path), help="Write it to this file, as the host sent it."
)
@reaches_server
def answer(connection: Connection, host: str, command: str, output: Path | None) -> None:
    """
    What the host of the UUID HOST answered to COMMAND, as a property list in XML.
    """
    content = connection.send("GET", "hosts", host, "commands", command, "answer").content
    if output is None:
        click.echo(_readable(content))
        return
    try:
        output.write_bytes(content)
    except OSError as error:
        raise Refused(f"{output}: can't be written: {error.strerror}") from None


def _readable(content: bytes) -> str:
    """
    A property list as XML, without what a terminal would obey.
    """
    try:
        text = plistlib.dumps(plistlib.loads(content), sort_keys=False).decode()
    except (ValueError, ExpatError, plistlib.InvalidFileException):
        raise Refused("The answer can't be shown as XML; --output writes it to a file.") from None
    kept = (char if char.isprintable() or char in "\t\n" else "\ufffd" for char in text)
    return "".join(kept).rstrip("\n")
