"""
The double's ledger sees what a bad client would do.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from scepd.apns.outcome import OutcomeKind, PushOutcome
from tests.support.apns_ledger import Entry, Fate, Ledger
from tests.support.apns_requests import OK, Reply, Request

_ID = "00000000-0000-4000-8000-000000000001"
_DONE = PushOutcome(OutcomeKind.DONE, 200)
_LOST = PushOutcome(OutcomeKind.RETRY, None, "no answer")
_UNSENT = PushOutcome(OutcomeKind.RETRY, None, "no connection", sent=False)


class LedgerTests(SynchronousTestCase):
    """
    Tests for each thing that may be wrong.
    """

    def setUp(self) -> None:
        """
        An empty one, whose time stands still.
        """
        self.ledger = Ledger()
        self.now = 0.0
        self.ledger.seconds, self.ledger.doubt = (lambda: self.now), 0.0

    def arrive(self, reply: Reply | None = None) -> Entry:
        """
        The push comes, and is answered.
        """
        entry = self.ledger.arrived(Request((("apns-id", _ID),), b""))
        if reply is not None:
            self.ledger.answered(entry, reply)
        return entry

    def complaint(self, *outcomes: PushOutcome | None) -> str:
        """
        What is wrong with the push, if it was pushed so often.
        """
        return "; ".join(self.ledger.complaints({_ID: outcomes}))

    def test_good(self) -> None:
        """
        A refused push came twice; an unknown one, too, for its sender was told.
        """
        self.arrive().fate = Fate.REFUSED
        self.arrive()
        self.arrive(OK)
        self.assertEqual(self.complaint(_UNSENT, _LOST, _DONE), "")
        self.ledger.assert_accounted({_ID: [_LOST, _DONE]})

    def test_hangs(self) -> None:
        """
        A push has no outcome.
        """
        self.arrive()
        self.assertIn("hangs", self.complaint(None))

    def test_twice(self) -> None:
        """
        A push came again that may have been taken, and its sender was not told.
        """
        self.arrive()
        self.arrive(OK)
        self.assertIn("it came 2 times", self.complaint(_DONE))

    def test_said_unsent(self) -> None:
        """
        What came can't be called not sent.
        """
        self.arrive()
        self.assertIn("it came 1 times", self.complaint(_UNSENT))

    def test_made_up(self) -> None:
        """
        A push was never answered, or otherwise.
        """
        self.arrive()
        self.assertIn("made up", self.complaint(_DONE))
        self.arrive(Reply(410, "Unregistered"))
        gone = PushOutcome(OutcomeKind.TOKEN_DEAD, 410, "ExpiredToken")
        self.assertIn("made up", self.complaint(gone, _LOST))

    def test_lost_answer(self) -> None:
        """
        An answer that has surely arrived is not unknown; in the moment of a cut it may be.
        """
        entry = self.arrive(OK)
        self.assertIn("lost", self.complaint(_LOST))
        self.ledger.cut([entry])
        self.assertEqual(self.complaint(_LOST), "")
        late = self.arrive(OK)
        self.now = 1.0
        self.ledger.cut([late])
        self.assertIn("lost", self.complaint(_LOST, _LOST))

    def test_done_twice(self) -> None:
        """
        What is done is not pushed again.
        """
        self.arrive(OK)
        self.arrive(OK)
        self.assertIn("done 2 times", self.complaint(_DONE, _DONE))

    def test_stranger(self) -> None:
        """
        A push came that nobody made.
        """
        self.arrive(OK)
        with self.assertRaises(AssertionError):
            self.ledger.assert_accounted({})
