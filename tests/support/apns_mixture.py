"""
A random mixture of faults, run in memory from a seed: the client, the double, and a sender that
does with outcomes what the service does.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

from scepd.apns.notification import Notification
from scepd.network.apns_client import APNsClient
from scepd.network.apns_limits import APNsLimits
from tests.apns.notifications import TOPIC, notification
from tests.support import apns_faults
from tests.support.apns_double import APNsDouble
from tests.support.apns_memory import MemoryRoute, credentials_for
from tests.support.apns_sender import Sender, as_deferred
from tests.support.sorted_clock import SortedClock

_TROUBLE = 60.0
_MOST_TIME = 3600.0
_LONGEST_PUSH = 250.0


class Mixture:
    """
    Pushes to some devices in a minute of trouble, and after it.

    :ivar story: what happened, for people.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.story: list[str] = []
        self._random = Random(seed)
        self.clock = SortedClock()
        self.double = APNsDouble(TOPIC)
        self.route = MemoryRoute(self.clock, self.double)
        self.route.piece_size = self._random.choice((*[100_000] * 10, 100, 9, 1))
        limits = APNsLimits(ping_after=self._random.choice((5.0, 60.0)))
        self.double.ledger.patience = limits.push_timeout
        credentials = credentials_for(TOPIC)
        self.client = APNsClient(
            self.clock, self.route, credentials, limits, Random(seed + 1).random
        )
        self.sender = Sender(self.clock, self.client)
        self._unpushed = self._certificates = 0

    def run(self) -> None:
        """
        Run it to its end.

        :raises AssertionError: with the seed, the story, and what is wrong.
        """
        try:
            self._prepare()
            self._advance(_MOST_TIME, lambda: not self._unpushed and not self.sender.left)
            self.double.ledger.assert_accounted(self.sender.outcomes)
            self._check_end()
        except AssertionError as error:
            story = "\n".join(self.story[-40:])
            raise AssertionError(f"seed {self.seed}:\n{story}\n{error}") from error

    def _prepare(self) -> None:
        random = self._random
        apns_faults.random_behaviour(self.double, random)
        for number in range(random.choice((3, 15, 40))):
            magic = "m" * random.choice((36, 36, 36, 3000))
            push = notification(number, magic=magic)
            answers = [apns_faults.random_answer(random) for _ in range(random.randrange(3))]
            known = [one for one in answers if one is not None]
            self.double.behaviour.answers[push.token.hex()] = known
            self._unpushed += 1
            self.clock.callLater(self._moment(), self._push, push)
        for _ in range(random.randrange(8)):
            self.clock.callLater(self._moment(), self._trouble)
        self.clock.callLater(_TROUBLE, self._calm)

    def _push(self, push: Notification) -> None:
        self._unpushed -= 1
        self.sender.push(push)

    def _moment(self) -> float:
        # Many things happen at once, at the beginning of a second.
        at = self._random.uniform(0, _TROUBLE)
        return float(int(at)) if self._random.random() < 0.5 else at

    # -- the trouble -------------------------------------------------------------------------------

    def _trouble(self) -> None:
        random = self._random
        kind = random.choice((*["connection"] * 4, "behaviour", "route", "403", "rotation"))
        if kind == "connection":
            kind = apns_faults.random_step(self.double, random)
        elif kind == "behaviour":
            apns_faults.random_behaviour(self.double, random)
        elif kind == "route":
            self.route.mode = random.choice(("refused", "silent", "no-tls", "no-h2", "up"))
            kind = f"route {self.route.mode}"
        elif kind == "rotation":
            self._take_new_certificate()
        else:
            # From one moment on, for all devices.
            self.double.behaviour.answers.clear()
            self.double.behaviour.always = random.choice(apns_faults.REFUSED_CREDENTIALS[1:])
            self.clock.callLater(random.uniform(1, 20), self._renew)
        self._tell(kind)

    def _renew(self) -> None:
        self.double.behaviour.always = None
        self._take_new_certificate()
        self._tell("new certificate")

    def _calm(self) -> None:
        self.route.mode = "up"
        apns_faults.calm(self.double)
        self._take_new_certificate()
        self._tell("calm")

    def _take_new_certificate(self) -> None:
        self._certificates += 1
        changed = replace(credentials_for(TOPIC), certificates=(b"%d" % self._certificates,))
        self.client.use_credentials(changed)

    def _tell(self, what: str) -> None:
        self.story.append(f"{self.clock.seconds():8.3f} {what}")

    # -- time --------------------------------------------------------------------------------------

    def _advance(self, seconds: float, over: Any) -> None:
        """
        From one delayed call to the next.
        """
        end = self.clock.seconds() + seconds
        while not over() and self.clock.calls:
            following = self.clock.calls[0].getTime()
            if following > end:
                return
            self.clock.advance(max(0.0, following - self.clock.seconds()))

    def _check_end(self) -> None:
        if self.sender.slowest > _LONGEST_PUSH:
            raise AssertionError(f"a push took {self.sender.slowest:g} s")
        if self._unpushed or self.sender.left:
            raise AssertionError(f"{self._unpushed + self.sender.left} pushes are not done")
        if self.client.in_flight or self.client.waiting:
            raise AssertionError(f"{self.client.in_flight} in flight, {self.client.waiting} wait")
        closed = as_deferred(self.client.close())
        self._advance(60, lambda: closed.called and not self.clock.calls)
        if not closed.called or self.clock.calls:
            raise AssertionError(f"the client does not end: {self.clock.calls}")
