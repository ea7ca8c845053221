"""
Tests for provider tokens.
"""

from __future__ import annotations

from scepd.apns.outcome import OutcomeKind
from scepd.network.apns_limits import APNsLimits
from scepd.network.apns_owner import TokenSource
from tests.apns.notifications import token
from tests.support.apns_case import APNsCase
from tests.support.apns_double import GoAway, Silence
from tests.support.apns_requests import Reply


class CountedTokens:
    """
    A TokenSource.

    :ivar renewals: how often there was to be another.
    """

    renewals = 0

    def authorization(self) -> bytes | None:
        """
        As the protocol says.
        """
        return b"bearer token-%d" % self.renewals

    def renew(self) -> None:
        """
        As the protocol says.
        """
        self.renewals += 1


class TokenCase(APNsCase):
    """
    A client with token credentials.
    """

    def make_tokens(self) -> TokenSource:
        """
        Tokens that are counted.
        """
        self.tokens = CountedTokens()
        return self.tokens


class ProbeTests(TokenCase):
    """
    Tests for the one push that a connection with token credentials begins with.
    """

    def test_one_at_first(self) -> None:
        """
        Until one push is accepted there is one at a time.
        """
        self.answer(0, Silence())
        pushed = self.pushes(50)
        self.assertEqual((self.client.in_flight, self.client.waiting), (1, 49))
        self.connection.reply(1, Reply(200), "id")
        self.clock.advance(0)
        self.assert_done(pushed)
        self.assertEqual(len(self.double.connections), 1)
        header = {request.value("authorization") for request in self.double.requests}
        self.assertEqual(header, {"bearer token-0"})

    def test_refused_for_its_own_sake(self) -> None:
        """
        A dead device's answer shows that the token is good.
        """
        self.answer(0, Reply(410, "Unregistered"))
        pushed = self.pushes(50)
        self.assertIs(self.successResultOf(pushed[0]).kind, OutcomeKind.TOKEN_DEAD)
        self.assert_done(pushed[1:])

    def test_server_failure(self) -> None:
        """
        An answer that says nothing of the token is followed by the next probe.
        """
        self.answer(0, Reply(503, "ServiceUnavailable"))
        pushed = self.pushes(50)
        self.assertIs(self.successResultOf(pushed[0]).kind, OutcomeKind.RETRY)
        self.assert_done(pushed[1:])

    def test_no_answer(self) -> None:
        """
        A connection whose probe is not answered is replaced.
        """
        self.answer(0, Silence())
        pushed = self.pushes(2)
        self.wait(12)
        self.assertTrue(self.successResultOf(pushed[0]).sent)
        self.assert_done(pushed[1:])
        self.assertTrue(self.double.connections[0].lost)

    def test_go_away(self) -> None:
        """
        A probe that was not looked at goes out on another connection.
        """
        self.answer(0, [GoAway("Shutdown")])
        pushed = self.pushes(5)
        self.wait(2)
        self.assert_done(pushed)

    def test_no_credit(self) -> None:
        """
        A connection that can't even take a probe is replaced after 10 s.
        """
        self.behaviour.credit = False
        self.behaviour.window = 0
        pushed = self.pushes(1)
        self.wait(9)
        self.assertFalse(self.double.connections[0].lost)
        self.behaviour.window = 65_535
        self.wait(30)
        self.assertTrue(self.double.connections[0].lost)
        self.assertIs(self.successResultOf(pushed[0]).kind, OutcomeKind.RETRY)
        self.assert_done(self.pushes(3))

    def test_each_connection_probes(self) -> None:
        """
        So does its successor, while the old one goes on.
        """
        self.assert_done(self.pushes(5))
        self.client.use_credentials(self.renewed())
        self.clock.advance(0)
        self.assertEqual([one.lost for one in self.double.connections], [False, False])
        self.assert_done(self.pushes(30))
        self.assertEqual([one.lost for one in self.double.connections], [True, False])
        self.assertEqual(len(self.double.requests), 35)


class RenewalTests(TokenCase):
    """
    Tests for tokens that have run out.
    """

    limits = APNsLimits(max_connections=2)

    def test_expired(self) -> None:
        """
        There is one new token and one new connection, and the pushes go out once more.
        """
        self.assert_done(self.pushes(1))
        for number in range(20):
            self.answer(number, [Reply(403, "ExpiredProviderToken")])
        pushed = self.pushes(20)
        self.wait(1)
        self.assert_done(pushed)
        self.assertEqual(self.tokens.renewals, 1)
        self.assertEqual(len(self.double.connections), 2)
        last = self.double.requests[-1]
        self.assertEqual(last.value("authorization"), "bearer token-1")

    def test_expired_again(self) -> None:
        """
        A push goes out once more, not for ever.
        """
        self.behaviour.answers[token(0).hex()] = Reply(403, "ExpiredProviderToken")
        (pushed,) = self.pushes(1)
        self.wait(5)
        self.assertIsNot(self.successResultOf(pushed).kind, OutcomeKind.DONE)
        self.assertEqual(len(self.double.requests), 2)

    def test_invalid(self) -> None:
        """
        A token that is wrong suspends the topic.
        """
        self.answer(0, Reply(403, "InvalidProviderToken"))
        pushed = self.pushes(10)
        for one in pushed:
            self.assertIs(self.successResultOf(one).kind, OutcomeKind.SUSPENDED)
        self.assertEqual(len(self.double.requests), 1)
