"""
An inventory of a host, whichever way it came.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from scepd.profiles.certificate_candidates import CandidateCertificate
from scepd.services.inventory_schedule import MDM

ProfileDates = Sequence[tuple[str, datetime | None]]
"""
Identifier and time of installation, by the device's clock (None: not told), of some profiles.
"""


@dataclass(frozen=True, slots=True)
class Inventory:
    """
    What a host says that it has.

    :param profiles: those of the device; None: this is no inventory of profiles, which is not the
        same as an empty one.
    :param certificates: each; None likewise.
    :param source: ``osquery`` or ``MDM``.
    :param user_profiles: those of the device's users; None likewise.
    :param user_channel: the enrollment of the one user who listed them; None: they are all users'.
    :param unreadable: how many certificates were left out as they can't be read.
    """

    profiles: ProfileDates | None
    certificates: Sequence[CandidateCertificate] | None
    source: str
    user_profiles: ProfileDates | None = None
    user_channel: str | None = None
    unreadable: int = 0

    @property
    def is_exact(self) -> bool:
        """
        Whether it is the device's own word, with whole certificates.
        """
        return self.source == MDM

    @property
    def shown(self) -> frozenset[str] | None:
        """
        SHA-1 of each certificate; None: these are not all that it has.
        """
        if self.certificates is None or self.unreadable:
            return None
        return frozenset(each.sha1 for each in self.certificates)

    def profiles_of(
        self, scope: str, platform: str, enrollment_id: str | None = None
    ) -> ProfileDates | None:
        """
        The profiles among which one of that scope is to be found; None: that is not known.

        :param scope: PayloadScope, ``System`` or ``User``.
        :param platform: of the host; only Macs keep the profiles of users apart.
        :param enrollment_id: by which it went; None: whichever.
        """
        if scope != "User" or platform != "macos":
            return self.profiles
        if None not in (self.user_channel, enrollment_id) and self.user_channel != enrollment_id:
            # What one user has says nothing of another one.
            return None
        return self.user_profiles
