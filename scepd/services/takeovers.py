"""
Enrollments of devices that are enrolled already: operators are told of each, tried or done.
"""

from __future__ import annotations

from collections import OrderedDict

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from scepd.model import Activity, Enrollment, KnownIdentity
from scepd.ports import CheckInStore
from scepd.services.clock import utc_now

_ACTOR = "scepd"
_PAUSE = 3600.0
_MOST = 1_000

_log = Logger()


class Takeovers:
    """
    Tells of them; of those that were refused once an hour for each device, so that whoever tries
    again and again fills no database.
    """

    def __init__(self, store: CheckInStore, clock: IReactorTime) -> None:
        self._store = store
        self._clock = clock
        self._told: OrderedDict[str, float] = OrderedDict()

    def done(self, host_uuid: str) -> Activity:
        """
        The activity of an enrollment that takes the place of an enabled one, to be stored with it.
        """
        return Activity(utc_now(self._clock), _ACTOR, "enrolled again while enrolled", host_uuid)

    async def refused(self, enrollment: Enrollment, identity: KnownIdentity) -> None:
        """
        Tell of one that its token does not allow.

        :param enrollment: the one whose place it would have taken.
        :raises StorageUnavailable: nobody was told.
        """
        _log.warn(
            "Refused to enroll {enrollment} again: its enrollment token does not allow it",
            enrollment=enrollment.id,
            host=enrollment.host_uuid,
            identity=identity.certificate_sha256,
        )
        now = self._clock.seconds()
        if now < self._told.get(enrollment.id, 0.0):
            return
        activity = Activity(
            utc_now(self._clock), _ACTOR, "refused to enroll again", enrollment.host_uuid
        )
        await self._store.tell(activity)
        if len(self._told) >= _MOST:
            # The oldest is first: each is put at the end when it is told of.
            self._told.popitem(last=False)
        self._told.pop(enrollment.id, None)
        self._told[enrollment.id] = now + _PAUSE
