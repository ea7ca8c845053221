"""
What a simulated device of the lifecycle's tests really has.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from scepd.profiles.certificate_candidates import CandidateCertificate
from tests.support.lifecycle_world import Offer


class Device:
    """
    A device and its users, each with profiles of their own; those of user "" are the device's.

    :ivar asked: the commands that it got, and did not answer finally; the newest last.
    """

    def __init__(self) -> None:
        self.certificates: list[CandidateCertificate] = []
        self.asked: list[Offer] = []
        self._installed: dict[str, dict[str, datetime]] = defaultdict(dict)
        self._received: dict[str, int] = {}
        self._offers = 0
        self._dealt_with: dict[tuple[str, str], int] = {}
        self._begun: dict[str, int] = defaultdict(int)

    def receive(self, offer: Offer) -> None:
        """
        Get a command.
        """
        self.asked.append(offer)
        self._offers += 1
        self._received[offer.uuid] = self._offers

    def deal_with(self, offer: Offer) -> bool:
        """
        Do a command, or not.

        :returns: False when it is too late: whom it was for is gone, or a newer one for the same
            profile was dealt with, and a device does one command after the other, though its
            answers may come in any order.
        """
        key, received = (offer.user, offer.identifier), self._received[offer.uuid]
        if received < max(self._dealt_with.get(key, 0), self._begun[offer.user] + 1):
            return False
        self._dealt_with[key] = received
        return True

    def wipe(self) -> None:
        """
        Nothing is left of what the server gave; commands may still be answered, too late.
        """
        self.certificates.clear()
        for user in ("", *self._installed):
            self.forget(user)

    def forget(self, user: str) -> None:
        """
        A user is gone, with what they had.
        """
        self._installed[user].clear()
        self._begun[user] = self._offers

    def do(self, offer: Offer, now: datetime) -> None:
        """
        Carry a command out.
        """
        if offer.request_type == "InstallProfile":
            self._installed[offer.user][offer.identifier] = now
        else:
            self._installed[offer.user].pop(offer.identifier, None)

    def lose(self, identifier: str) -> None:
        """
        A profile is taken away by hand.
        """
        for profiles in self._installed.values():
            profiles.pop(identifier, None)

    def installed_at(self, identifier: str) -> datetime | None:
        """
        When it installed a profile, for whomever; None: it has none.
        """
        times = [had[identifier] for had in self._installed.values() if identifier in had]
        return max(times, default=None)

    def has(self, offer: Offer) -> bool:
        """
        Whether the profile of a command is there.
        """
        return offer.identifier in self._installed[offer.user]

    def has_installed(self, identifier: str, user: str) -> bool:
        """
        Whether a profile is there for that user.
        """
        return identifier in self._installed[user]

    def profiles(self, user: str = "") -> Sequence[tuple[str, datetime]]:
        """
        What is installed for the device itself, or for a user, and since when.
        """
        return list(self._installed[user].items())

    def user_profiles(self) -> Sequence[tuple[str, datetime]]:
        """
        What is installed for its users.
        """
        of_users = [had for user, had in self._installed.items() if user]
        return [one for had in of_users for one in had.items()]
