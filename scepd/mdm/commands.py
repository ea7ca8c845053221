"""
Commands for a device: property lists with a ``CommandUUID`` and a ``Command``.

Source: Apple's MDM reference, "Commands and queries".
"""

from __future__ import annotations

import plistlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from scepd.errors import EncodingError
from scepd.mdm.fields import data_of, text_of
from scepd.plist.reading import read_plist
from scepd.plist.values import PlistValue

INSTALL_PROFILE = "InstallProfile"
REMOVE_PROFILE = "RemoveProfile"
PROFILE_LIST = "ProfileList"
CERTIFICATE_LIST = "CertificateList"
DEVICE_INFORMATION = "DeviceInformation"

DEVICE_INFORMATION_QUERIES = (
    "UDID",
    "SerialNumber",
    "DeviceName",
    "OSVersion",
    "BuildVersion",
    "ModelName",
    "Model",
    "ProductName",
)
"""
What a DeviceInformation asks for when nothing else is said.
"""
_LARGEST_COMMAND = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Command:
    """
    A command as the device finds it.

    :param uuid: CommandUUID.
    :param request_type: such as ``InstallProfile``.
    :param content: the ``Command`` dictionary; it can hold secrets.
    """

    uuid: str
    request_type: str
    content: Mapping[str, PlistValue] = field(repr=False)

    @property
    def payload(self) -> bytes | None:
        """
        The profile of an InstallProfile.
        """
        return data_of(self.content, "Payload")

    @property
    def identifier(self) -> str:
        """
        The PayloadIdentifier of a RemoveProfile; empty in other commands.
        """
        return text_of(self.content, "Identifier")

    @property
    def queries(self) -> tuple[str, ...]:
        """
        What a DeviceInformation asks for.
        """
        asked = self.content.get("Queries")
        return tuple(q for q in asked if isinstance(q, str)) if isinstance(asked, list) else ()


def install_profile(command_uuid: str, payload: bytes) -> bytes:
    """
    Make an InstallProfile.

    :param command_uuid: comes back in the result.
    :param payload: the profile, signed or not.
    :returns: the command in XML.
    """
    return _command(command_uuid, INSTALL_PROFILE, {"Payload": payload})


def remove_profile(command_uuid: str, identifier: str) -> bytes:
    """
    Make a RemoveProfile.

    :param command_uuid: comes back in the result.
    :param identifier: the profile's PayloadIdentifier.
    :returns: the command in XML.
    """
    return _command(command_uuid, REMOVE_PROFILE, {"Identifier": identifier})


def profile_list(command_uuid: str) -> bytes:
    """
    Make a ProfileList, which asks for all profiles and not only for those of MDM.

    :param command_uuid: comes back in the result.
    :returns: the command in XML.
    """
    return _command(command_uuid, PROFILE_LIST, {})


def certificate_list(command_uuid: str) -> bytes:
    """
    Make a CertificateList, which asks for all certificates and not only for those of MDM.

    :param command_uuid: comes back in the result.
    :returns: the command in XML.
    """
    return _command(command_uuid, CERTIFICATE_LIST, {})


def device_information(
    command_uuid: str, queries: Sequence[str] = DEVICE_INFORMATION_QUERIES
) -> bytes:
    """
    Make a DeviceInformation.

    :param command_uuid: comes back in the result.
    :param queries: what to ask for, in Apple's words.
    :returns: the command in XML.
    """
    return _command(command_uuid, DEVICE_INFORMATION, {"Queries": list(queries)})


def raw_command(command_uuid: str, body: bytes) -> bytes:
    """
    Make a command of what an operator wrote.

    :param command_uuid: comes back in the result; takes the place of the one that was written.
    :param body: a property list, XML or binary: a whole command, or what stands in its ``Command``.
    :returns: the command in XML; ``parse_command`` tells its request type.
    :raises EncodingError: not a property list, or one without a ``RequestType``.
    :raises LimitExceeded: above 1 MiB, too deep, or too much in it.
    """
    root = read_plist(body)
    if not isinstance(root, dict):
        raise EncodingError("the command is not a dictionary")
    whole = root if "Command" in root else {"Command": root}
    _request_type(whole)
    # What else stands beside the Command, such as RequestRequiresNetworkTether, stays.
    return _dumped({**whole, "CommandUUID": command_uuid})


def parse_command(body: bytes) -> Command:
    """
    Read a command, as a device does.

    :param body: a property list, XML or binary; at most 32 MiB.
    :returns: the command.
    :raises EncodingError: not a property list, or one without ``CommandUUID`` or ``RequestType``.
    :raises LimitExceeded: too large, too deep, or too much in it.
    """
    root = read_plist(body, max_size=_LARGEST_COMMAND)
    if not isinstance(root, dict):
        raise EncodingError("the command is not a dictionary")
    uuid = text_of(root, "CommandUUID")
    if not uuid:
        raise EncodingError("the command has no CommandUUID")
    request_type, content = _request_type(root)
    return Command(uuid, request_type, content)


def _request_type(root: Mapping[str, PlistValue]) -> tuple[str, Mapping[str, PlistValue]]:
    content = root.get("Command")
    if isinstance(content, dict) and (request_type := text_of(content, "RequestType")):
        return request_type, content
    raise EncodingError("the command has no RequestType")


def _command(command_uuid: str, request_type: str, content: Mapping[str, PlistValue]) -> bytes:
    return _dumped(
        {"CommandUUID": command_uuid, "Command": {"RequestType": request_type, **content}}
    )


def _dumped(root: dict[str, PlistValue]) -> bytes:
    try:
        return plistlib.dumps(_writable(root), sort_keys=False)
    except ValueError:
        raise EncodingError("the command holds characters that XML can't carry") from None


def _writable(value: PlistValue) -> PlistValue:
    """
    Take the time zone off dates: plistlib writes them without one, and means UTC.
    """
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None)
    if isinstance(value, list):
        return [_writable(item) for item in value]
    if isinstance(value, dict):
        return {key: _writable(item) for key, item in value.items()}
    return value
