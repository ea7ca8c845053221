"""
Tests of the renewal of whole fleets, over weeks.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from scepd.model import Breaker, BreakerState, CertificateState
from tests.storage.inline import InlineDatabase
from tests.support.fake_mdm_world import NOW
from tests.support.renewal_world import CA, ERROR, PROFILE, REFUSAL, RenewalWorld

_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)


def expiries(count: int, begin: datetime) -> list[datetime]:
    """
    Spread evenly over one day.
    """
    return [begin + _DAY * number / count for number in range(count)]


class FleetCase(SynchronousTestCase):
    """
    A world.
    """

    def setUp(self) -> None:
        """
        Make its database.
        """
        self.database = InlineDatabase()
        self.addCleanup(self.database.engine.dispose)

    def run_now(self, coroutine: object) -> None:
        """
        Run what never waits.
        """
        self.successResultOf(Deferred.fromCoroutine(coroutine))  # type: ignore[arg-type]


class SpreadTests(FleetCase):
    """
    2,000 certificates that expire on one day, half of which the CA refuses to renew.
    """

    def test_spread(self) -> None:
        """
        Renewals are spread over at least 5 days, no tick has more than it may, and all that are
        granted are done weeks before expiry. Each that is refused is visible with its reason.
        """
        self.run_now(self._test_spread())

    async def _test_spread(self) -> None:
        world = RenewalWorld(self.database, lambda uuid: int(uuid[2:]) % 2 == 1)
        expiry = NOW + 33 * _DAY
        await world.add_fleet(expiries(2000, expiry))
        await world.pass_hours(7 * 24 + 1)
        first = [tries[0] for tries in world.tries.values()]
        self.assertEqual(len(first), 2000)
        self.assertGreater(max(first) - min(first), 5 * _DAY)
        self.assertLess(max(first), expiry - 26 * _DAY)
        self.assertLessEqual(max(world.batches), 100)
        granted = {uuid for uuid in world.tries if int(uuid[2:]) % 2 == 0}
        self.assertEqual({len(world.tries[uuid]) for uuid in granted}, {1})
        expiring = await world.listed(CertificateState.EXPIRING)
        self.assertEqual(
            {one.watched.assignment.host_uuid for one in expiring}, world.tries.keys() - granted
        )
        for one in expiring:
            failures = len(world.tries[one.watched.assignment.host_uuid])
            s = "s" if failures > 1 else ""
            said = f"renewing ({failures} failure{s}): {ERROR}; the proxy recorded: {REFUSAL}"
            self.assertEqual((one.watched.assignment.status, one.reason), ("pending", said))
        counts = await world.renewals.certificate_counts(world.now())
        self.assertEqual((counts.expiring[30], counts.expired), (1000, 0))
        overdue = {uuid for uuid in world.tries.keys() - granted if self._is_overdue(world, uuid)}
        self.assertEqual(counts.overdue, len(overdue))
        told = await world.told()
        subjects = {f"{uuid}/{PROFILE}" for uuid in overdue}
        self.assertEqual({subject for _, subject in told}, subjects)
        self.assertEqual(len(told), len(overdue))
        self.assertEqual({action for action, _ in told}, {"certificate renewal overdue"})

    @staticmethod
    def _is_overdue(world: RenewalWorld, uuid: str) -> bool:
        return world.certificates[uuid].renew_at + 3 * _DAY <= world.now()

    def test_after_a_pause(self) -> None:
        """
        When scepd was away and all are due at once, each tick takes what it may, the soonest expiry
        first.
        """
        self.run_now(self._test_after_a_pause())

    async def _test_after_a_pause(self) -> None:
        world = RenewalWorld(self.database, deliveries_per_tick=30)
        await world.add_fleet(list(reversed(expiries(300, NOW + 2 * _DAY))))
        await world.pass_hours(10)
        self.assertEqual(world.batches, [30] * 10)
        order = sorted(world.tries, key=lambda uuid: world.tries[uuid])
        for place in range(0, 300, 30):
            numbers = {int(uuid[2:]) for uuid in order[place : place + 30]}
            self.assertEqual(numbers, set(range(270 - place, 300 - place)))
        counts = await world.renewals.certificate_counts(world.now())
        self.assertEqual((counts.expiring[30], counts.overdue, counts.expired), (0, 0, 0))


class RefusedTests(FleetCase):
    """
    Certificates that a CA refuses to renew until they expire.
    """

    def test_until_the_end(self) -> None:
        """
        Over 60 days: the waits double from an hour to a day, a last try comes in the last hours,
        then the retries of any delivery end in failure; it is told that the renewal is overdue,
        once, and that the certificate has expired, once, and both are visible with the reason.
        """
        self.run_now(self._test_until_the_end())

    async def _test_until_the_end(self) -> None:
        world = RenewalWorld(self.database, lambda uuid: True)
        expiry = NOW + 34 * _DAY
        await world.add_fleet(expiries(4, expiry))
        await world.pass_hours(60 * 24)
        for uuid, tries in world.tries.items():
            end = world.certificates[uuid].not_after
            waits = [(b - a) / _HOUR for a, b in pairwise(tries)]
            self.assertEqual(waits[:7], [1, 2, 4, 8, 16, 24, 24])
            daily = [wait for wait in waits if wait == 24]
            self.assertGreater(len(daily), 20)
            # Within the last hour the world looks no more before the end.
            last = max(at for at in tries if at < end)
            self.assertLess(end - last, 2 * _HOUR)
            self.assertLess(len([at for at in tries if end - _DAY < at < end]), 9)
            self.assertLess(max(tries), end + 2 * _HOUR)
        expired = await world.listed(CertificateState.EXPIRED)
        self.assertEqual(len(expired), 4)
        self.assertEqual({one.state for one in expired}, {CertificateState.EXPIRED})
        self.assertEqual({one.watched.assignment.status for one in expired}, {"failed"})
        self.assertEqual(
            {one.reason for one in expired}, {f"{ERROR}; the proxy recorded: {REFUSAL}"}
        )
        told = await world.told()
        for action in ("certificate renewal overdue", "certificate expired"):
            subjects = sorted(subject for found, subject in told if found == action)
            self.assertEqual(subjects, [f"H-{number}/{PROFILE}" for number in range(4)])
        self.assertEqual(len(told), 8)

    def test_granted_at_last(self) -> None:
        """
        When the CA changes its mind, the next try brings the certificate, and the case is over.
        """
        self.run_now(self._test_granted_at_last())

    async def _test_granted_at_last(self) -> None:
        refused_until = NOW + 4 * _DAY
        world = RenewalWorld(self.database, lambda uuid: world.now() < refused_until)
        # Due by now, whatever the jitter.
        await world.add_fleet([NOW + 27 * _DAY])
        await world.pass_hours(84)
        (overdue,) = await world.listed(CertificateState.OVERDUE)
        self.assertIn("renewing (", overdue.reason)
        await world.pass_hours(36)
        self.assertEqual(await world.listed(CertificateState.OVERDUE), [])
        self.assertEqual(await world.listed(CertificateState.EXPIRING), [])
        (current,) = await world.listed(CertificateState.CURRENT)
        self.assertEqual((current.reason, current.watched.assignment.status), ("", "verified"))
        self.assertEqual(await world.told(), [("certificate renewal overdue", f"H-0/{PROFILE}")])


class OutageTests(FleetCase):
    """
    Certificates whose CA is out when they are to be renewed.
    """

    def test_outage(self) -> None:
        """
        The renewal is held and counts no attempt; when its time is short it is overdue because of
        the outage, and is done once the CA is back.
        """
        self.run_now(self._test_outage())

    async def _test_outage(self) -> None:
        world = RenewalWorld(self.database)
        await world.add_fleet([NOW + 27 * _DAY])
        out = Breaker(CA, BreakerState.OPEN, 5, NOW, reason="it is down")
        await world.breaker_store.change(CA, lambda old: out)
        await world.pass_hours(84)
        self.assertEqual(world.tries, {})
        (found,) = await world.listed(CertificateState.OVERDUE)
        said = "certificate authority unreachable since 2026-06-01T12:00:00Z: it is down"
        row = found.watched.assignment
        self.assertEqual((found.reason, row.detail, row.attempts), (said, said, 0))
        self.assertEqual(await world.told(), [("certificate renewal overdue", f"H-0/{PROFILE}")])
        await world.breaker_store.change(CA, lambda old: Breaker(CA))
        await world.pass_hours(1)
        self.assertEqual(len(world.tries["H-0"]), 1)
        self.assertEqual(await world.listed(CertificateState.OVERDUE), [])
