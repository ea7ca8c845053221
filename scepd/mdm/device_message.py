"""
Whatever a device sends: a check-in message or the result of a command.

Both endpoints take both kinds, and the Content-Type says little: some devices leave it out.
"""

from __future__ import annotations

from scepd.errors import EncodingError, LimitExceeded
from scepd.mdm.checkin import LARGEST_CHECKIN, CheckInMessage, checkin_message
from scepd.mdm.identifiers import EnrollmentIdentifier, enrollment_of
from scepd.mdm.results import LARGEST_RESULT, CommandResult, ResultStatus, command_result
from scepd.plist.flat import read_flat_plist
from scepd.plist.reading import read_plist


def idle_device(body: bytes) -> EnrollmentIdentifier | None:
    """
    Read what a device sends most: that it is there and has nothing to report.

    :param body: any message.
    :returns: the device; None: it says something else, comes from a user of a device, or is to be
        read by :func:`parse_device_message`.
    """
    root = read_flat_plist(body)
    if root is None or root.get("Status") != ResultStatus.IDLE.value or "MessageType" in root:
        return None
    try:
        enrollment = enrollment_of(root)
    except EncodingError:
        return None
    return None if enrollment.is_user_channel else enrollment


def parse_device_message(body: bytes) -> CheckInMessage | CommandResult:
    """
    Read a message, after its signature was verified; what it holds decides what it is.

    :param body: a property list, XML or binary: at most 1 MiB with a ``MessageType``, at most
        8 MiB with a ``Status``.
    :returns: the message or the result.
    :raises EncodingError: not a property list, neither of the two, no device in it, a status that
        is not known, or a TokenUpdate without token or PushMagic.
    :raises LimitExceeded: too large, too deep, or too much in it.
    """
    root = read_plist(body, max_size=LARGEST_RESULT)
    if not isinstance(root, dict):
        raise EncodingError("the message is not a dictionary")
    if "MessageType" in root:
        if len(body) > LARGEST_CHECKIN:
            raise LimitExceeded(f"the check-in message is longer than {LARGEST_CHECKIN} bytes")
        return checkin_message(root)
    if "Status" in root:
        return command_result(root, body)
    raise EncodingError("the message has neither MessageType nor Status")
