"""
What an answer of Apple's push service asks of us, and what it means to the sender of a push.
"""

from __future__ import annotations

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


class OutcomeKind(Enum):
    """
    What the sender of a push has to do next; the value is a metric label.
    """

    DONE = "done"
    """
    Apple took it, which is not delivery: repeat it while the device stays silent.
    """
    TOKEN_DEAD = "token-dead"
    """
    Push no more, unless the device sent a TokenUpdate after the outcome's timestamp.
    """
    PERMANENT = "permanent"
    """
    The same push will fail again.
    """
    SUSPENDED = "suspended"
    """
    Nothing can be pushed until the push certificate changes.
    """
    RETRY = "retry"
    """
    Send it again, with the same apns-id, after ``retry_after``.
    """


class Alarm(Enum):
    """
    What an operator should be woken for; the value is a word for logs.
    """

    NONE = "none"
    WRONG_TOKENS = "wrong-tokens"
    """
    Only when a large share of the answers says so: see :mod:`scepd.apns.wrong_tokens`.
    """
    CREDENTIAL = "credential"
    """
    At once: nothing can be pushed.
    """
    OUR_FAULT = "our-fault"
    """
    At once: scepd asked for something wrong, and nobody but its authors can mend that.
    """
