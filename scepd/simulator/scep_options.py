"""
The options of the SCEP program's commands, and what they come to.
"""

from __future__ import annotations

import contextlib
import math
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import BinaryIO, Concatenate, Literal, ParamSpec

import click

from scepd.scep.dialect import Form
from scepd.simulator.http import DeviceHTTP
from scepd.simulator.patience import NO_PATIENCE, Patience, Waiting
from scepd.simulator.scep_client import SCEPClient
from scepd.simulator.scep_folder import SCEPFolder

_LARGEST_CHALLENGE = 4096
P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class World:
    """
    What is outside of the program.

    :param http: the connection.
    :param waiting: the clock.
    """

    http: DeviceHTTP
    waiting: Waiting


@dataclass(frozen=True, slots=True)
class Place:
    """
    The options that all commands share.

    :param world: where the program runs.
    :param url: of the authority.
    :param folder: of the identity.
    :param form: of a PKIOperation; None for what the authority offers.
    :param allow_des: whether single DES will do.
    :param interval: seconds between two polls.
    :param timeout: seconds to poll for; 0 for no polls.
    """

    world: World
    url: str
    folder: SCEPFolder
    form: Form | None
    allow_des: bool
    interval: float
    timeout: float

    def client(self, patience: Patience = NO_PATIENCE) -> SCEPClient:
        """
        Make a client.

        :param patience: how long it polls.
        :returns: the client.
        """
        return SCEPClient(
            self.url,
            self.world.http,
            waiting=self.world.waiting,
            patience=patience,
            allow_des=self.allow_des,
            form=self.form,
        )

    def patience(self, first: float) -> Patience:
        """
        Tell how long to poll.

        :param first: seconds before the first poll.
        :returns: as the options say.
        """
        return Patience(self.interval, int(self.timeout / self.interval) + 1, self.timeout, first)


_SHARED = (
    click.option("--url", required=True, help="Of the authority, without an operation."),
    click.option(
        "--out",
        required=True,
        type=click.Path(file_okay=False, path_type=Path),
        help="Folder of key.pem, certificate.pem and ca.pem.",
    ),
    click.option(
        "--form",
        type=click.Choice(["auto", "get", "post"]),
        default="auto",
        help="HTTP method of a PKIOperation.  [default: what the authority offers]",
    ),
    click.option(
        "--ca-file",
        type=click.Path(dir_okay=False, exists=True, path_type=Path),
        help="PEM of the roots that an https URL's certificate chains to.  [default: usual ones]",
    ),
    click.option("--allow-des", is_flag=True, help="Take single DES, as some authorities use it."),
    click.option(
        "--poll-interval",
        type=click.FloatRange(0.1, 86_400),
        callback=lambda *arguments: _finite(*arguments),
        default=10.0,
        show_default=True,
        help="Seconds between two polls.",
    ),
    click.option(
        "--poll-timeout",
        type=click.FloatRange(0, 604_800),
        callback=lambda *arguments: _finite(*arguments),
        default=0.0,
        show_default=True,
        help="Seconds to poll for, when the authority answers PENDING.",
    ),
)
CHALLENGE_FILE = click.option(
    "--challenge-file",
    type=click.File("rb"),
    callback=lambda _context, _option, file: _challenge(file),
    help="File that holds the challengePassword.",
)
"""
Where the challenge is; a command gets the challenge itself, empty for none.
"""
KEY_BITS = click.option(
    "--key-bits", type=int, default=2048, show_default=True, help="1024, 2048 or 4096."
)
"""
The size of a new key.
"""
IDENTITY = click.option(
    "--renew-from",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the identity that signs.  [default: that of --out]",
)
"""
Whose certificate signs; None for that of the folder itself.
"""


def at_a_place(command: Callable[Concatenate[Place, P], None]) -> Callable[..., None]:
    """
    Give a command the options that all of them share, as a Place.

    :param command: takes the place first, then its own options.
    :returns: a command that takes all options.
    """

    @wraps(command)
    def placed(
        url: str,
        out: Path,
        form: Literal["auto", "get", "post"],
        ca_file: Path | None,
        allow_des: bool,
        poll_interval: float,
        poll_timeout: float,
        *arguments: P.args,
        **options: P.kwargs,
    ) -> None:
        chosen: Form | None = None if form == "auto" else form
        folder = SCEPFolder(out)
        world = _trusting(ca_file)
        place = Place(world, url, folder, chosen, allow_des, poll_interval, poll_timeout)
        command(place, *arguments, **options)

    for option in reversed(_SHARED):
        placed = option(placed)
    return placed


def _trusting(ca_file: Path | None) -> World:
    """
    The world, with a connection that trusts the roots in the file, if there is one.
    """
    context = click.get_current_context()
    world: World = context.obj
    if ca_file is None:
        return world
    try:
        trust = ssl.create_default_context(cafile=str(ca_file))
    except ssl.SSLError:
        raise click.BadParameter(f"{ca_file}: no certificates in PEM") from None
    http = context.with_resource(contextlib.closing(DeviceHTTP(verify=trust)))
    return World(http, world.waiting)


def _challenge(file: BinaryIO | None) -> str:
    if file is None:
        return ""
    content = file.read(_LARGEST_CHALLENGE + 1)
    try:
        challenge = content.decode("utf-8").strip("\r\n")
    except UnicodeDecodeError:
        raise click.BadParameter("the file is not UTF-8") from None
    if len(content) > _LARGEST_CHALLENGE or not challenge:
        raise click.BadParameter(f"the file is empty or has over {_LARGEST_CHALLENGE} bytes")
    return challenge


def _finite(_context: click.Context, _option: click.Parameter, seconds: float) -> float:
    # A range lets "nan" through, which is neither below nor above anything.
    if not math.isfinite(seconds):
        raise click.BadParameter("not a number of seconds")
    return seconds
