"""
What an outcome makes of a wish: whether, and when, it is pushed again.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from scepd.apns.outcome import OutcomeKind, PushOutcome
from scepd.apns.retry import SERVER_FAILURE, Random, next_wish
from scepd.model import AnsweredPush, WishedPush, WishState

UNREADABLE = PushOutcome(OutcomeKind.PERMANENT, reason="no key opens the address", sent=False)
"""
The outcome of a push whose address can't be opened.
"""

_AFTER_ENROLLING = 10.0
# Half an hour, then two, then daily.
_PLACE_OF_UNANSWERED = 3
_SUSPENDED_WAIT = 600.0
_UNSENDABLE_WAIT = 3600.0


class PushRules:
    """
    Accepted: again while the device stays silent, by the series. Refused for good: parked. Not to
    be sent now: suspended. Maybe accepted: again, with the same apns-id, a few times in the next
    minutes, then at the end of the series: after 30 min, 2 h, then daily.

    :param random: a number from 0 up to 1.
    :param tries: how often a push is sent in a row whose fate is never known.
    """

    def __init__(self, random: Random, tries: int) -> None:
        self._random = random
        self._tries = tries

    def answer(
        self, wish: WishedPush, outcome: PushOutcome, pushed_at: datetime, now: datetime
    ) -> AnsweredPush:
        """
        What is recorded of a push.

        :param pushed_at: when it was handed to the gateway.
        """
        state, wait = self._next(wish, outcome)
        dead_since = None
        if outcome.kind is OutcomeKind.TOKEN_DEAD:
            dead_since = outcome.timestamp or pushed_at
        return AnsweredPush(
            wish.enrollment_id,
            wish.apns_id,
            state,
            pushed_at,
            None if wait is None else now + timedelta(seconds=wait),
            outcome.status,
            outcome.reason,
            outcome.sent and state is not WishState.SUSPENDED,
            dead_since,
        )

    def _next(self, wish: WishedPush, outcome: PushOutcome) -> tuple[WishState, float | None]:
        """
        What the wish waits for, and the seconds until it is due again; None: not by itself.
        """
        kind = outcome.kind
        if kind is OutcomeKind.DONE:
            return WishState.SENT, self._repeat(wish.repeats)
        if kind is OutcomeKind.SUSPENDED:
            return WishState.SUSPENDED, _SUSPENDED_WAIT * (1 + self._random())
        if kind is OutcomeKind.PERMANENT and not outcome.sent:
            # Apple did not refuse it: with another certificate, or keyring, it may be sent.
            return WishState.SUSPENDED, _UNSENDABLE_WAIT * (1 + self._random())
        if kind is OutcomeKind.PERMANENT:
            return WishState.PARKED, None
        if kind is OutcomeKind.TOKEN_DEAD:
            # Of a token that has a successor: its TokenUpdate came meanwhile.
            return WishState.DUE, next_wish(wish.attempts, self._random)
        if self._is_tired(wish, outcome):
            place = _PLACE_OF_UNANSWERED + wish.attempts + 1 - self._tries
            return WishState.UNANSWERED, next_wish(place, self._random)
        backed_off = SERVER_FAILURE.delay(wish.attempts, self._random)
        return WishState.DUE, max(outcome.retry_after, backed_off)

    def _repeat(self, repeats: int) -> float:
        if repeats < 0:
            return _AFTER_ENROLLING
        return next_wish(repeats, self._random)

    def _is_tired(self, wish: WishedPush, outcome: PushOutcome) -> bool:
        """
        Whether Apple said nothing to this push, again, and may have accepted it each time.
        """
        unknown = outcome.sent and outcome.status is None
        return unknown and wish.attempts + 1 >= self._tries
