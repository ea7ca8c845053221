"""
Where deliveries are that operators want tried again.
"""

from __future__ import annotations

from typing import Protocol

from scepd.model import Activity, ResendPace


class ResendStore(Protocol):
    """
    Sends assignments again, by the lifecycle table.
    """

    async def resend(self, host_uuid: str, profile_uuid: str, activity: Activity) -> None:
        """
        RESENT happens to an assignment: it is due at the time of the activity.

        :raises NotFound: the host neither has, nor should have, that profile.
        :raises Conflict: the host is not enrolled, or has no user channel; the text says which.
        """

    async def resend_failed(
        self, profile_uuid: str, pace: ResendPace, limit: int, activity: Activity | None
    ) -> int:
        """
        RESENT happens to at most ``limit`` failed assignments of a profile to enrolled hosts, by
        host uuid; each is due as ``pace`` tells.

        :param activity: recorded in the same transaction, when there is one.
        :returns: how many there were.
        """

    async def count_failed(self, profile_uuid: str) -> int:
        """
        How many assignments of a profile to enrolled hosts have failed.
        """
