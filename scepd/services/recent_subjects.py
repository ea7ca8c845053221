"""
The subjects that were found to be assigned a moment ago.
"""

from __future__ import annotations

from collections import OrderedDict

from twisted.internet.interfaces import IReactorTime

from scepd.ports import Subject

_SECONDS = 30.0
_MOST = 10_000


class RecentSubjects:
    """
    Remembers them for 30 seconds, so that a device's second question needs no look at the database.

    It is for what is public anyway: a PKIOperation is let through by its window alone.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._until: OrderedDict[Subject, float] = OrderedDict()

    def __contains__(self, subject: Subject) -> bool:
        until = self._until.get(subject)
        if until is None:
            return False
        if self._clock.seconds() < until:
            return True
        del self._until[subject]
        return False

    def add(self, subject: Subject) -> None:
        """
        It was found to be assigned.
        """
        if len(self._until) >= _MOST:
            # The oldest is first: each is put at the end when it is added.
            self._until.popitem(last=False)
        self._until.pop(subject, None)
        self._until[subject] = self._clock.seconds() + _SECONDS
