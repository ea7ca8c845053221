"""
A fake of the store of deliveries that are sent again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from scepd.errors import Conflict, NotFound
from scepd.model import Activity, ResendPace


@dataclass
class FakeResending:
    """
    A ResendStore.

    :param failed: the failed assignments, host and profile; each that is sent again goes.
    :param others: assignments that did not fail.
    :param parked: assignments of hosts that are not enrolled.
    :param resent: host, profile and due time of each that was sent again.
    """

    failed: list[tuple[str, str]] = field(default_factory=list)
    others: set[tuple[str, str]] = field(default_factory=set)
    parked: set[tuple[str, str]] = field(default_factory=set)
    resent: list[tuple[str, str, datetime]] = field(default_factory=list)
    activities: list[Activity] = field(default_factory=list)

    async def resend(self, host_uuid: str, profile_uuid: str, activity: Activity) -> None:
        """
        As the port says.
        """
        key = (host_uuid, profile_uuid)
        if key in self.parked:
            raise Conflict("the host is not enrolled")
        if key not in {*self.failed, *self.others}:
            raise NotFound("there is none")
        self.resent.append((*key, activity.at))
        self.activities.append(activity)

    async def resend_failed(
        self, profile_uuid: str, pace: ResendPace, limit: int, activity: Activity | None
    ) -> int:
        """
        As the port says.
        """
        some = [key for key in self.failed if key[1] == profile_uuid][:limit]
        self.failed = [key for key in self.failed if key not in some]
        self.resent += [(*key, pace.due_at(index)) for index, key in enumerate(some)]
        if activity is not None:
            self.activities.append(activity)
        return len(some)

    async def count_failed(self, profile_uuid: str) -> int:
        """
        As the port says.
        """
        return sum(key[1] == profile_uuid for key in self.failed)
