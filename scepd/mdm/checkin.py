"""
Check-in messages: what a device says of its enrollment.

Source: Apple's MDM reference, "Check-in". All of them are read liberally: a device that leaves
out its model or version is welcome.
"""

from __future__ import annotations

import plistlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from scepd.errors import EncodingError, LimitExceeded
from scepd.mdm.fields import data_of, flag_of, text_of
from scepd.mdm.identifiers import EnrollmentIdentifier, enrollment_of
from scepd.plist.values import PlistValue

LARGEST_CHECKIN = 1024 * 1024
"""
Bytes of a check-in message.
"""
_LONGEST_TOKEN = 1024


@dataclass(frozen=True, slots=True)
class Authenticate:
    """
    A device begins an enrollment, or goes on with it under a new identity.

    Every text but the enrollment is empty when the device did not give it.

    :param topic: the push topic of the enrollment profile.
    :param model: such as ``MacBookPro18,3``, or the marketing number.
    :param model_name: such as ``MacBook Pro``.
    :param product_name: such as ``Mac14,7`` or ``iPhone12,1``.
    """

    enrollment: EnrollmentIdentifier
    topic: str
    serial_number: str
    device_name: str
    model: str
    model_name: str
    product_name: str
    os_version: str
    build_version: str


@dataclass(frozen=True, slots=True)
class TokenUpdate:
    """
    An enrollment can be pushed to from now on.

    :param topic: the push topic; empty when not given.
    :param token: the push token, of any length up to 1024 octets.
    :param push_magic: goes into every push.
    :param unlock_token: clears the passcode of an iPhone or iPad.
    :param awaiting_configuration: the device waits in its setup assistant.
    :param not_on_console: the user of this channel is not the one in front of the screen.
    :param user_short_name: of a user channel; empty when not given.
    """

    enrollment: EnrollmentIdentifier
    topic: str
    token: bytes = field(repr=False)
    push_magic: str = field(repr=False)
    unlock_token: bytes | None = field(repr=False)
    awaiting_configuration: bool
    not_on_console: bool
    user_short_name: str


@dataclass(frozen=True, slots=True)
class CheckOut:
    """
    An enrollment ends: its profile was removed.
    """

    enrollment: EnrollmentIdentifier
    topic: str


@dataclass(frozen=True, slots=True)
class SetBootstrapToken:
    """
    A Mac hands over its bootstrap token.

    :param bootstrap_token: None: the one that was handed over before is void.
    """

    enrollment: EnrollmentIdentifier
    bootstrap_token: bytes | None = field(repr=False)


def bootstrap_token_answer(token: bytes) -> bytes:
    """
    Make the answer to a GetBootstrapToken.

    :param token: as the Mac handed it over; of no length when there is none.
    :returns: a property list in XML.
    """
    return plistlib.dumps({"BootstrapToken": token})


@dataclass(frozen=True, slots=True)
class GetBootstrapToken:
    """
    A Mac wants its bootstrap token back.
    """

    enrollment: EnrollmentIdentifier


@dataclass(frozen=True, slots=True)
class UserAuthenticate:
    """
    A user of a Mac wants a channel of their own.

    :param digest_response: the answer to a digest challenge; empty in the first message.
    """

    enrollment: EnrollmentIdentifier
    digest_response: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class DeclarativeManagement:
    """
    A message of declarative management.

    :param endpoint: such as ``tokens`` or ``status``.
    :param data: JSON, if any.
    """

    enrollment: EnrollmentIdentifier
    endpoint: str
    data: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class GetToken:
    """
    A device wants a token for a service of Apple's.

    :param service_type: ``TokenServiceType``, such as ``com.apple.maid``.
    """

    enrollment: EnrollmentIdentifier
    service_type: str


@dataclass(frozen=True, slots=True)
class UnknownMessage:
    """
    A check-in message that is not known here.

    :param message_type: what it calls itself, at most 255 printable characters.
    """

    message_type: str


CheckInMessage: TypeAlias = (
    Authenticate
    | TokenUpdate
    | CheckOut
    | SetBootstrapToken
    | GetBootstrapToken
    | UserAuthenticate
    | DeclarativeManagement
    | GetToken
    | UnknownMessage
)
"""
Any check-in message.
"""


def checkin_message(root: Mapping[str, PlistValue]) -> CheckInMessage:
    """
    Read a check-in message that was taken out of its property list.

    :param root: the message, with a ``MessageType``.
    :returns: the message; UnknownMessage for a type that is not known here.
    :raises EncodingError: it names no device, or is a TokenUpdate without token or PushMagic.
    :raises LimitExceeded: a push token or PushMagic above 1024 octets or characters.
    """
    message_type = text_of(root, "MessageType")
    reader = _READERS.get(message_type)
    return UnknownMessage(message_type) if reader is None else reader(root, enrollment_of(root))


def _authenticate(
    root: Mapping[str, PlistValue], enrollment: EnrollmentIdentifier
) -> CheckInMessage:
    return Authenticate(
        enrollment,
        topic=text_of(root, "Topic"),
        serial_number=text_of(root, "SerialNumber"),
        device_name=text_of(root, "DeviceName"),
        model=text_of(root, "Model"),
        model_name=text_of(root, "ModelName"),
        product_name=text_of(root, "ProductName"),
        os_version=text_of(root, "OSVersion"),
        build_version=text_of(root, "BuildVersion"),
    )


def _token_update(
    root: Mapping[str, PlistValue], enrollment: EnrollmentIdentifier
) -> CheckInMessage:
    token, magic = data_of(root, "Token"), root.get("PushMagic")
    if token is None or not isinstance(magic, str) or not magic:
        raise EncodingError("the TokenUpdate has no Token or no PushMagic")
    if max(len(token), len(magic)) > _LONGEST_TOKEN:
        raise LimitExceeded(f"the TokenUpdate's Token or PushMagic is longer than {_LONGEST_TOKEN}")
    return TokenUpdate(
        enrollment,
        topic=text_of(root, "Topic"),
        token=token,
        push_magic=magic,
        unlock_token=data_of(root, "UnlockToken"),
        awaiting_configuration=flag_of(root, "AwaitingConfiguration"),
        not_on_console=flag_of(root, "NotOnConsole"),
        user_short_name=text_of(root, "UserShortName"),
    )


_Reader: TypeAlias = Callable[[Mapping[str, PlistValue], EnrollmentIdentifier], CheckInMessage]

_READERS: Mapping[str, _Reader] = {
    "Authenticate": _authenticate,
    "TokenUpdate": _token_update,
    "CheckOut": lambda root, who: CheckOut(who, text_of(root, "Topic")),
    "SetBootstrapToken": lambda root, who: SetBootstrapToken(who, data_of(root, "BootstrapToken")),
    "GetBootstrapToken": lambda root, who: GetBootstrapToken(who),
    "UserAuthenticate": lambda root, who: UserAuthenticate(who, text_of(root, "DigestResponse")),
    "DeclarativeManagement": lambda root, who: DeclarativeManagement(
        who, text_of(root, "Endpoint"), data_of(root, "Data")
    ),
    "GetToken": lambda root, who: GetToken(who, text_of(root, "TokenServiceType")),
}
