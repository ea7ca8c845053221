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

    async def add_api_token(self, token: APIToken, activity: Activity | None = None) -> None:
        """
        Store a token.

        :raises Conflict: it is stored already; or another has its name, when there is an
            ``activity``: then it is an operator who adds it.
        """

    async def api_token(self, sha256: str) -> APIToken | None:
        """
        The token with that SHA-256, or None.
        """

    async def api_tokens(self) -> Sequence[APIToken]:
        """
        All of them, the newest first, at most 1,000.
        """

    async def remove_api_token(self, sha256: str, activity: Activity) -> None:
        """
        Remove a token: nobody is let in with it any more.

        :raises NotFound: there is none.
        :raises Conflict: it is the last one of the role admin.
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
