"""
What Apple's answers mean ("Handling notification responses from APNs").
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from scepd.apns.action import Action as Action
from scepd.apns.action import Alarm as Alarm
from scepd.apns.action import OutcomeKind as OutcomeKind

Level = Literal["debug", "info", "warn", "error", "critical"]
"""
Of the log line about an answer: ``error`` is for the operator to mend, ``critical`` is our bug.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """
    What is made of one reason.

    :param kind: what the sender of the push has to do.
    :param alarm: whether somebody should be woken, and when.
    """

    action: Action
    kind: OutcomeKind
    alarm: Alarm
    level: Level


_DONE = Row(Action.DONE, OutcomeKind.DONE, Alarm.NONE, "debug")
_DEAD = Row(Action.TOKEN_DEAD, OutcomeKind.TOKEN_DEAD, Alarm.NONE, "info")
_WRONG = Row(Action.TOKEN_WRONG, OutcomeKind.PERMANENT, Alarm.WRONG_TOKENS, "warn")
_OURS = Row(Action.OUR_FAULT, OutcomeKind.PERMANENT, Alarm.OUR_FAULT, "critical")
_UNKNOWN = Row(Action.UNKNOWN, OutcomeKind.PERMANENT, Alarm.NONE, "error")
_SUSPEND = Row(Action.SUSPEND, OutcomeKind.SUSPENDED, Alarm.CREDENTIAL, "error")
# When the new token is refused, too, or there is none: that is what is left.
_RENEW = Row(Action.RENEW_TOKEN, OutcomeKind.SUSPENDED, Alarm.NONE, "warn")
_DELAY = Row(Action.DELAY_DEVICE, OutcomeKind.RETRY, Alarm.NONE, "warn")
_BACK_OFF = Row(Action.BACK_OFF, OutcomeKind.RETRY, Alarm.NONE, "warn")
_RECONNECT = Row(Action.RECONNECT, OutcomeKind.RETRY, Alarm.NONE, "info")
_LATER = Row(Action.RECONNECT_LATER, OutcomeKind.RETRY, Alarm.NONE, "info")

ROWS: Mapping[tuple[int, str | None], Row] = {
    (200, None): _DONE,
    (400, "BadCollapseId"): _OURS,
    (400, "BadDeviceToken"): _WRONG,
    (400, "BadExpirationDate"): _OURS,
    (400, "BadMessageId"): _OURS,
    (400, "BadPriority"): _OURS,
    (400, "BadTopic"): _OURS,
    (400, "DeviceTokenNotForTopic"): _WRONG,
    (400, "DuplicateHeaders"): _OURS,
    (400, "IdleTimeout"): _RECONNECT,
    (400, "InvalidPushType"): _OURS,
    (400, "MissingDeviceToken"): _OURS,
    (400, "MissingTopic"): _OURS,
    (400, "PayloadEmpty"): _OURS,
    (400, "TopicDisallowed"): _SUSPEND,
    (403, "BadCertificate"): _SUSPEND,
    (403, "BadCertificateEnvironment"): _SUSPEND,
    (403, "BadEnvironmentKeyIdInToken"): _SUSPEND,
    (403, "ExpiredProviderToken"): _RENEW,
    (403, "Forbidden"): _SUSPEND,
    (403, "InvalidProviderToken"): _SUSPEND,
    (403, "MissingProviderToken"): _SUSPEND,
    # The connection remembers its first key; another one needs another connection.
    (403, "UnrelatedKeyIdInToken"): _RECONNECT,
    (403, None): _SUSPEND,
    (404, "BadPath"): _OURS,
    (404, None): _OURS,
    (405, "MethodNotAllowed"): _OURS,
    (405, None): _OURS,
    (410, "ExpiredToken"): _DEAD,
    (410, "Unregistered"): _DEAD,
    (413, "PayloadTooLarge"): _OURS,
    (413, None): _OURS,
    (429, "TooManyProviderTokenUpdates"): _BACK_OFF,
    (429, "TooManyRequests"): _DELAY,
    (429, None): _DELAY,
    (500, "InternalServerError"): _BACK_OFF,
    (503, "ServiceUnavailable"): _BACK_OFF,
    (503, "Shutdown"): _LATER,
}
"""
Status and reason → what is made of it; None: of all other reasons of this status, and of none.
"""

_OUR_PREFIXES = ("Bad", "Missing")


def row_of(status: int, reason: str | None) -> Row:
    """
    What is made of an answer, of those too that Apple does not document.

    :param status: the HTTP status.
    :param reason: from the body, when there was one.
    """
    found = ROWS.get((status, reason)) or ROWS.get((status, None))
    if found is not None:
        return found
    if status == 400 and reason is not None and reason.startswith(_OUR_PREFIXES):
        return _OURS
    return _BACK_OFF if 500 <= status <= 599 else _UNKNOWN


def action_of(status: int, reason: str | None) -> Action:
    """
    What an answer asks of us.

    :param status: the HTTP status.
    :param reason: from the body, when there was one.
    """
    return row_of(status, reason).action


def suspends(reason: str | None) -> bool:
    """
    Whether a reason that closed a whole connection says that our credential is refused.
    """
    return reason is not None and reason in _CREDENTIAL_REASONS


_CREDENTIAL_REASONS = frozenset(
    reason for (_, reason), row in ROWS.items() if row.action is Action.SUSPEND and reason
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
