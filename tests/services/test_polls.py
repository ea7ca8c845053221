"""
Tests for devices that have nothing to report, again and again.
"""

from __future__ import annotations

import plistlib
from datetime import timedelta

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import SignatureInvalid, StorageUnavailable
from scepd.services.checkin_identity import DeviceRefused
from tests.support.fake_mdm_world import NOW, MDMWorld, check_in, report, signed
from tests.support.identity_parts import GRACE
from tests.support.pki import party


class PollTests(SynchronousTestCase):
    """
    Tests for polls after the first one, whose signer is known by then.
    """

    def setUp(self) -> None:
        """
        A device enrolls and polls.
        """
        self.world = MDMWorld()
        self.world.enroll()
        self.poll()

    def poll(self) -> bytes:
        """
        What the device is given.
        """
        return self.successResultOf(self.world.send(report("Idle")))

    def refused(self, body: bytes | None = None) -> None:
        """
        Check that the device is not listened to.
        """
        self.failureResultOf(self.world.send(body or report("Idle")), DeviceRefused)

    def again(self, **known: object) -> None:
        """
        The same identity, of which something else is known now.
        """
        self.world.issue(
            self.world.identity,
            **{"enrollment_id": "UDID-1", "enabled": True, "host_uuid": "UDID-1", **known},
        )

    def test_one_look(self) -> None:
        """
        A poll without work is one look at the database, and no work for threads.
        """
        looks = self.world.polls.looks
        workers = self.world.workers.calls
        self.assertEqual(self.poll(), b"")
        self.assertEqual((self.world.polls.looks, self.world.workers.calls), (looks + 1, workers))

    def test_queued_meanwhile(self) -> None:
        """
        What anybody has queued since the last poll is given by the next.
        """
        self.world.queue("command-1", None)
        self.assertEqual(self.poll(), b"raw command-1")

    def test_refused_at_once(self) -> None:
        """
        An identity that was revoked, that is of another enrollment now, or has left is refused by
        the next poll; when all is well again it is listened to again.
        """
        for known in (
            {"revoked": True},
            {"enabled": False},
            {"enrollment_id": None},
            {"enrollment_id": "UDID-2"},
            {"not_after": NOW - GRACE},
        ):
            self.again(**known)
            self.refused()
            self.again()
            self.assertEqual(self.poll(), b"")

    def test_forgotten_certificate(self) -> None:
        """
        One of whose certificate nothing is known any more is refused, too.
        """
        self.world.check_ins.identities.clear()
        self.refused()

    def test_expires(self) -> None:
        """
        An identity is given no command from the moment on at which it expires, and refused at the
        end of the grace.
        """
        self.again(not_after=NOW + timedelta(hours=1))
        self.world.queue("command-1", None)
        self.assertEqual(self.poll(), b"raw command-1")
        self.world.clock.advance(3600)
        self.assertEqual(self.poll(), b"")
        self.world.clock.advance(GRACE.total_seconds())
        self.refused()

    def test_left(self) -> None:
        """
        A device that checked out is not listened to.
        """
        self.successResultOf(self.world.send(check_in("CheckOut")))
        self.refused()

    def test_wrong_signature(self) -> None:
        """
        The signature of a known device over another body is refused.
        """
        signature = signed(report("Idle"), self.world.identity)
        for body in (report("Idle", udid="UDID-2"), report("Idle") + b"\n", b""):
            sent = self.world.send_signed(body, signature)
            self.failureResultOf(sent, SignatureInvalid)

    def test_stranger(self) -> None:
        """
        A certificate that was not issued for an enrollment speaks for nobody, however often.
        """
        stranger = party("CN=stranger", 1)
        for _ in range(2):
            sent = self.world.send(report("Idle"), stranger)
            self.failureResultOf(sent, DeviceRefused)
        self.assertEqual(self.poll(), b"")

    def test_storage_unavailable(self) -> None:
        """
        While the database is out nobody is told that nothing waits.
        """
        self.world.check_ins.broken = True
        self.failureResultOf(self.world.send(report("Idle")), StorageUnavailable)
        self.world.check_ins.broken = False
        self.assertEqual(self.poll(), b"")

    def test_binary(self) -> None:
        """
        A poll in another form is answered in the same way.
        """
        self.world.queue("command-1", None)
        body = plistlib.dumps({"Status": "Idle", "UDID": "UDID-1"}, fmt=plistlib.FMT_BINARY)
        self.assertEqual(self.successResultOf(self.world.send(body)), b"raw command-1")

    def test_seen(self) -> None:
        """
        The device was seen, which is written later.
        """
        self.world.clock.advance(60)
        self.poll()
        self.assertNotIn("UDID-1", self.world.check_ins.seen)

    def test_only_known_signers_are_kept(self) -> None:
        """
        Whoever is refused has no place among those who are remembered.
        """
        identities = self.world.identity_parts.known(self.world.check_ins)
        for signer, count in ((party("CN=stranger", 1), 0), (self.world.identity, 1)):
            body = report("Idle")
            identities.signers.clear()
            asked = Deferred.fromCoroutine(identities.of(body, signed(body, signer)))
            asked.addErrback(lambda failure: failure.trap(DeviceRefused) and None)
            self.successResultOf(asked)
            self.assertEqual(len(identities.signers), count)
