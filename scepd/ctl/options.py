"""
The options that commands share.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec

import click

from scepd.ctl.connection import (
    DEFAULT_SERVER,
    DEFAULT_TOKEN_FILE,
    Connection,
    checked_server,
)

P = ParamSpec("P")

_SERVER = click.option(
    "--server",
    metavar="URL",
    help="http://…, https://… or unix:/path of the admin API. "
    f"[env: SCEPCTL_SERVER; default: {DEFAULT_SERVER}]",
)
_TOKEN_FILE = click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    help=f"File that holds the API token. [env: SCEPCTL_TOKEN_FILE; default: {DEFAULT_TOKEN_FILE}]",
)


def reaches_server(command: Callable[Concatenate[Connection, P], None]) -> Callable[..., None]:
    """
    Give a command the options that say where the server is; it gets a Connection of them.

    They may stand before the command's name too; those behind it count more.
    """

    @_SERVER
    @_TOKEN_FILE
    @click.pass_context
    @wraps(command)
    def with_connection(
        context: click.Context,
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        """
        Build the connection and call the command.
        """
        server = kwargs.pop("server")
        token_file = kwargs.pop("token_file")
        known = context.find_object(Connection) or Connection()
        command(with_options(known, server, token_file), *args, **kwargs)

    return with_connection


def with_options(known: Connection, server: object, token_file: object) -> Connection:
    """
    ``known`` with what was given.

    :raises click.BadParameter: the server's address has an unknown form.
    """
    if isinstance(server, str):
        known = replace(known, server=checked_server(server))
    if isinstance(token_file, Path):
        known = replace(known, token_file=token_file)
    return known


as_json = click.option("--json", "as_json", is_flag=True, help="Write JSON, for programs.")
