"""
What the fakes of stores have in common.
"""

from __future__ import annotations

from dataclasses import dataclass

from scepd.errors import StorageUnavailable


@dataclass
class Breakable:
    """
    A store that raises StorageUnavailable while ``broken``.
    """

    broken: bool = False

    def _check(self) -> None:
        if self.broken:
            raise StorageUnavailable("the database is full")
