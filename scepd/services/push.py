"""
Pushes: the wishes that are stored become notifications to Apple's push service.

A wish is claimed, handed to the gateway, and what came of it is recorded: none of that holds a
coroutine or a timer for a single push. Whatever ends in between, the claim ends, too, and the wish
is there again with the same apns-id.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from scepd.apns.notification import Notification
from scepd.apns.outcome import OutcomeKind, PushOutcome
from scepd.errors import MessageError, SecretUnreadable, TemporaryError
from scepd.model import WishedPush
from scepd.pki.keyring import Keyring
from scepd.ports import PushGateway, PushStore
from scepd.services.clock import utc_now
from scepd.services.periodic import Periodic
from scepd.services.push_addresses import PushAddresses
from scepd.services.push_answers import PushAnswers
from scepd.services.push_flight import PushFlight
from scepd.services.push_log import PushLog
from scepd.services.push_pace import PushPace
from scepd.services.push_rules import UNREADABLE, PushRules
from scepd.services.push_settings import PushSettings as PushSettings
from scepd.services.push_sweep import PushSweep

_EXPIRATION = timedelta(days=7)
_RESUMED_AT_ONCE = 1000
_RESUMED = PushOutcome(
    OutcomeKind.RETRY, reason="the push certificate was replaced meanwhile", sent=False
)


class PushSender:
    """
    Sends what is due, at once when :meth:`wake` says so, otherwise at the next look.

    :param random: a number from 0 up to 1.
    :param tells: whether anybody hears the log lines that are no warnings.
    """

    def __init__(
        self,
        store: PushStore,
        gateway: PushGateway,
        keyring: Callable[[], Keyring],
        clock: IReactorTime,
        random: Callable[[], float],
        settings: PushSettings | None = None,
        tells: Callable[[], bool] = lambda: True,
    ) -> None:
        self._store = store
        self._gateway = gateway
        self._clock = clock
        self._settings = settings = settings or PushSettings()
        self._log = PushLog(tells)
        self._addresses = PushAddresses(keyring, settings.addresses)
        self._rules = PushRules(random, settings.tries)
        self._answers = PushAnswers(store, clock, settings, self._log, self._leave)
        self._pace = PushPace(clock, settings.per_second, settings.batch)
        self._in_flight = 0
        self._stopping = False
        self._to_resume = False
        self._suspended_until = 0.0
        self._resumed_at: datetime | None = None
        self._waiting: list[Deferred[None]] = []
        sweep = PushSweep(store, clock, settings.sweep_batch, self.wake)
        self._periodic = Periodic(
            clock, "sending pushes", settings.check_interval, self.send_due, random
        )
        self._sweeping = Periodic(
            clock, "looking for silent devices", settings.sweep_interval, sweep.run, random
        )
        gateway.when_resumed(self.resume)

    @property
    def in_flight(self) -> int:
        """
        Pushes that are claimed, and of which it is not recorded yet what came of them.
        """
        return self._in_flight

    def start(self) -> None:
        """
        Begin to look for wishes.
        """
        self._periodic.start()
        self._sweeping.start()

    def wake(self) -> None:
        """
        Somebody wished a push.
        """
        self._periodic.wake()

    def resume(self) -> None:
        """
        Apple takes the push certificate, now: what was suspended is due.
        """
        # They are recorded before those that are recorded as suspended become due.
        self._answers.flush()
        self._to_resume = True
        self._suspended_until = 0.0
        self._resumed_at = utc_now(self._clock)
        self.wake()

    async def stop(self) -> None:
        """
        Begin no more pushes, and wait for the answers of those that are under way.
        """
        self._stopping = True
        self._answers.hurry()
        self._tell_waiting()
        await self._sweeping.stop()
        await self._periodic.stop()
        while self._in_flight:
            await self._change()

    async def send_due(self) -> None:
        """
        Begin every push that is due; answers come later.

        :raises StorageUnavailable: the wishes can't be read.
        """
        await self._resume_suspended()
        earliest = await self._store.earliest_push()
        if earliest is None or earliest > utc_now(self._clock):
            return
        while room := await self._room():
            now = utc_now(self._clock)
            until = now + timedelta(seconds=self._settings.claim)
            wishes = await self._store.claim_pushes(now, until, room)
            self._begin(wishes, utc_now(self._clock))
            if len(wishes) < room:
                return

    # -- what may be begun -------------------------------------------------------------------------

    async def _room(self) -> int:
        """
        Wait until a portion of pushes may be begun, and tell how many; 0: none, for now.
        """
        most = self._settings.in_flight
        # Claims of a few are as dear as large ones.
        least = min(self._pace.portion, max(1, most // 4))
        while not self._stopping and self._clock.seconds() >= self._suspended_until:
            room = min(most - self._in_flight, self._pace.portion)
            if room < least:
                await self._change()
                continue
            wait = self._pace.wait_for(room)
            if not wait:
                return room
            await self._change(wait)
        return 0

    async def _change(self, seconds: float | None = None) -> None:
        """
        Wait until something was recorded, or for so long.
        """
        waiter: Deferred[None] = Deferred()
        self._waiting.append(waiter)
        timer: IDelayedCall | None = None
        if seconds is not None:
            timer = self._clock.callLater(seconds, self._tell_waiting)
        try:
            await waiter
        finally:
            if timer is not None and timer.active():
                timer.cancel()

    def _tell_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            waiter.callback(None)

    def _leave(self, count: int) -> None:
        self._in_flight -= count
        self._tell_waiting()

    # -- pushes under way --------------------------------------------------------------------------

    def _begin(self, wishes: Sequence[WishedPush], now: datetime) -> None:
        self._pace.began(len(wishes))
        expiration = int((now + _EXPIRATION).timestamp())

        def landed(wish: WishedPush, outcome: PushOutcome | None) -> None:
            self._take(wish, outcome, now)

        flight = PushFlight(self._clock, self._settings.deadline, landed)
        for wish in wishes:
            self._send(wish, flight, expiration, now)
        flight.depart()

    def _send(self, wish: WishedPush, flight: PushFlight, expiration: int, now: datetime) -> None:
        notification = self._notification(wish, expiration)
        if isinstance(notification, PushOutcome):
            self._in_flight += 1
            self._record(wish, notification, now)
            return
        self._log.pushing(wish)
        outcome = self._gateway.push(notification, attempt=wish.attempts)
        self._in_flight += 1
        flight.add(wish, outcome)

    def _notification(self, wish: WishedPush, expiration: int) -> Notification | PushOutcome:
        """
        What is sent; or, when it can't be, what becomes of the wish.
        """
        try:
            address = self._addresses.of(wish)
            return Notification(
                token=address.token,
                topic=wish.address.topic,
                push_magic=address.push_magic,
                apns_id=wish.apns_id,
                expiration=expiration,
            )
        except SecretUnreadable as error:
            self._log.unreadable(wish, error)
            return UNREADABLE
        except MessageError as error:
            impossible = PushOutcome(OutcomeKind.PERMANENT, reason=str(error))
            self._log.answered(wish, impossible)
            return impossible

    def _take(self, wish: WishedPush, outcome: PushOutcome | None, pushed_at: datetime) -> None:
        if outcome is None:
            # The claim ends by itself, so that the wish is not lost.
            self._leave(1)
            return
        self._log.answered(wish, outcome)
        if outcome.kind is OutcomeKind.SUSPENDED:
            outcome = self._suspend(outcome, pushed_at)
        self._record(wish, outcome, pushed_at)

    def _suspend(self, outcome: PushOutcome, pushed_at: datetime) -> PushOutcome:
        """
        Begin no more for a while: each wish would only be told the same, and what is not claimed is
        sent first afterwards.
        """
        if self._resumed_at is not None and pushed_at <= self._resumed_at:
            # It was under way when the certificate changed.
            return _RESUMED
        self._suspended_until = self._clock.seconds() + self._settings.suspended
        return outcome

    def _record(self, wish: WishedPush, outcome: PushOutcome, pushed_at: datetime) -> None:
        now = utc_now(self._clock)
        self._answers.add(self._rules.answer(wish, outcome, pushed_at, now))

    async def _resume_suspended(self) -> None:
        while self._to_resume and not self._stopping:
            now = utc_now(self._clock)
            self._to_resume = False
            try:
                count = await self._store.resume_pushes(now, _RESUMED_AT_ONCE)
            except TemporaryError:
                self._to_resume = True
                raise
            self._to_resume |= count == _RESUMED_AT_ONCE
