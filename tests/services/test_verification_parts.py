"""
Tests for inventories that come in parts, for wrong clocks, and for when hosts are asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from twisted.internet.defer import Deferred

from scepd.errors import StorageUnavailable
from scepd.profiles.certificate_candidates import CandidateCertificate
from scepd.profiles.lifecycle import Event
from scepd.services.clock import utc_now
from scepd.services.verification_inventory import Inventory
from tests.services.verification_case import (
    DAY,
    MAC,
    MARKER,
    PROFILE,
    VerificationTestCase,
    certificate,
)
from tests.support.fake_mdm_world import (
    NOW,
    host,
)


class PartsTests(VerificationTestCase):
    """
    Tests for inventories over MDM, of which each list comes by itself, and for wrong clocks.
    """

    def take_part(
        self,
        profiles: Sequence[str] | None = None,
        certificates: Sequence[CandidateCertificate] | None = None,
    ) -> None:
        """
        Take one list.
        """
        dates = None if profiles is None else [(identifier, None) for identifier in profiles]
        inventory = Inventory(dates, certificates, "MDM")
        self.successResultOf(Deferred.fromCoroutine(self.verification.take("UDID-1", inventory)))

    def test_profiles_first(self) -> None:
        """
        The profile is listed, the certificate follows: the two are the proof, with the
        acknowledgement.
        """
        self.take_part([PROFILE.identifier])
        self.assertIsNone(self.event())
        self.assertEqual(self.store.taken[-1].listed, {PROFILE.uuid})
        self.delivered(listed_at=NOW + timedelta(seconds=90))
        self.take_part(None, [certificate(f"OU={MARKER}")])
        self.assertEqual(self.event(), Event.INVENTORY_PROVED)

    def test_certificates_first(self) -> None:
        """
        Or the other way round, when the device could not list its profiles just then.
        """
        self.take_part(None, [certificate(f"OU={MARKER}")])
        self.assertIsNone(self.event())
        self.assertEqual(len(self.store.recorded), 1)
        self.delivered(certified=True)
        self.take_part([PROFILE.identifier])
        self.assertEqual(self.event(), Event.INVENTORY_PROVED)

    def test_one_part(self) -> None:
        """
        One list alone is no proof and misses nothing, however late it is.
        """
        self.after_grace()
        self.take_part([PROFILE.identifier])
        self.take_part(None, [])
        self.delivered(listed_at=NOW + timedelta(seconds=30))
        self.take_part(None, [certificate(f"OU={MARKER}")])
        self.assertIsNone(self.event())

    def test_not_acknowledged(self) -> None:
        """
        Without a date or an acknowledgement the listed profile may be the one from before.
        """
        for status in ("pending", "failed"):
            self.delivered(status=status, acknowledged_at=None)
            self.take_mdm(certificate(f"OU={MARKER}"))
            self.assertIsNone(self.event())

    def test_wrong_clock(self) -> None:
        """
        A device whose clock is wrong tells dates that don't fit: the certificate proves the
        delivery, as its dates are the authority's. Without one the device is asked over MDM.
        """
        for wrong in (NOW - timedelta(days=1), NOW + timedelta(days=1)):
            dated = [(PROFILE.identifier, wrong)]
            self.take(certificate(f"OU={MARKER}"), profiles=dated)
            self.assertEqual(self.event(), Event.INVENTORY_PROVED)
            self.take(profiles=dated)
            self.assertIsNone(self.event())
            self.assertEqual(self.store.taken[-1].mdm_due_at, utc_now(self.clock))
        self.delivered(acknowledged_at=None, status="pending")
        self.take(certificate(f"OU={MARKER}"), profiles=[(PROFILE.identifier, NOW - DAY)])
        self.assertIsNone(self.event())
        self.after_grace()
        self.delivered(status="verified")
        self.take(profiles=[(PROFILE.identifier, NOW - DAY)])
        self.assertIsNone(self.event())

    def test_wrong_clock_without_certificate(self) -> None:
        """
        A profile that brings no certificate is proved by the device's own list then.
        """
        plain = {"ca_name": None, "window_opened_at": None}
        self.delivered(**plain)
        self.take(profiles=[(PROFILE.identifier, NOW - DAY)])
        self.assertIsNone(self.event())
        self.take_mdm()
        self.assertEqual(self.event(), Event.INVENTORY_PROVED)

    def test_user_scope(self) -> None:
        """
        A profile of a Mac's user is looked for among those of its users: without their list
        nothing is missing. Devices without users' profiles tell all in one list.
        """
        self.after_grace()
        self.delivered(scope="User")
        self.take(profiles=())
        self.take_mdm(profiles=())
        self.assertIsNone(self.event())
        users = Inventory([], [certificate(f"OU={MARKER}")], "osquery", [(PROFILE.identifier, NOW)])
        self.successResultOf(Deferred.fromCoroutine(self.verification.take("UDID-1", users)))
        self.assertEqual(self.event(), Event.INVENTORY_PROVED)
        self.hosts.by_uuid["UDID-1"] = host(platform="ios")
        self.take_mdm(certificate(f"OU={MARKER}"))
        self.assertEqual(self.event(), Event.INVENTORY_PROVED)


class AskingTests(VerificationTestCase):
    """
    Tests for when a host is asked.
    """

    def due(self) -> bool:
        """
        Whether the host is asked now.
        """
        return self.successResultOf(Deferred.fromCoroutine(self.verification.is_due("UDID-1")))

    def test_hourly(self) -> None:
        """
        A host is asked once an hour.
        """
        self.assertTrue(self.due())
        self.take(certificate(f"OU={MARKER}"))
        self.clock.advance(3599)
        self.assertFalse(self.due())
        self.clock.advance(1)
        self.assertTrue(self.due())

    def test_soon(self) -> None:
        """
        While something that was acknowledged is not settled the host is asked each minute, until
        the grace is past.
        """
        self.assertTrue(self.due())
        self.take()
        self.assertFalse(self.due())
        self.clock.advance(60)
        self.assertTrue(self.due())
        self.assertFalse(self.due())
        self.clock.advance(3490)
        self.take(profiles=None)
        self.clock.advance(60)
        self.assertFalse(self.due())

    def test_not_stored(self) -> None:
        """
        An inventory that does not come, or could not be stored, is asked for again in a minute:
        agents send it once.
        """
        self.assertTrue(self.due())
        self.store.broken = True
        inventory = Inventory([], [], "osquery")
        taken = Deferred.fromCoroutine(self.verification.take("UDID-1", inventory))
        self.failureResultOf(taken, StorageUnavailable)
        self.store.broken = False
        self.assertFalse(self.due())
        self.clock.advance(60)
        self.assertTrue(self.due())

    def test_settled(self) -> None:
        """
        What is proved needs no further look.
        """
        self.assertTrue(self.due())
        self.take()
        self.take(certificate(f"OU={MARKER}"))
        self.clock.advance(60)
        self.assertFalse(self.due())

    def test_agent_is_enough(self) -> None:
        """
        While osquery lists profiles the host is not asked over MDM, but after two hours' silence.
        """
        self.take(certificate(f"OU={MARKER}"))
        [taken] = self.store.taken
        later = utc_now(self.clock) + timedelta(hours=2)
        self.assertEqual((taken.agent_until, taken.mdm_due_at), (later, later))

    def test_agent_without_profiles(self) -> None:
        """
        An agent that can't list profiles has its host asked over MDM: at once, then hourly, and in
        growing steps while something waits for its proof.
        """
        now = utc_now(self.clock)
        self.take(profiles=None)
        self.assertEqual(self.mdm_due(), now)
        asked = replace(MAC, mdm_asked_at=now)
        self.inventories.states["UDID-1"] = asked
        self.take(profiles=None)
        self.assertEqual(self.mdm_due(), now + timedelta(seconds=60))
        self.delivered(status="verified")
        self.take(profiles=None)
        self.assertEqual(self.mdm_due(), now + timedelta(hours=1))
        self.inventories.states["UDID-1"] = replace(asked, mdm_due_at=now + timedelta(minutes=7))
        self.take(profiles=None)
        self.assertEqual(self.mdm_due(), now + timedelta(minutes=7))

    def test_agent_without_users(self) -> None:
        """
        Nor is one enough that can't list the profiles of users where such were delivered, also when
        they are verified: its host is asked over MDM each hour.
        """
        now = utc_now(self.clock)
        self.delivered(status="verified", scope="User")
        due = now + timedelta(minutes=50)
        self.inventories.states["UDID-1"] = replace(MAC, mdm_due_at=due, mdm_asked_at=now)
        self.take()
        self.assertEqual((self.store.taken[-1].agent_until, self.mdm_due()), (None, due))
        of_user = [(PROFILE.identifier, NOW)]
        told = Inventory([], [certificate(f"OU={MARKER}")], "osquery", of_user)
        self.successResultOf(Deferred.fromCoroutine(self.verification.take("UDID-1", told)))
        self.assertEqual(self.mdm_due(), now + timedelta(hours=2))

    def test_mdm(self) -> None:
        """
        After an answer over MDM the next is wanted in an hour; while something waits for its proof
        as late again as the acknowledgement is, but once at the end of the grace. An agent that
        came back is enough.
        """
        self.take_mdm(certificate(f"OU={MARKER}"))
        self.assertEqual(self.mdm_due(), utc_now(self.clock) + timedelta(hours=1))
        self.take_mdm()
        self.assertEqual(self.mdm_due(), utc_now(self.clock) + timedelta(seconds=60))
        self.clock.advance(540)
        self.take_mdm()
        self.assertEqual(self.mdm_due(), utc_now(self.clock) + timedelta(seconds=600))
        self.clock.advance(1500)
        self.take_mdm()
        self.assertEqual(self.mdm_due(), NOW + timedelta(seconds=60 + 3600))
        until = utc_now(self.clock) + timedelta(minutes=9)
        self.inventories.states["UDID-1"] = replace(MAC, agent_until=until)
        self.take_mdm()
        self.assertEqual(self.mdm_due(), until)
        self.assertIsNone(self.store.taken[-1].agent_due_at)

    def mdm_due(self) -> datetime | None:
        """
        When the host is asked over MDM by what was taken last.
        """
        return self.store.taken[-1].mdm_due_at
