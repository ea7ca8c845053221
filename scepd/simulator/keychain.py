"""
What a simulated device holds: installed profiles, and the identities that came with them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from scepd.simulator.identity import Identity


@dataclass(frozen=True, slots=True)
class InstalledProfile:
    """
    A profile on the device.

    :param identifier: PayloadIdentifier.
    :param display_name: PayloadDisplayName.
    :param installed_at: aware.
    :param identities: of its SCEP payloads.
    :param uuid: PayloadUUID; may be empty.
    """

    identifier: str
    display_name: str
    installed_at: datetime
    identities: tuple[Identity, ...] = ()
    uuid: str = ""


@dataclass(slots=True)
class Keychain:
    """
    The profiles by their identifiers, and every identity that came with one, newest last.

    A profile that is installed again replaces its predecessor, whose certificate stays for a while
    on real devices too.
    """

    profiles: dict[str, InstalledProfile] = field(default_factory=dict)
    identities: list[Identity] = field(default_factory=list)

    def install(self, profile: InstalledProfile) -> None:
        """
        Put a profile there, in place of one of the same identifier.

        :param profile: with its identities.
        """
        self.profiles[profile.identifier] = profile
        self.identities += profile.identities

    def remove(self, identifier: str) -> bool:
        """
        Remove a profile and its identities.

        :param identifier: PayloadIdentifier.
        :returns: False when there is none.
        """
        gone = self.profiles.pop(identifier, None)
        if gone is None:
            return False
        self.identities = [held for held in self.identities if held not in gone.identities]
        return True
