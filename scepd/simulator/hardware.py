"""
What a simulated device is.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hardware:
    """
    A device's names.

    :param udid: upper-case, as Apple's are.
    """

    udid: str
    serial_number: str
    name: str = "Simulated Mac"
    model: str = "Mac16,1"
    os_version: str = "15.1"

    @property
    def apple_variables(self) -> Mapping[str, str]:
        """
        The values of Apple's own variables in profiles, by name without the percent signs.
        """
        return {
            "SerialNumber": self.serial_number,
            "HardwareUUID": self.udid,
            "UDID": self.udid,
            "DeviceName": self.name,
            "ComputerName": self.name,
        }


def some_hardware(number: int = 0) -> Hardware:
    """
    A device that nobody else has; ``number`` shows in its serial number.
    """
    udid = str(uuid.uuid4()).upper()
    return Hardware(udid, f"SIM{udid[:6]}{number:03d}")
