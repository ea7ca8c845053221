"""
How ``scepctl`` ends when something is wrong: a text on standard error and an exit code.

==== ===================================================================
code meaning
==== ===================================================================
0    done
1    refused: by the server, by a check of the input, or by a local file
2    wrong usage of the command line
3    the server can't be reached, or is not scepd
4    no API token, or none that the server knows
==== ===================================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO

import click

from scepd.ctl.output import printable

EXIT_CODES = """\b
Exit codes:
  0  done
  1  refused by the server, a check of the input, or a local file
  2  wrong usage
  3  the server can't be reached, or is not scepd
  4  no API token, or none that the server knows
"""


class Refused(click.ClickException):
    """
    The server, or a check, said no.

    :param faults: (field, message) of each thing that is wrong; may be empty.
    """

    exit_code = 1

    def __init__(
        self, title: str, detail: str = "", faults: Sequence[tuple[str, str]] = ()
    ) -> None:
        super().__init__(title)
        self.detail = detail
        self.faults = faults

    def show(self, file: IO[str] | None = None) -> None:
        """
        Write title and detail, or a line for each fault.
        """
        click.echo(f"Error: {printable(self.message)}", file=file, err=True)
        if not self.faults and self.detail:
            click.echo(f"  {printable(self.detail)}", file=file, err=True)
        for field, message in self.faults:
            click.echo(f"  {printable(field)}: {printable(message)}", file=file, err=True)


class Unreachable(Refused):
    """
    There is no server, or something else in its place.
    """

    exit_code = 3


class NotAuthenticated(Refused):
    """
    There is no API token, or the server does not know it.
    """

    exit_code = 4
