"""
What becomes of a profile on a host, written from the specification alone: the model that the real
services are compared with.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

_HOUR = timedelta(hours=1)
_GRACE = _HOUR
_WINDOW = _HOUR
_WAITS = (60, 300, 1800)
_MOST_RETRIES = 3
_TOLERANCE = timedelta(minutes=3)
_MOST_SETBACKS = 8
_MOST_FAILURES = 10
_LONGEST_FAILING = 8 * _HOUR


@dataclass(slots=True)
class ModelWindow:
    """
    An enrollment window that is not closed.

    :param key: the signer that it is locked to; empty: to nobody yet.
    """

    opened_at: datetime
    deadline: datetime
    key: str = ""

    def admits(self, key: str, now: datetime) -> bool:
        """
        Whether a request signed with that key passes.
        """
        return now <= self.deadline and self.key in ("", key)


@dataclass(slots=True)
class ModelTry:
    """
    What became of a hand-over of what asks for a certificate.

    :param asked: whether the device did.
    :param answered: whether the certificate authority did.
    """

    opened_at: datetime
    asked: bool = False
    answered: bool = False


@dataclass(slots=True)
class ModelHost:
    """
    A device as the server should see it.

    :param enabled: whether it is enrolled: Authenticate, then TokenUpdate.
    :param left: whether it sent CheckOut last.
    :param channels: since when each user can be reached who can.
    :param redelivered_at: when a closed window last brought, or brings, a re-delivery.
    :param tries: hand-overs of what asks for a certificate, the oldest first.
    """

    enabled: bool = False
    left: bool = False
    wanted: bool = True
    has_fact: bool = True
    channels: dict[str, datetime] = field(default_factory=dict)
    redelivered_at: datetime | None = None
    tries: list[ModelTry] = field(default_factory=list)

    @property
    def newest_user(self) -> str | None:
        """
        The user who can be reached for the shortest time; None: nobody can.
        """
        return max(self.channels, key=lambda user: self.channels[user], default=None)


@dataclass(slots=True)
class ModelRow:
    """
    The assignment of a profile to a host.

    :param needs_ca: whether its profile asks for a certificate.
    :param user: by whose channel it goes; empty: it goes by the device; None: it is for a user, and
        waits for one.
    :param waits: whether the current command waits for its answer.
    :param listed: when a list over MDM had it.
    :param offered: whether the host was handed the profile since it enrolled.
    :param seen: what the proxy saw since the hand-over, oldest first: a pkiStatus, ``out``,
        ``unseen`` or ``closed``.
    :param offers: of the current command, since its last answer.
    :param setbacks: those of the offers that count, by hours.
    :param failures: to make the current command, since it was offered last.
    :param content: the number of the profile's content that it is of.
    :param granted: whether SUCCESS passed in the newest window.
    :param paused: until when it waits for the certificate authority, and since when.
    """

    host: ModelHost
    needs_ca: bool
    due: datetime | None
    operation: str = "install"
    status: str = "pending"
    attempts: int = 0
    user: str | None = ""
    command: str | None = None
    waits: bool = False
    offered: bool = False
    delivered: datetime | None = None
    acknowledged: datetime | None = None
    listed: datetime | None = None
    window: ModelWindow | None = None
    window_opened: datetime | None = None
    granted: bool = False
    offers: int = 0
    setbacks: int = 0
    set_back: datetime | None = None
    failures: int = 0
    failing_since: datetime | None = None
    content: int = 0
    seen: list[str] = field(default_factory=list)
    paused: tuple[datetime, datetime] | None = None

    @property
    def state(self) -> tuple[object, ...]:
        """
        What can be seen of it.
        """
        return (self.operation, self.status, self.attempts, self.due, self.delivered)

    # -- operators ---------------------------------------------------------------------------------

    def deliver_anew(self, now: datetime) -> None:
        """
        New content, a changed fact, a re-send, a renewal: everything begins again.
        """
        self.status, self.due, self.attempts = "pending", now, 0
        self.forget_command()

    def unassign(self, now: datetime) -> bool:
        """
        The host left the targets.

        :returns: whether the row goes at once.
        """
        if self.operation == "remove":
            return False
        self.window = None
        if self.status in ("pending", "failed") and not self.offered:
            return True
        self.operation = "remove"
        self.deliver_anew(now)
        return False

    def assign(self, now: datetime) -> None:
        """
        The host came among the targets again.
        """
        if self.operation == "remove":
            self.operation = "install"
            self.deliver_anew(now)

    def recover(self, now: datetime) -> None:
        """
        The certificate authority is there (again).
        """
        if self.status == "failed" and self.operation == "install" and self.host.enabled:
            self.deliver_anew(now)
        elif self.operation == "install" and self.host.enabled:
            self.end_pause(now)

    # -- the processor -----------------------------------------------------------------------------

    def is_due(self, now: datetime) -> bool:
        """
        Whether the processor looks at it.
        """
        return (
            self.host.enabled
            and self.status == "pending"
            and self.due is not None
            and self.due <= now
        )

    def queue(self, command: str | None) -> None:
        """
        Everything was resolved.
        """
        self.forget_command()
        self.due, self.command, self.waits = None, command, True
        self._count_anew()

    def fail(self) -> None:
        """
        It can't be resolved.
        """
        self.status, self.due, self.waits = "failed", None, False

    # -- the device --------------------------------------------------------------------------------

    def hand_over(self, now: datetime) -> None:
        """
        The device got the command.
        """
        self.due, self.delivered, self.acknowledged = None, now, None
        self.offered = True
        self.offers += 1
        self.failures, self.failing_since = 0, None
        if self.offers >= 3 and (self.set_back is None or now - self.set_back >= _HOUR):
            self.setbacks, self.set_back = self.setbacks + 1, now
        self.seen = []
        if self.needs_ca and self.operation == "install":
            self.window, self.window_opened = ModelWindow(now, now + _WINDOW), now
            self.host.tries.append(ModelTry(now))
            self.granted = False

    def is_given_up(self, now: datetime) -> bool:
        """
        Whether the device was offered the command for so long that it is not offered any more.
        """
        is_often = self.waits and self.setbacks >= _MOST_SETBACKS
        return is_often and self.set_back is not None and now - self.set_back >= _HOUR

    def is_hopeless(self, now: datetime) -> bool:
        """
        The command can't be made once more.

        :returns: whether it is tried no more.
        """
        self.failures += 1
        self.failing_since = self.failing_since or now
        is_long = now - self.failing_since >= _LONGEST_FAILING
        return is_long and self.failures >= _MOST_FAILURES

    def acknowledge(self, now: datetime) -> bool:
        """
        The device did it.

        :returns: whether the row goes.
        """
        self.waits = False
        if self.operation == "remove":
            return True
        self.status, self.due, self.acknowledged = "verifying", None, now
        if self.window is not None:
            self.window.deadline = min(self.window.deadline, now + timedelta(minutes=10))
        return False

    def put_off(self) -> None:
        """
        The device answered NotNow.
        """
        self._count_anew()
        if self.operation == "install":
            self.window = None

    def refuse(
        self, now: datetime, *, not_found: bool, certified: datetime | None, is_out: bool
    ) -> bool:
        """
        The device answered Error, or nothing for too long, or the command could not be made.

        :param certified: until when the host holds a valid certificate of this profile; None: it
            holds none.
        :param is_out: whether the breaker of the certificate authority is open.
        :returns: whether the row goes.
        """
        self.waits = False
        # What was never handed over in this delivery has nothing to do with what was seen before.
        seen = [] if self.delivered is None else self.seen
        if self.operation == "remove":
            if not_found:
                return True
            self._retry(now)
        elif _is_outage(seen):
            self._pause(now, is_out=is_out)
        elif seen and seen[-1] == "closed":
            self._reopen(now)
        elif certified is not None:
            wait = timedelta(seconds=min(3600 * 2**self.attempts, 86400))
            # Once more before it expires.
            self.due = now + min(wait, max((certified - now) / 2, timedelta(minutes=1)))
            self.attempts += 1
        else:
            self._retry(now)
        return False

    def ask(self, now: datetime, said: str, key: str) -> bool:
        """
        The device sent a PKCSReq.

        :returns: whether its window let it through.
        """
        for newest in self.host.tries[-1:]:
            newest.asked = True
        if self.window is None or not self.window.admits(key, now):
            self.seen.append("closed")
            last = self.host.redelivered_at
            if self.status in ("pending", "verifying") and (last is None or now - last >= _HOUR):
                self.status, self.due, self.host.redelivered_at = "pending", now, now
            return False
        self.seen.append(said)
        if said in ("SUCCESS", "unseen"):
            self.window.key = key
        self.granted = self.granted or said == "SUCCESS"
        if said not in ("out", "unseen"):
            self.host.tries[-1].answered = True
        return True

    # -- inventories -------------------------------------------------------------------------------

    def inventory(
        self, now: datetime, listed: datetime | None, *, certificate: bool, certified: bool
    ) -> None:
        """
        An inventory of osquery came.

        :param listed: when the device installed the profile, by its own words; None: it has none.
        :param certificate: whether it shows the certificate of this delivery.
        :param certified: whether an earlier one did.
        """
        if self.operation == "remove" or self.delivered is None:
            return
        seen = certificate or (certified and self.status == "verifying")
        is_dated = listed is not None and listed >= self.delivered - _TOLERANCE
        is_proved_otherwise = self.needs_ca and seen and self.acknowledged is not None
        if listed is None:
            self._miss(now)
        elif not is_dated and not is_proved_otherwise:
            # It may be from before: only what the device says over MDM can tell.
            pass
        elif seen or not self.needs_ca:
            self._prove(now)
        elif not self.granted:
            self._miss(now)
        elif self.status == "verifying" and self._is_past_grace(now, times=2):
            self._prove(now)

    def is_certified(self, first_seen: list[datetime]) -> bool:
        """
        Whether its certificate was seen since the window of the delivery opened.

        :param first_seen: when each certificate was that counts.
        """
        opened = self.window_opened
        return opened is not None and any(at >= opened for at in first_seen)

    def listed_over_mdm(self, now: datetime, listed: bool | None, *, certified: bool) -> None:
        """
        A list of profiles came over MDM, without dates.

        :param listed: whether it has this one; None: it is another list than the profile's.
        :param certified: whether an inventory showed the certificate of this delivery.
        """
        if self.operation == "remove" or self.delivered is None:
            return
        if listed is False:
            self._miss(now)
            return
        waits = self.status in ("verifying", "failed")
        is_there = self.acknowledged is not None and (listed or self._was_listed())
        has_certificate = not self.needs_ca or (certified and self.status == "verifying")
        if is_there and has_certificate:
            self._prove(now)
        if listed and waits and self.acknowledged is not None:
            self.listed = now

    def certificates_over_mdm(
        self, now: datetime, *, proof: bool, certified: bool, is_unsure: bool
    ) -> None:
        """
        A list of certificates came over MDM.

        :param proof: whether it shows the certificate of this delivery.
        :param certified: whether an inventory did before.
        :param is_unsure: whether it may be there all the same.
        """
        if self.operation == "remove" or self.delivered is None or not self._was_listed():
            return
        if not self.needs_ca or proof or (certified and self.status == "verifying"):
            self._prove(now)
        elif not self.granted or not is_unsure:
            self._miss(now)
        elif self.status == "verifying":
            self._prove(now)

    def _was_listed(self) -> bool:
        """
        Whether a list over MDM had it since it was acknowledged.
        """
        acknowledged, listed = self.acknowledged, self.listed
        return acknowledged is not None and listed is not None and listed >= acknowledged

    def _prove(self, now: datetime) -> None:
        if self.status == "verified":
            return
        self.status, self.due, self.attempts, self.waits = "verified", None, 0, False
        self.acknowledged = self.acknowledged or now

    def _miss(self, now: datetime) -> None:
        if self.status not in ("verifying", "verified") or not self._is_past_grace(now):
            return
        self.listed = None
        if self.attempts >= _MOST_RETRIES:
            self.status, self.due = "failed", None
        else:
            # Only what is seen of it from now on proves it.
            self.status, self.due, self.acknowledged = "pending", now, None
        self.attempts += 1

    def _is_past_grace(self, now: datetime, times: int = 1) -> bool:
        return self.acknowledged is not None and now >= self.acknowledged + times * _GRACE

    # -- enrollment --------------------------------------------------------------------------------

    def enroll_anew(self, now: datetime) -> bool:
        """
        The device was wiped, or enrolled again.

        :returns: whether the row goes.
        """
        self.window, self.offered = None, False
        if self.operation == "remove":
            return True
        self.deliver_anew(now)
        return False

    def park(self) -> None:
        """
        The device left.
        """
        self.window, self.status, self.due = None, "pending", None
        self.forget_command()

    # -- users -------------------------------------------------------------------------------------

    def take_channel(self, now: datetime) -> None:
        """
        What waits for a user takes the newest channel, or goes on waiting.
        """
        if self.user is None:
            self.user = self.host.newest_user
            self.due = None if self.user is None else now

    def lose_channel(self, now: datetime) -> bool:
        """
        The user is gone by whose channel it went.

        :returns: whether the row goes.
        """
        gone = self.enroll_anew(now)
        self.user = None
        self.take_channel(now)
        return gone

    # -- parts -------------------------------------------------------------------------------------

    def forget_command(self) -> None:
        """
        What was delivered before proves nothing any more.
        """
        self.command, self.waits, self.delivered, self.acknowledged = None, False, None, None
        self.listed = None

    def _pause(self, now: datetime, *, is_out: bool) -> None:
        """
        Wait for the certificate authority, the longer the more deliveries were in vain in a row.
        """
        count, later = 0, None
        for one in reversed([one for one in self.host.tries if one.asked]):
            if one.answered or (later is not None and later - one.opened_at > 2 * _HOUR):
                break
            count, later = count + 1, one.opened_at
        pause = timedelta(seconds=min(1800, 60 * 2 ** (max(count, 1) - 1)))
        self.due = now if is_out else now + pause
        self.paused = (self.due, now) if count > 1 else None

    def end_pause(self, now: datetime) -> None:
        """
        The certificate authority is back: what waits for it since some tries is due.
        """
        if self.paused is None or (self.status, self.due) != ("pending", self.paused[0]):
            return
        if self.paused[0] > now:
            self.due = self.paused[1]

    def _count_anew(self) -> None:
        self.offers, self.setbacks, self.set_back = 0, 0, None
        self.failures, self.failing_since = 0, None

    def _retry(self, now: datetime) -> None:
        if self.attempts >= _MOST_RETRIES:
            self.status, self.due = "failed", None
        else:
            self.due = now + timedelta(seconds=_WAITS[min(self.attempts, len(_WAITS) - 1)])
        self.attempts += 1

    def _reopen(self, now: datetime) -> None:
        if self.due is None:
            last = self.host.redelivered_at
            self.due = now if last is None else max(now, last + _HOUR)
            self.host.redelivered_at = self.due


def _is_outage(seen: list[str]) -> bool:
    answers = [said for said in seen if said not in ("closed", "unseen")]
    return bool(answers) and answers[-1] == "out"
