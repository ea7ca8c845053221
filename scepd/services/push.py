"""
Pushes: the wishes that are stored become notifications to Apple's push service.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from scepd.apns.notification import Notification
from scepd.apns.outcome import OutcomeKind, PushOutcome
from scepd.apns.retry import SERVER_FAILURE, next_wish
from scepd.errors import MessageError, SecretUnreadable, TemporaryError
from scepd.model import WishedPush, push_place
from scepd.pki.keyring import Keyring
from scepd.ports import PushGateway, PushStore
from scepd.services.clock import utc_now
from scepd.services.periodic import Periodic

_EXPIRATION = timedelta(days=7)
_SUSPENDED_WAIT = 600.0
_UNREADABLE_WAIT = 3600.0
_LOST = PushOutcome(OutcomeKind.RETRY, reason="no answer in time")

_log = Logger()


@dataclass(frozen=True, slots=True)
class PushSettings:
    """
    How pushes are sent.

    :param check_interval: seconds between two looks at what is due.
    :param claim: seconds for which a wish is this process's own.
    :param deadline: seconds for a push; less than ``claim``, so that no other sends it meanwhile.
    :param in_flight: at most so many pushes at one time.
    """

    check_interval: float = 5.0
    claim: float = 60.0
    deadline: float = 30.0
    in_flight: int = 1000


class PushSender:
    """
    Sends what is due, at once when :meth:`wake` says so, otherwise at the next look.

    :param random: a number from 0 up to 1.
    """

    def __init__(
        self,
        store: PushStore,
        gateway: PushGateway,
        keyring: Callable[[], Keyring],
        clock: IReactorTime,
        random: Callable[[], float],
        settings: PushSettings | None = None,
    ) -> None:
        self._store = store
        self._gateway = gateway
        self._keyring = keyring
        self._clock = clock
        self._random = random
        self._settings = settings or PushSettings()
        self._in_flight = 0
        self._stopping = False
        self._waiting: list[Deferred[None]] = []
        self._periodic = Periodic(
            clock, "sending pushes", self._settings.check_interval, self.send_due, random
        )

    def start(self) -> None:
        """
        Begin to look for wishes.
        """
        self._periodic.start()

    def wake(self) -> None:
        """
        Somebody wished a push.
        """
        self._periodic.wake()

    async def stop(self) -> None:
        """
        Begin no more pushes, and wait for the answers of those that are under way.
        """
        self._stopping = True
        await self._periodic.stop()
        await self._until_below(1)

    async def send_due(self) -> None:
        """
        Begin every push that is due; answers come later.

        :raises StorageUnavailable: the wishes can't be read.
        """
        earliest = await self._store.earliest_push()
        if earliest is None or earliest > utc_now(self._clock):
            return
        while True:
            await self._until_below(self._settings.in_flight)
            if self._stopping:
                return
            room = self._settings.in_flight - self._in_flight
            now = utc_now(self._clock)
            until = now + timedelta(seconds=self._settings.claim)
            wishes = await self._store.claim_pushes(now, until, room)
            for wish in wishes:
                self._begin(wish)
            if len(wishes) < room:
                return

    def _begin(self, wish: WishedPush) -> None:
        self._in_flight += 1
        Deferred.fromCoroutine(self._send(wish)).addErrback(self._failed).addBoth(self._ended)

    async def _send(self, wish: WishedPush) -> None:
        now = utc_now(self._clock)
        try:
            notification = self._notification(wish, now)
        except SecretUnreadable as error:
            _log.error("Can't push: {reason}", reason=str(error))
            await self._answered(wish, PushOutcome(OutcomeKind.SUSPENDED), _UNREADABLE_WAIT)
            return
        except MessageError as error:
            await self._take(wish, PushOutcome(OutcomeKind.PERMANENT, reason=str(error)), now)
            return
        _log.info("Pushing to {enrollment}", **_arrow(wish, "B8"), **_who(wish))
        await self._take(wish, await self._pushed(notification), now)

    def _notification(self, wish: WishedPush, now: datetime) -> Notification:
        secret = self._keyring().open(wish.address.secret, push_place(wish.enrollment_id))
        token, _, magic = secret.decode().partition(":")
        return Notification(
            token=bytes.fromhex(token),
            topic=wish.address.topic,
            push_magic=magic,
            apns_id=wish.apns_id,
            expiration=int((now + _EXPIRATION).timestamp()),
        )

    async def _pushed(self, notification: Notification) -> PushOutcome:
        answer = Deferred.fromCoroutine(self._outcome(notification))
        try:
            return await answer.addTimeout(self._settings.deadline, self._clock)
        except (DeferredTimeout, CancelledError, TemporaryError):
            return _LOST

    async def _outcome(self, notification: Notification) -> PushOutcome:
        return await self._gateway.push(notification)

    async def _take(self, wish: WishedPush, outcome: PushOutcome, pushed_at: datetime) -> None:
        if outcome.kind is OutcomeKind.DONE:
            _log.info("The push to {enrollment} was taken", **_arrow(wish, "B9"), **_who(wish))
        else:
            _log.warn(
                "The push to {enrollment} came to nothing: {outcome} {status} {reason}",
                outcome=outcome.kind.value,
                status=outcome.status,
                reason=outcome.reason,
                **_who(wish),
            )
        await self._answered(wish, outcome, self._wait(wish, outcome))
        if outcome.kind is OutcomeKind.TOKEN_DEAD:
            since = outcome.timestamp or pushed_at
            await self._store.forget_push_address(wish.enrollment_id, since)

    def _wait(self, wish: WishedPush, outcome: PushOutcome) -> float | None:
        """
        Seconds until the wish is due again; None: not by itself.
        """
        if outcome.kind is OutcomeKind.PERMANENT:
            return None
        if outcome.kind is OutcomeKind.SUSPENDED:
            return _SUSPENDED_WAIT * (1 + self._random())
        if outcome.kind is OutcomeKind.RETRY:
            backed_off = SERVER_FAILURE.delay(wish.attempts, self._random)
            return max(outcome.retry_after, backed_off)
        # A dead token has a successor when its TokenUpdate came meanwhile, so this goes on too.
        return next_wish(wish.attempts, self._random)

    async def _answered(self, wish: WishedPush, outcome: PushOutcome, wait: float | None) -> None:
        now = utc_now(self._clock)
        await self._store.push_answered(
            wish.enrollment_id,
            wish.apns_id,
            status=outcome.status,
            reason=outcome.reason,
            next_due=None if wait is None else now + timedelta(seconds=wait),
            counted=outcome.sent and outcome.kind is not OutcomeKind.SUSPENDED,
            now=now,
        )

    def _failed(self, failure: Failure) -> None:
        # The claim ends by itself, so that the wish is not lost.
        if failure.check(TemporaryError):
            _log.warn("A push will be tried again: {reason}", reason=str(failure.value))
        else:
            _log.failure("A push failed", failure)

    def _ended(self, _: object) -> None:
        self._in_flight -= 1
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            waiter.callback(None)

    async def _until_below(self, limit: int) -> None:
        while self._in_flight >= limit:
            waiter: Deferred[None] = Deferred()
            self._waiting.append(waiter)
            await waiter


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
