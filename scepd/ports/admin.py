"""
Tokens, activities and health: what the admin API needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from scepd.model import Activity, APIToken


class APITokenStore(Protocol):
    """
    The admin API's tokens.
    """

    async def add_api_token(self, token: APIToken) -> None:
        """
        Store a token.

        :raises Conflict: it is stored already.
        """

    async def api_token(self, sha256: str) -> APIToken | None:
        """
        The token with that SHA-256, or None.
        """


class ActivityStore(Protocol):
    """
    What operators did.
    """

    async def activities(
        self, *, before_id: int | None = None, limit: int = 100
    ) -> Sequence[tuple[int, Activity]]:
        """
        At most ``limit`` (id, activity), newest first, below ``before_id``.
        """


class Health(Protocol):
    """
    What ``/readyz`` asks of the database.
    """

    async def ping(self) -> None:
        """
        Return when the database took and answered a read and a write.

        :raises StorageUnavailable: it did not, or not within its deadline.
        """
