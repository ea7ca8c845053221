"""
Wishes to push, and what becomes of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from scepd.model.mdm import PushAddress

AFTER_ENROLLING = -1
"""
The place in the series of a device's first push after it enrolled: that one may be lost, and is
repeated whether anything waits or not.
"""


class WishState(StrEnum):
    """
    What a wish to push waits for; the values are stored and shown.
    """

    DUE = "due"
    """
    For its time: it is fresh, or is tried again.
    """
    CLAIMED = "claimed"
    """
    For an answer, until its claim ends.
    """
    SENT = "sent"
    """
    For the device, which is pushed again if it stays silent; for nothing, when no command waits.
    """
    NOT_NOW = "not-now"
    """
    For the device's user: it answered NotNow to everything that waits.
    """
    UNANSWERED = "unanswered"
    """
    For better times: whether Apple took it was never known, as often as it was tried.
    """
    SUSPENDED = "suspended"
    """
    For another push certificate, or a key that opens its address.
    """
    PARKED = "parked"
    """
    For a TokenUpdate or a new command: Apple refused this push for good.
    """


@dataclass(frozen=True, slots=True)
class WishedPush:
    """
    A push that is due.

    :param apns_id: a UUID, kept across retries.
    :param attempts: how often this push was sent before.
    :param delivers: whether a profile waits for the device: else it is only asked to come.
    :param repeats: pushes that were accepted since the wish was made or the device finished a
        command: its place in the series; or :data:`AFTER_ENROLLING`.
    """

    enrollment_id: str
    address: PushAddress
    apns_id: str
    attempts: int
    delivers: bool = False
    repeats: int = 0


@dataclass(frozen=True, slots=True)
class AnsweredPush:
    """
    What came of a push, and what its wish waits for now.

    :param state: ``SENT`` when it was accepted.
    :param pushed_at: when it was handed to the gateway.
    :param next_due: when it is due again; None: not by itself. Of one that was accepted: if a
        command waits by then and the device stays silent.
    :param counted: whether Apple may have seen it, so that it was an attempt.
    :param dead_since: the device's token is dead since then, unless a TokenUpdate is newer.
    """

    enrollment_id: str
    apns_id: str
    state: WishState
    pushed_at: datetime
    next_due: datetime | None
    status: int | None = None
    reason: str = ""
    counted: bool = True
    dead_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class TokenDied:
    """
    An enrollment can't be pushed any more: its token is dead, and no newer one came.
    """

    enrollment_id: str
    since: datetime


@dataclass(frozen=True, slots=True)
class SweptPushes:
    """
    What a piece of the sweep found.

    :param last: the enrollment that it came to; None: there are no more.
    :param wished: how many pushes were wished.
    """

    last: str | None
    wished: int


@dataclass(frozen=True, slots=True)
class PushState:
    """
    How pushing to an enrollment went.

    :param has_address: whether there is a token that is not known to be dead.
    :param due_at: when the next push is due, or its claim ends; None: none is wished.
    :param attempts: how often this push was sent without a success.
    :param status: HTTP status of the last answer; None: none came.
    :param reason: Apple's word, such as ``Unregistered``; or what went wrong before it.
    :param repeats: see :class:`WishedPush`.
    :param pushed_at: when the last push that was accepted was sent.
    """

    enrollment_id: str
    has_address: bool
    due_at: datetime | None
    attempts: int
    status: int | None
    reason: str
    answered_at: datetime | None
    state: WishState = WishState.DUE
    repeats: int = 0
    pushed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PushSummary:
    """
    How pushing goes at all: numbers of enrollments.

    :param due: whose push is due now and nobody's yet, or whose claim has ended.
    :param claimed: whose push is under way.
    :param waiting: whose push is due later.
    :param states: of those that wait, by what they wait for.
    :param parked: that Apple refused for good, by reason.
    :param oldest_due: when the first of ``due`` became due.
    :param accepted_hour: whose last accepted push was sent within an hour.
    :param accepted_day: the same within a day.
    """

    due: int = 0
    claimed: int = 0
    waiting: int = 0
    states: Mapping[WishState, int] = field(default_factory=dict)
    parked: Mapping[str, int] = field(default_factory=dict)
    oldest_due: datetime | None = None
    accepted_hour: int = 0
    accepted_day: int = 0
