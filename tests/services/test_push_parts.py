"""
Tests for the parts of the sending of pushes: opened addresses, and the sweep.
"""

from __future__ import annotations

from datetime import timedelta

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import EncodingError, SecretUnreadable, StorageUnavailable
from scepd.model import SweptPushes
from scepd.pki.keyring import Keyring
from scepd.services.push_addresses import PushAddresses
from scepd.services.push_sweep import PushSweep
from tests.services.push_case import KEYRING, wish
from tests.support.fake_pushes import FakePushes


class PushAddressesTests(SynchronousTestCase):
    """
    Tests for PushAddresses.
    """

    def setUp(self) -> None:
        """
        Keep at most two.
        """
        self.keyring = KEYRING
        self.addresses = PushAddresses(lambda: self.keyring, 2)

    def test_opened(self) -> None:
        """
        Token and magic are those that were sealed; neither is in the repr.
        """
        opened = self.addresses.of(wish())
        self.assertEqual(opened, (b"\x0a\x0b", "magic"))
        self.assertNotIn("magic", repr(opened))

    def test_kept(self) -> None:
        """
        One that was opened is opened once, as long as it is one of the last.
        """
        first = self.addresses.of(wish())
        self.addresses.of(wish("UDID-2"))
        self.assertIs(self.addresses.of(wish()), first)
        self.addresses.of(wish("UDID-3"))
        self.assertIs(self.addresses.of(wish()), first)
        self.addresses.of(wish("UDID-4"))
        self.addresses.of(wish("UDID-5"))
        self.assertIsNot(self.addresses.of(wish()), first)

    def test_new_token(self) -> None:
        """
        A new token takes the place of the one before.
        """
        self.addresses.of(wish())
        self.assertEqual(self.addresses.of(wish(secret=b"0c:new")), (b"\x0c", "new"))

    def test_key_taken_away(self) -> None:
        """
        What was opened with a key that is gone is not kept.
        """
        self.addresses.of(wish())
        self.keyring = Keyring({"k2": b"x" * 32})
        self.assertRaises(SecretUnreadable, self.addresses.of, wish())

    def test_no_address(self) -> None:
        """
        What is no address is refused, and not repeated in the refusal.
        """
        for secret in (b"xyz:magic", b"0a:\xff"):
            error = self.assertRaises(EncodingError, self.addresses.of, wish(secret=secret))
            self.assertNotIn("xyz", str(error))


class PushSweepTests(SynchronousTestCase):
    """
    Tests for PushSweep.
    """

    def setUp(self) -> None:
        """
        Pieces of ten.
        """
        self.clock, self.store, self.woken = Clock(), FakePushes(), 0
        self.sweep = PushSweep(self.store, self.clock, 10, self.wake)

    def wake(self) -> None:
        """
        Count.
        """
        self.woken += 1

    def run_once(self) -> None:
        """
        Look at one piece.
        """
        self.successResultOf(Deferred.fromCoroutine(self.sweep.run()))

    def test_pieces(self) -> None:
        """
        Each run looks at one piece, until there are no more; the next sweep begins a day after the
        one before.
        """
        self.store.swept = [SweptPushes("b", 3), SweptPushes("d", 0), SweptPushes(None, 0)]
        for _ in range(5):
            self.run_once()
            self.clock.advance(60)
        found = [(after, limit) for _, _, after, limit in self.store.sweeps]
        self.assertEqual(found, [("", 10), ("b", 10), ("d", 10)])
        self.assertEqual(self.woken, 1)
        now, silent_since, _, _ = self.store.sweeps[0]
        self.assertEqual(now - silent_since, timedelta(days=1))
        self.clock.advance(86_400)
        self.run_once()
        self.assertEqual(len(self.store.sweeps), 4)

    def test_storage_fails(self) -> None:
        """
        A piece that could not be looked at is looked at by the next run.
        """
        self.store.broken = True
        self.failureResultOf(Deferred.fromCoroutine(self.sweep.run()), StorageUnavailable)
        self.store.broken = False
        self.run_once()
        self.assertEqual([after for _, _, after, _ in self.store.sweeps], [""])
