"""
Tests for the admin API's tokens and for the slowing of failed logins.
"""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import AccessDenied, RoleDenied
from scepd.model import APIToken
from scepd.services.access import Access, FailedLogins
from tests.support.fakes import FakeAPITokens

TOKEN = "correct-horse-battery-staple"


def stored(text: str, role: str = "admin") -> APIToken:
    """
    The record of a token.
    """
    return APIToken(sha256(text.encode()).hexdigest(), "alice", role, datetime.now(UTC))


class AccessTests(SynchronousTestCase):
    """
    Tests for L{Access}.
    """

    def setUp(self) -> None:
        """
        Make a store with one admin's token.
        """
        self.clock = Clock()
        self.tokens = FakeAPITokens()
        record = stored(TOKEN)
        self.tokens.by_sha256[record.sha256] = record
        self.access = Access(self.tokens, self.clock)

    def login(self, token: str | None, address: str = "192.0.2.1") -> Deferred[APIToken]:
        """
        Begin an authentication.
        """
        return Deferred.fromCoroutine(self.access.authenticate(token, address))

    def test_known_token(self) -> None:
        """
        A known token is let through at once, and its record is returned.
        """
        self.assertEqual(self.successResultOf(self.login(TOKEN)).name, "alice")

    def test_roles(self) -> None:
        """
        A known token of another role than wanted is refused at once; one of no known role is like
        an unknown one.
        """
        for role in ("verifier", "other"):
            record = stored(role, role)
            self.tokens.by_sha256[record.sha256] = record
        self.failureResultOf(self.login("verifier"), RoleDenied)
        roles = frozenset({"verifier"})
        login = self.access.authenticate("verifier", "192.0.2.1", roles)
        self.assertEqual(self.successResultOf(Deferred.fromCoroutine(login)).role, "verifier")
        self.failureResultOf(
            Deferred.fromCoroutine(self.access.authenticate(TOKEN, "192.0.2.1", roles)), RoleDenied
        )
        unknown = self.login("other")
        self.assertNoResult(unknown)
        self.clock.advance(0.25)
        self.assertNotIsInstance(self.failureResultOf(unknown, AccessDenied).value, RoleDenied)

    def test_unknown_tokens(self) -> None:
        """
        No token, an unknown one and ones that can't be tokens are refused, after a delay.
        """
        for number, token in enumerate((None, "", "wrong", TOKEN + "x", "ü", "a b", "x" * 10_000)):
            login = self.login(token, f"192.0.2.{number}")
            self.assertNoResult(login)
            self.clock.advance(0.25)
            self.failureResultOf(login, AccessDenied)

    def test_unknown_role(self) -> None:
        """
        A token of a role that is not admin is refused.
        """
        record = stored("reader", "read-only")
        self.tokens.by_sha256[record.sha256] = record
        login = self.login("reader")
        self.clock.advance(1)
        self.failureResultOf(login, AccessDenied)

    def test_delay_grows_and_is_capped(self) -> None:
        """
        Each failure of an address waits twice as long as the one before, 10 seconds at most.
        """
        delays = []
        for _ in range(8):
            login = self.login("wrong")
            waited = 0.0
            while not login.called:
                self.clock.advance(0.25)
                waited += 0.25
            delays.append(waited)
            self.failureResultOf(login, AccessDenied)
        self.assertEqual(delays, [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0])

    def test_other_addresses_are_not_slowed(self) -> None:
        """
        The failures of one address do not slow another, nor a valid token of the same.
        """
        for _ in range(5):
            self.login("wrong").addErrback(lambda failure: failure.trap(AccessDenied))
        other = self.login("wrong", "192.0.2.2")
        self.clock.advance(0.25)
        self.failureResultOf(other, AccessDenied)
        self.successResultOf(self.login(TOKEN))
        self.clock.advance(60)

    def test_success_forgets_failures(self) -> None:
        """
        After a login an address begins anew.
        """
        failures = FailedLogins()
        for _ in range(4):
            failures.add("192.0.2.1", 0.0)
        failures.forget("192.0.2.1")
        self.assertEqual(failures.add("192.0.2.1", 1.0), 0.25)

    def test_time_forgets_failures(self) -> None:
        """
        15 minutes after its last failure an address begins anew.
        """
        failures = FailedLogins()
        failures.add("192.0.2.1", 0.0)
        self.assertEqual(failures.add("192.0.2.1", 899.0), 0.5)
        self.assertEqual(failures.add("192.0.2.1", 899.0 + 900.0), 0.25)

    def test_memory_is_bounded(self) -> None:
        """
        However many addresses fail, at most 10,000 are remembered: the newest.
        """
        failures = FailedLogins()
        for number in range(12_000):
            failures.add(f"address {number}", 0.0)
        self.assertEqual(len(failures), 10_000)
        self.assertEqual(failures.add("address 11999", 0.0), 0.5)
        self.assertEqual(failures.add("address 0", 0.0), 0.25)

    def test_waiting_is_bounded(self) -> None:
        """
        When a thousand failures wait for their answers, further ones are answered at once.
        """
        waiting = [self.login("wrong", f"address {number}") for number in range(1000)]
        self.failureResultOf(self.login("wrong", "another"), AccessDenied)
        self.clock.advance(1)
        for login in waiting:
            self.failureResultOf(login, AccessDenied)

    def test_token_is_not_logged(self) -> None:
        """
        A refused login is logged with its address and without its token.
        """
        with capturedLogs() as events:
            login = self.login("wrong-but-secret")
            self.clock.advance(1)
        self.failureResultOf(login, AccessDenied)
        self.assertEqual([event["address"] for event in events], ["192.0.2.1"])
        self.assertNotIn("wrong-but-secret", repr(events))
