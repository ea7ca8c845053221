"""
Tests for what has to hold whatever happens: nothing lost, nothing hung, nothing sent twice unless
the outcome was unknown.
"""

from __future__ import annotations

import os
import random
from collections import Counter, defaultdict

from h2.errors import ErrorCodes
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from scepd.apns.outcome import OutcomeKind, PushOutcome
from scepd.network.apns_client import APNsLimits
from tests.apns.notifications import token
from tests.support.apns_case import APNsCase
from tests.support.apns_double import Answer, GoAway, Reset, Silence
from tests.support.apns_requests import Reply

SEED = int(os.environ.get("SCEPD_TEST_SEED", "20261129"))
ANSWERS: tuple[Answer, ...] = (
    Silence(),
    Reset(ErrorCodes.REFUSED_STREAM),
    Reset(ErrorCodes.INTERNAL_ERROR),
    GoAway("Shutdown"),
    GoAway(),
    Reply(503, "Shutdown"),
    Reply(400, "IdleTimeout"),
    Reply(410, "Unregistered", 1_700_000_000_000),
    Reply(429, "TooManyRequests"),
    Reply(500, "InternalServerError"),
)
MAY_BE_PROCESSED = (OutcomeKind.DONE, OutcomeKind.RETRY, OutcomeKind.TOKEN_DEAD)


class AccountingTests(APNsCase):
    """
    Tests with random faults; a failure's seed is in its message, and may be given as
    SCEPD_TEST_SEED.
    """

    limits = APNsLimits(max_waiting=400, max_streams=30, max_connections=3, lifetime=40)
    done = all = 0

    def test_mixtures(self) -> None:
        """
        In each of many mixtures of faults every push has an outcome, and but one.
        """
        for seed in range(SEED, SEED + 12):
            try:
                self.run_mixture(random.Random(seed))
            except AssertionError as error:
                raise AssertionError(f"seed {seed}: {error}") from error
            self.close()
            self.setUp()
        self.assertGreater(self.done, self.all / 4)

    def run_mixture(self, chance: random.Random) -> None:
        """
        Push for a while, with faults, then look at what became of it.
        """
        self.outcomes: defaultdict[int, list[PushOutcome | Failure]] = defaultdict(list)
        self.pushed: list[Deferred[PushOutcome]] = []
        self.behaviour.max_streams = chance.choice((1, 5, 1000))
        self.behaviour.window = chance.choice((20, 65_535))
        for _ in range(60):
            for _ in range(chance.randrange(20)):
                self.push_one(chance)
            self.happen(chance)
            self.clock.advance(chance.choice((0, 0.01, 0.3, 1, 3)))
        self.route.mode = "up"
        self.wait(70)
        self.check()

    def push_one(self, chance: random.Random) -> None:
        """
        Push to the next device.
        """
        number = len(self.pushed)
        if chance.random() < 0.15:
            answers: list[Answer] = [chance.choice(ANSWERS) for _ in range(chance.randrange(1, 4))]
            self.answer(number, answers)
        elif chance.random() < 0.005:
            self.answer(number, [Reply(403, "BadCertificate")])
        pushed = self.push(number)
        pushed.addBoth(self.outcomes[number].append)
        self.pushed.append(pushed)

    def happen(self, chance: random.Random) -> None:
        """
        Have one thing happen to the service, the network or the operator.
        """
        bad = chance.choice(("refused", "silent", "no-tls"))
        self.route.mode = "up" if chance.random() < 0.8 else bad
        self.behaviour.credit = chance.random() < 0.95
        self.behaviour.send_settings = chance.random() < 0.95
        alive = [one for one in self.double.connections if not one.lost]
        what = chance.randrange(20)
        if what in (0, 19):
            self.client.use_credentials(self.renewed())
        elif what == 1 and self.pushed:
            chance.choice(self.pushed).cancel()
        elif not alive:
            return
        elif what == 2:
            alive[-1].transport.abortConnection()
        elif what == 3:
            alive[-1].transport.loseConnection()
        elif what == 4:
            alive[-1].frozen = True
        elif what == 5:
            alive[-1].transport.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        elif what == 6:
            self.route.clients[-1].protocol.pauseProducing()
        elif what == 7:
            self.route.clients[-1].protocol.resumeProducing()

    def check(self) -> None:
        """
        Look at all that was pushed, and all that the double has seen.
        """
        self.assertEqual((self.client.waiting, self.client.in_flight), (0, 0))
        accepted = Counter(request.token for request in self.double.accepted)
        seen = Counter(request.token for request in self.double.requests)
        for number, outcomes in self.outcomes.items():
            [outcome] = outcomes
            device = token(number).hex()
            if isinstance(outcome, Failure):
                outcome.trap(CancelledError)
                continue
            if outcome.kind is OutcomeKind.DONE:
                self.assertEqual(accepted[device], 1, f"device {number} was pushed to twice")
            elif not outcome.sent:
                self.assertEqual(accepted[device], 0, f"device {number} got what was not sent")
            self.assertLessEqual(accepted[device], 1, f"device {number} was pushed to twice")
            if seen[device] == 0 and outcome.sent:
                # It may have been lost on its way.
                self.assertIn(outcome.kind, MAY_BE_PROCESSED)
        self.done += len(accepted)
        self.all += len(self.pushed)
