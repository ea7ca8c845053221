"""
Long lists in pieces that fit into one statement.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

# SQLite takes 32,766 parameters and PostgreSQL 32,767; a plan for 500 is still made at once.
_PIECE = 500


def chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """
    Yield ``values`` in pieces of at most 500.
    """
    for start in range(0, len(values), _PIECE):
        yield values[start : start + _PIECE]
