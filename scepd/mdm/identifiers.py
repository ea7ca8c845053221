"""
Who sends a message: a device, a user of it, or a User Enrollment.

Source: Apple's check-in reference: ``UDID``, ``UserID``, ``EnrollmentID``, ``EnrollmentUserID``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from scepd.errors import EncodingError
from scepd.plist.values import PlistValue

_LONGEST = 128
# On a Shared iPad all users have this UserID, and only the short name tells them apart.
_SHARED_IPAD = "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"


class EnrollmentKind(Enum):
    """
    What an enrollment is of; the value is stored.
    """

    DEVICE = "device"
    USER = "user"
    """A user channel of a device."""
    USER_ENROLLMENT = "user-enrollment"
    """A device that its user owns: it has an EnrollmentID and hides its UDID."""
    USER_ENROLLMENT_USER = "user-enrollment-user"
    """A user channel of such a device."""


@dataclass(frozen=True, slots=True)
class EnrollmentIdentifier:
    """
    The name of an enrollment, and of the device that it is on.

    :param device: the UDID or EnrollmentID; it holds no colon.
    :param user: the UserID, EnrollmentUserID or, on a Shared iPad, short name; empty for the
        device itself.
    :param kind: what it is of.
    """

    device: str
    user: str
    kind: EnrollmentKind

    @property
    def text(self) -> str:
        """
        The id as it is stored: ``UDID``, ``UDID:UserID``, ``EnrollmentID[:EnrollmentUserID]``.
        """
        return f"{self.device}:{self.user}" if self.user else self.device

    @property
    def is_user_channel(self) -> bool:
        """
        Whether it is of a user and not of the device itself.
        """
        return bool(self.user)


def is_user_channel(enrollment_id: str) -> bool:
    """
    Tell what an enrollment is of by its id.

    :param enrollment_id: as :attr:`EnrollmentIdentifier.text`.
    :returns: whether it is of a user: the name of a device holds no colon.
    """
    return ":" in enrollment_id


def enrollment_of(root: Mapping[str, PlistValue]) -> EnrollmentIdentifier:
    """
    Read who sent a message.

    :param root: the message.
    :returns: the identifier; a UDID counts before an EnrollmentID.
    :raises EncodingError: neither of them, or one that is no printable text of 1 to 128 characters.
    """
    if udid := _name(root, "UDID"):
        user = _name(root, "UserID")
        if user.upper() == _SHARED_IPAD:
            user = _name(root, "UserShortName") or user
        return _identifier(udid, user, EnrollmentKind.DEVICE, EnrollmentKind.USER)
    return _identifier(
        _name(root, "EnrollmentID"),
        _name(root, "EnrollmentUserID"),
        EnrollmentKind.USER_ENROLLMENT,
        EnrollmentKind.USER_ENROLLMENT_USER,
    )


def _identifier(
    device: str, user: str, kind: EnrollmentKind, user_kind: EnrollmentKind
) -> EnrollmentIdentifier:
    if not device:
        raise EncodingError("the message names no device: it has neither UDID nor EnrollmentID")
    if ":" in device:
        # It would pass for the user channel of another device.
        raise EncodingError("the message's UDID or EnrollmentID holds a colon")
    return EnrollmentIdentifier(device, user, user_kind if user else kind)


def _name(root: Mapping[str, PlistValue], key: str) -> str:
    value = root.get(key, "")
    if not isinstance(value, str) or len(value) > _LONGEST or not value.isprintable():
        raise EncodingError(f"the message's {key} is not a text of at most {_LONGEST} characters")
    return value
