"""
The options that say which hosts a profile is for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec

import click

P = ParamSpec("P")

_ANY = click.option(
    "--labels-any",
    metavar="LABEL",
    multiple=True,
    help="Hosts that have one of these labels at least. May be given several times.",
)
_ALL = click.option(
    "--labels-all",
    metavar="LABEL",
    multiple=True,
    help="Hosts that have every one of these labels. May be given several times.",
)
_NONE = click.option(
    "--labels-none",
    metavar="LABEL",
    multiple=True,
    help="Hosts that have none of these labels. May be given several times.",
)


def with_targets(command: Callable[P, None]) -> Callable[P, None]:
    """
    Give a command the options ``labels_any``, ``labels_all`` and ``labels_none``.
    """
    return _ANY(_ALL(_NONE(command)))


def targets_of(
    labels_any: tuple[str, ...], labels_all: tuple[str, ...], labels_none: tuple[str, ...]
) -> dict[str, list[str]]:
    """
    What was given, as the admin API takes it.
    """
    return {
        "labels_any": list(labels_any),
        "labels_all": list(labels_all),
        "labels_none": list(labels_none),
    }
