"""
What a device answers to DeviceInformation.

Source: Apple's DeviceInformationCommand, ``QueryResponses``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from scepd.mdm.fields import text_of
from scepd.plist.values import PlistValue

DEVICE_INFORMATION = "DeviceInformation"
"""
RequestType of the command.
"""


@dataclass(frozen=True, slots=True)
class DeviceInformation:
    """
    What a device says that it is; empty: it was not asked, or does not say.

    :param platform: ``macos``, ``ios`` or ``ipados``.
    :param model: Apple's name of the model.
    """

    platform: str
    serial_number: str
    model: str
    os_version: str


def device_information_of(content: Mapping[str, PlistValue]) -> DeviceInformation:
    """
    Read a result.

    :param content: its property list.
    :returns: what is in it; odd values count as not given.
    """
    found = content.get("QueryResponses")
    root = found if isinstance(found, dict) else {}
    names = [text_of(root, key) for key in ("ProductName", "ModelName", "Model")]
    return DeviceInformation(
        platform_of(*names),
        text_of(root, "SerialNumber"),
        names[1] or names[0],
        text_of(root, "OSVersion"),
    )


def platform_of(*names: str) -> str:
    """
    Tell the platform by what a device calls itself.

    :param names: its product and model, such as ``iPad13,4`` or ``MacBook Pro``.
    :returns: ``macos``, ``ios`` or ``ipados``; empty when the names say nothing.
    """
    said = " ".join(names).lower()
    if "ipad" in said:
        return "ipados"
    if "iphone" in said or "ipod" in said:
        return "ios"
    return "macos" if "mac" in said else ""
