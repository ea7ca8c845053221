"""
A sender of pushes with fakes around it.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from scepd.apns.outcome import PushOutcome
from scepd.model import AnsweredPush, PushAddress, WishedPush, push_place
from scepd.pki.keyring import Keyring
from scepd.services.clock import utc_now
from scepd.services.push import PushSender, PushSettings
from tests.support.fake_pushes import FakeGateway, FakePushes

KEYRING = Keyring({"k1": b"k" * 32})
APNS_ID = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
GATHERING = 0.02


def wish(
    name: str = "UDID-1", attempts: int = 0, secret: bytes = b"0a0b:magic", repeats: int = 0
) -> WishedPush:
    """
    A wish to push to an enrollment.
    """
    sealed = KEYRING.seal(secret, push_place(name), lambda count: b"n" * count)
    address = PushAddress("com.apple.mgmt.External.1", sealed)
    return WishedPush(name, address, APNS_ID, attempts, repeats=repeats)


class PushTestCase(SynchronousTestCase):
    """
    A sender whose random number is 0.5, so that nothing is spread.
    """

    settings = PushSettings(
        check_interval=5, claim=60, deadline=30, in_flight=3, gathering=GATHERING
    )

    def setUp(self) -> None:
        """
        Start the sender and let its first look pass.
        """
        self.clock = Clock()
        self.store, self.gateway = FakePushes(), FakeGateway()
        self.keyring = KEYRING
        self.hears = True
        self.sender = PushSender(
            self.store,
            self.gateway,
            lambda: self.keyring,
            self.clock,
            lambda: 0.5,
            self.settings,
            lambda: self.hears,
        )
        self.sender.start()
        self.clock.advance(2.5)

    def wish(self, *wishes: WishedPush) -> None:
        """
        Wish pushes now.
        """
        for one in wishes:
            self.store.wishes[one.enrollment_id] = (utc_now(self.clock), one)

    def begin(self, *wishes: WishedPush) -> None:
        """
        Wish pushes now, and say so.
        """
        self.wish(*wishes)
        self.sender.wake()
        self.clock.advance(0)

    def push(self, *wishes: WishedPush) -> None:
        """
        Wish pushes now, say so, and let what came of them be recorded.
        """
        self.begin(*wishes)
        self.clock.advance(GATHERING)

    def outcome(
        self, outcome: PushOutcome | Exception, attempts: int = 0, repeats: int = 0
    ) -> None:
        """
        Push with this outcome.
        """
        self.gateway.outcomes = [outcome]
        self.push(wish(attempts=attempts, repeats=repeats))

    @property
    def answer(self) -> AnsweredPush:
        """
        What was recorded last.
        """
        return self.store.answers[-1]

    def due_after(self) -> float | None:
        """
        Seconds from its record until the last answered push is due again.
        """
        due = self.answer.next_due
        if due is None:
            return None
        return round((due - utc_now(self.clock)).total_seconds() + GATHERING, 6)
