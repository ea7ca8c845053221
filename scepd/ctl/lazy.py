"""
Commands whose modules are imported when they are asked for: what only some of them need takes much
longer to import than most of them to run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import click

from scepd.garbage import uncollected

Places = Mapping[str, Sequence[str]]
"""
The name of a command → where it is, as ``module:attribute``; behind it, of a group, where further
commands of it are.
"""


class LazyGroup(click.Group):
    """
    A group that imports a command when that is run, or shown.

    :param places: of the commands.
    :param more: what any group takes.
    """

    def __init__(self, *, places: Places, **more: Any) -> None:
        super().__init__(**more)
        self._places = places

    def list_commands(self, context: click.Context) -> list[str]:
        """
        The names of all commands, sorted.
        """
        return sorted({*super().list_commands(context), *self._places})

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """
        A command, imported if need be; None: there is none of that name.
        """
        known = super().get_command(context, name)
        if known is not None or name not in self._places:
            return known
        found, *further = map(_imported, self._places[name])
        if isinstance(found, click.Group):
            for one in further:
                found.add_command(one)
        self.add_command(found, name)
        return found


def _imported(place: str) -> click.Command:
    module, _, attribute = place.partition(":")
    with uncollected():
        found = getattr(import_module(module), attribute)
    if not isinstance(found, click.Command):
        raise TypeError(f"{place} is no command")
    return found
