"""
A database without threads: each unit runs where it is written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, create_engine

from scepd.storage.database import Database
from scepd.storage.tables import metadata
from tests.storage.sqlite_file import real_reactor

T = TypeVar("T")


class InlineDatabase(Database):
    """
    The tables in memory; reads and writes end before they return.
    """

    glances = True

    def __init__(self) -> None:
        super().__init__("sqlite:///unused", real_reactor())
        self.engine = create_engine("sqlite://")
        metadata.create_all(self.engine)

    async def write(
        self, unit: Callable[[Connection], T], *, durable: bool = True, locks: bool = False
    ) -> T:
        """
        Run ``unit`` in a transaction; nothing here outlasts anything.
        """
        with self.engine.begin() as connection:
            return unit(connection)

    def glance(self, query: Callable[[Connection], T]) -> T:
        """
        Run ``query``.
        """
        with self.engine.begin() as connection:
            return query(connection)

    async def read(self, query: Callable[[Connection], T], *, glance: bool = False) -> T:
        """
        Run ``query``.
        """
        return await self.write(query)
