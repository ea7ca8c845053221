"""
What became of a push, and when it may be sent again.
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import NamedTuple

from scepd.apns.action import Action
from scepd.apns.action import OutcomeKind as OutcomeKind
from scepd.apns.events import PushAnswered
from scepd.apns.reasons import row_of
from scepd.apns.retry import DEVICE_DELAY, SERVER_FAILURE, UNKNOWN_FATE, Random


class GatewayState(Enum):
    """
    How we stand with Apple's push service; the value is a metric label.
    """

    DISCONNECTED = "disconnected"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    SUSPENDED = "suspended"
    CLOSED = "closed"


class PushOutcome(NamedTuple):
    """
    What became of a push; a tuple, since one is made for each push.

    :param status: Apple's HTTP status; None: no answer.
    :param reason: Apple's word, or a sentence of ours; empty when done.
    :param apns_id: by which Apple knows the push.
    :param retry_after: seconds, for RETRY.
    :param timestamp: when the token died, for TOKEN_DEAD (aware); None: Apple did not say.
    :param sent: whether Apple may have seen it; False: it surely did not, so this was no attempt.
    """

    kind: OutcomeKind
    status: int | None = None
    reason: str = ""
    apns_id: str | None = None
    retry_after: float = 0.0
    timestamp: datetime | None = None
    sent: bool = True


_DELAYS = {
    Action.DELAY_DEVICE: DEVICE_DELAY,
    Action.BACK_OFF: SERVER_FAILURE,
    Action.RECONNECT: UNKNOWN_FATE,
    Action.RECONNECT_LATER: SERVER_FAILURE,
}


def answered(answer: PushAnswered, apns_id: str, attempt: int, random: Random) -> PushOutcome:
    """
    The outcome of a push that was answered.

    :param apns_id: the push's own, if the answer has none.
    :param attempt: how often the push was sent before.
    """
    row = row_of(answer.status, answer.reason)
    delay = _DELAYS[row.action].delay(attempt, random) if row.action in _DELAYS else 0.0
    return PushOutcome(
        row.kind,
        answer.status,
        answer.reason or "",
        answer.apns_id or apns_id,
        delay,
        answer.timestamp,
    )


def lost(complaint: str, apns_id: str, attempt: int, random: Random) -> PushOutcome:
    """
    The outcome of a push of which Apple may or may not have heard.
    """
    delay = UNKNOWN_FATE.delay(attempt, random)
    return PushOutcome(OutcomeKind.RETRY, None, complaint, apns_id, delay)


def unsent(reason: str, random: Random) -> PushOutcome:
    """
    The outcome of a push of which Apple surely has not heard.
    """
    delay = UNKNOWN_FATE.delay(0, random)
    return PushOutcome(OutcomeKind.RETRY, reason=reason, retry_after=delay, sent=False)


def suspended(reason: str) -> PushOutcome:
    """
    The outcome of a push that has to wait for another certificate.
    """
    return PushOutcome(OutcomeKind.SUSPENDED, reason=reason, sent=False)
