"""
The log lines of pushes: two arrows in the sequence of a delivery, and what came to nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.logger import Logger

from scepd.apns.outcome import OutcomeKind, PushOutcome
from scepd.model import TokenDied, WishedPush

_log = Logger()
_FOR_GOOD = frozenset((OutcomeKind.PERMANENT, OutcomeKind.TOKEN_DEAD))


class PushLog:
    """
    Writes them; no token and no PushMagic is in one.

    :param tells: whether anybody hears what is no warning.
    """

    def __init__(self, tells: Callable[[], bool]) -> None:
        self._tells = tells

    def pushing(self, wish: WishedPush) -> None:
        """
        A push is handed to the gateway.
        """
        if self._tells():
            _log.info("Pushing to {enrollment}", **_arrow(wish, "B8"), **_who(wish))

    def answered(self, wish: WishedPush, outcome: PushOutcome) -> None:
        """
        There is an outcome. Where Apple itself fails, or refuses the push certificate, each push
        is no news: the gateway tells that once.
        """
        if outcome.kind is OutcomeKind.DONE:
            if self._tells():
                text = "The push to {enrollment} was taken"
                _log.info(text, **_arrow(wish, "B9"), **_who(wish))
            return
        is_warning = outcome.kind in _FOR_GOOD
        if not is_warning and not self._tells():
            return
        write = _log.warn if is_warning else _log.info
        write(
            "The push to {enrollment} came to nothing: {outcome} {status} {reason}",
            outcome=outcome.kind.value,
            status=outcome.status,
            reason=outcome.reason,
            **_who(wish),
        )

    def unreadable(self, wish: WishedPush, error: Exception) -> None:
        """
        No key opens the device's address.
        """
        _log.error("Can't push: {reason}", reason=str(error), **_who(wish))

    def died(self, event: TokenDied) -> None:
        """
        A device can't be pushed any more.
        """
        _log.warn(
            "The push token of {enrollment} is dead since {since}: it is not pushed until it sends "
            "a TokenUpdate",
            enrollment=event.enrollment_id,
            host=event.enrollment_id.partition(":")[0],
            since=event.since.isoformat(),
        )


def _arrow(wish: WishedPush, step: str) -> dict[str, str]:
    """
    A push is an arrow of a delivery only when a profile waits for the device.
    """
    return {"step": step} if wish.delivers else {}


def _who(wish: WishedPush) -> dict[str, str]:
    return {
        "enrollment": wish.enrollment_id,
        "host": wish.enrollment_id.partition(":")[0],
        "apns_id": wish.apns_id,
    }
