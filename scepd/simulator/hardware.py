"""
What a simulated device is.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Hardware:
    """
    A device's names.

    :param udid: upper-case, as Apple's are.
    :param serial_number: of the device.
    :param name: that its user gave it.
    :param model: such as ``Mac16,1``; it is the ProductName too.
    :param os_version: such as ``15.1``.
    :param model_name: such as ``MacBook Pro``.
    :param build_version: of the operating system.
    """

    udid: str
    serial_number: str
    name: str = "Simulated Mac"
    model: str = "Mac16,1"
    os_version: str = "15.1"
    model_name: str = "MacBook Pro"
    build_version: str = "24B83"

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

    @property
    def facts(self) -> Mapping[str, str]:
        """
        What the device tells of itself, in the words of Authenticate and DeviceInformation.
        """
        return {
            "UDID": self.udid,
            "SerialNumber": self.serial_number,
            "DeviceName": self.name,
            "Model": self.model,
            "ModelName": self.model_name,
            "ProductName": self.model,
            "OSVersion": self.os_version,
            "BuildVersion": self.build_version,
        }


def some_hardware(number: int = 0) -> Hardware:
    """
    Make up a device that nobody else has.

    :param number: shows in its serial number.
    :returns: the device.
    """
    udid = str(uuid.uuid4()).upper()
    return Hardware(udid, f"SIM{udid[:6]}{number:03d}")


def some_phone(number: int = 0) -> Hardware:
    """
    Make up an iPhone, which has no osquery agent.

    :param number: shows in its serial number.
    :returns: the device.
    """
    mac = some_hardware(number)
    model = {"model": "iPhone16,2", "model_name": "iPhone", "build_version": "22B83"}
    return replace(mac, name="Simulated iPhone", os_version="18.1", **model)
