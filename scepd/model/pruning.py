"""
What became of old records.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pruned:
    """
    One step of forgetting.

    :param seen: how many old records were looked at.
    :param forgotten: how many of them are gone; the others are still of use, and are looked at
        again much later.
    """

    seen: int
    forgotten: int
