"""
Deliveries that operators want tried again: one, or all of a profile that failed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from scepd.errors import Conflict, Fault, InvalidInput, NotFound
from scepd.model import Activity, ResendPace
from scepd.ports import ResendStore
from scepd.services.clock import utc_now

MOST_PER_HOUR = 1_000_000
"""
The fastest rate that can be asked for.
"""

# So many hold the database for about a twentieth of a second.
_BATCH = 500

_log = Logger()


@dataclass(frozen=True, slots=True)
class Resent:
    """
    What became of a wish to send again all that failed of a profile.

    :param count: the assignments that are sent again.
    :param last_due: when the last of them is due; None: there was none.
    """

    count: int
    last_due: datetime | None


class Resending:
    """
    Sends deliveries again.
    """

    def __init__(self, store: ResendStore, clock: IReactorTime) -> None:
        self._store = store
        self._clock = clock

    async def resend(self, host_uuid: str, profile_uuid: str, actor: str) -> None:
        """
        Deliver a profile to a host (or remove it) again, whatever came of it before; the next tick
        does it.

        :param actor: the name of the API token that asks for it.
        :raises NotFound: the host neither has, nor should have, that profile.
        :raises Conflict: the host is not enrolled, or its user is not.
        """
        subject = f"{host_uuid}/{profile_uuid}"
        activity = Activity(utc_now(self._clock), actor, "re-sent profile", subject)
        try:
            await self._store.resend(host_uuid, profile_uuid, activity)
        except NotFound:
            raise NotFound("The host neither has nor should have a profile of this uuid.") from None
        except Conflict as conflict:
            raise Conflict(f"It can't be delivered before this changes: {conflict}.") from None
        _log.info(
            "{actor} had profile {profile} sent to host {host} again",
            actor=actor,
            profile=profile_uuid,
            host=host_uuid,
        )

    async def resend_failed(self, profile_uuid: str, per_hour: int | None, actor: str) -> Resent:
        """
        Deliver a profile again to every enrolled host where it failed, or remove it from there.

        What was done stays when this is cut off: the rest is still failed, and can be sent again.

        :param per_hour: how many are due in an hour; None: all at once, as fast as deliveries go.
        :param actor: the name of the API token that asks for it.
        :raises InvalidInput: the rate.
        """
        now = utc_now(self._clock)
        pace = ResendPace(now, _pause(per_hour))
        activity: Activity | None = Activity(now, actor, "re-sent failed profile", profile_uuid)
        count, found = 0, _BATCH
        # Not more than failed by now: what fails again meanwhile waits for another wish.
        left = await self._store.count_failed(profile_uuid)
        while left > 0 and found == _BATCH:
            found = await self._store.resend_failed(
                profile_uuid, pace.after(count), min(left, _BATCH), activity
            )
            activity = None
            count, left = count + found, left - found
        _log.info(
            "{actor} had the {count} failed deliveries of profile {profile} sent again",
            actor=actor,
            count=count,
            profile=profile_uuid,
        )
        return Resent(count, pace.due_at(count - 1) if count else None)


def _pause(per_hour: int | None) -> timedelta:
    if per_hour is None:
        return timedelta()
    if not 1 <= per_hour <= MOST_PER_HOUR:
        raise InvalidInput((Fault("per_hour", f"1 to {MOST_PER_HOUR} are allowed."),))
    return timedelta(hours=1) / per_hour
