"""
What Apple's answers mean ("Handling notification responses from APNs").
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import Enum


class Action(Enum):
    """
    What an answer asks of us.
    """

    DONE = "done"
    TOKEN_DEAD = "token-dead"
    """
    The token is dead unless the device told us of a newer one after the answer's timestamp.
    """
    TOKEN_WRONG = "token-wrong"
    """
    Permanent for this token; for many at once: wrong environment, or a replaced certificate.
    """
    OUR_FAULT = "our-fault"
    """
    The request was wrong; sending it again does not help.
    """
    UNKNOWN = "unknown"
    """
    Not in Apple's documents: no retry, for the operator to see.
    """
    SUSPEND = "suspend"
    """
    The credential is refused: send nothing more until it changes.
    """
    RENEW_TOKEN = "renew-token"
    """
    The provider token ran out: a new one, on a new connection.
    """
    DELAY_DEVICE = "delay-device"
    """
    Too many for this device: only its pushes wait.
    """
    BACK_OFF = "back-off"
    RECONNECT = "reconnect"
    """
    Again, on a new connection.
    """
    RECONNECT_LATER = "reconnect-later"
    """
    A new connection, and back off.
    """


_BY_REASON = {
    (410, "Unregistered"): Action.TOKEN_DEAD,
    (410, "ExpiredToken"): Action.TOKEN_DEAD,
    (400, "BadDeviceToken"): Action.TOKEN_WRONG,
    (400, "DeviceTokenNotForTopic"): Action.TOKEN_WRONG,
    (400, "TopicDisallowed"): Action.SUSPEND,
    (400, "IdleTimeout"): Action.RECONNECT,
    (400, "DuplicateHeaders"): Action.OUR_FAULT,
    (400, "InvalidPushType"): Action.OUR_FAULT,
    (400, "PayloadEmpty"): Action.OUR_FAULT,
    (403, "ExpiredProviderToken"): Action.RENEW_TOKEN,
    (429, "TooManyProviderTokenUpdates"): Action.BACK_OFF,
    (503, "Shutdown"): Action.RECONNECT_LATER,
}
_BY_STATUS = {
    200: Action.DONE,
    403: Action.SUSPEND,
    404: Action.OUR_FAULT,
    405: Action.OUR_FAULT,
    413: Action.OUR_FAULT,
    429: Action.DELAY_DEVICE,
}
_OURS = ("Bad", "Missing")


def action_of(status: int, reason: str | None) -> Action:
    """
    What an answer asks of us.

    :param status: the HTTP status.
    :param reason: from the body, when there was one.
    """
    if reason is not None and (status, reason) in _BY_REASON:
        return _BY_REASON[status, reason]
    if status == 400 and reason is not None and reason.startswith(_OURS):
        return Action.OUR_FAULT
    if 500 <= status <= 599:
        return Action.BACK_OFF
    return _BY_STATUS.get(status, Action.UNKNOWN)


def suspends(reason: str | None) -> bool:
    """
    Whether a reason that closed a whole connection says that our credential is refused.
    """
    return reason is not None and reason in _CREDENTIAL_REASONS


_CREDENTIAL_REASONS = frozenset(
    ("BadCertificate", "BadCertificateEnvironment", "Forbidden", "TopicDisallowed")
)
_LONGEST_REASON = 64


def parse_body(body: bytes) -> tuple[str | None, datetime | None]:
    """
    Read the body of an answer.

    :param body: a JSON object, or anything: it comes from outside.
    :returns: (reason, timestamp); the timestamp, which Apple sends in milliseconds, says when the
        token died.
    """
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return None, None
    if not isinstance(content, dict):
        return None, None
    return _reason(content.get("reason")), _timestamp(content.get("timestamp"))


def _reason(value: object) -> str | None:
    # It goes into logs and metrics: one word, as all of Apple's are.
    if isinstance(value, str) and value.isascii() and value.isalnum():
        return value[:_LONGEST_REASON]
    return None


def _timestamp(value: object) -> datetime | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    try:
        return datetime.fromtimestamp(value / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
