"""
At most so many requests to a certificate authority per second; the rest wait in order.
"""

from __future__ import annotations

from collections import deque

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from scepd.errors import RateLimited


class _Bucket:
    """
    The tokens of one certificate authority: one second's worth at most, and never less than one.
    """

    def __init__(self, clock: IReactorTime, per_second: float) -> None:
        self.per_second = per_second
        self.line: deque[Deferred[None]] = deque()
        self._clock = clock
        self._tokens = self._most
        self._counted_at = clock.seconds()
        self._next: IDelayedCall | None = None

    @property
    def _most(self) -> float:
        return max(1.0, self.per_second)

    def take_now(self) -> bool:
        """
        Take a token, if there is one and nobody waits.
        """
        return not self.line and self._take()

    def wait_for(self) -> float:
        """
        Seconds until one who joins the line now has a token.
        """
        self._fill()
        return max(0.0, (len(self.line) + 1 - self._tokens) / self.per_second)

    def serve(self) -> None:
        """
        Give tokens to those who wait, and come again for the rest.
        """
        if self._next is not None and self._next.active():
            self._next.cancel()
        self._next = None
        while self.line and self._take():
            self.line.popleft().callback(None)
        if self.line:
            missing = max(0.0, 1.0 - self._tokens) / self.per_second
            self._next = self._clock.callLater(missing, self.serve)

    def _take(self) -> bool:
        self._fill()
        # What adds up to a token may miss it by a rounding.
        if self._tokens < 1.0 - 1e-6:
            return False
        self._tokens -= 1.0
        return True

    def _fill(self) -> None:
        now = self._clock.seconds()
        gained = (now - self._counted_at) * self.per_second
        self._tokens = min(self._most, self._tokens + gained)
        self._counted_at = now


class Rates:
    """
    The rates of all certificate authorities in this process.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    async def take(self, ca_name: str, *, per_second: float | None, timeout: float) -> None:
        """
        Return when a request may go to a certificate authority, in the order of arrival; who is
        cancelled loses the place.

        :param per_second: None: as many as there are.
        :raises RateLimited: at once, when the wait would be above ``timeout`` seconds.
        """
        if per_second is None:
            self._buckets.pop(ca_name, None)
            return
        bucket = self._bucket(ca_name, per_second)
        if bucket.take_now():
            return
        if bucket.wait_for() > timeout:
            raise RateLimited(
                f"{ca_name} takes {per_second:g} requests per second; "
                f"the line is longer than {timeout:g} s"
            )
        turn: Deferred[None] = Deferred()
        bucket.line.append(turn)
        bucket.serve()
        try:
            await turn
        except CancelledError:
            bucket.line.remove(turn)
            bucket.serve()
            raise

    def _bucket(self, ca_name: str, per_second: float) -> _Bucket:
        bucket = self._buckets.get(ca_name)
        if bucket is None:
            bucket = self._buckets[ca_name] = _Bucket(self._clock, per_second)
        # Those who wait go on at a changed rate.
        bucket.per_second = per_second
        return bucket
