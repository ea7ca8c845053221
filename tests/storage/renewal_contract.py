"""
What every database must do with renewals.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from scepd.errors import Conflict
from scepd.model import (
    Alarm,
    CertificateCounts,
    CertificateQuery,
    CertificateState,
    HostProfile,
    OverdueCase,
    WatchedCertificate,
)
from scepd.profiles.lifecycle import Event
from tests.storage import records
from tests.storage.base import StorageTestCase
from tests.storage.records import HOUR, NOON, SECOND

DAY = timedelta(days=1)
_AGAIN = (HOUR, DAY)


class RenewalCase(StorageTestCase):
    """
    Hosts with certificates. Each certificate is valid for a year from noon, and to be renewed after
    300 days.
    """

    async def verified(
        self, uuid: str = "a-1", host_uuid: str = "H-1", **certificate: object
    ) -> None:
        """
        A verified assignment of a profile to an enrolled host, with a certificate.
        """
        if await self.hosts.host(host_uuid) is None:
            await self.enroll(host_uuid)
        if await self.profiles.profile(uuid) is None:
            await self.add_corp_profile(uuid)
        await self.assignments.assign(
            records.assignment(host_uuid, uuid, status="verified", delivered_at=NOON)
        )
        await self.see(f"of-{uuid}", uuid, host_uuid, **certificate)

    async def see(
        self, sha1: str, uuid: str = "a-1", host_uuid: str = "H-1", **certificate: object
    ) -> None:
        """
        An inventory shows a certificate.
        """
        seen = records.certificate(sha1, profile_uuid=uuid, host_uuid=host_uuid, **certificate)
        await self.verification.prove(host_uuid, [seen], [], seen.first_seen)

    async def happen(self, event: Event, days: float = 0, detail: str = "") -> None:
        """
        An event happens to the assignment of a-1 to H-1, so many days after noon.
        """
        one = records.event(event, detail=detail)
        await self.delivery.happen([one], NOON + days * DAY, None)

    async def due(self, days: float, limit: int = 10) -> list[tuple[str, str]]:
        """
        What is due so many days after noon.
        """
        return list(await self.renewals.due_renewals(NOON + days * DAY, _AGAIN, limit))

    async def renewed(self, days: float) -> list[str]:
        """
        The profiles that are renewed so many days after noon.
        """
        events = await self.renewals.renew(
            await self.due(days), NOON + days * DAY, await self.lease()
        )
        self.assertEqual({one.event for one in events} - {Event.RENEWAL_DUE}, set())
        return [one.profile_uuid for one in events]

    async def listed(
        self, state: CertificateState, days: float = 0, **query: object
    ) -> list[WatchedCertificate]:
        """
        The certificates in a state so many days after noon; expiring ones do within 30 days.
        """
        now = NOON + days * DAY
        asked = replace(CertificateQuery(state, now, now + 30 * DAY), **query)  # type: ignore[arg-type]
        return list(await self.renewals.watched(asked))

    async def states(self, days: float) -> list[str]:
        """
        The states in which a certificate is listed.
        """
        return [state.value for state in CertificateState if await self.listed(state, days)]


class RenewalContract(RenewalCase):
    """
    What is due, and what begins a renewal.
    """

    async def test_due(self) -> None:
        """
        A renewal is due at its time, once.
        """
        await self.verified()
        self.assertEqual(await self.renewed(299), [])
        self.assertEqual(await self.renewed(300), ["a-1"])
        row = await self.row()
        self.assertEqual((row.status, row.due_at), ("pending", NOON + 300 * DAY))
        self.assertEqual(await self.renewed(301), [])

    async def test_soonest_expiry_first(self) -> None:
        """
        Those that expire first come first, at most so many; they are due in the same order.
        """
        for uuid, days in (("a-1", 30), ("a-2", 10), ("a-3", 20)):
            await self.verified(uuid, not_after=NOON + days * DAY, renew_at=NOON)
        self.assertEqual(await self.due(0, 2), [("H-1", "a-2"), ("H-1", "a-3")])
        self.assertEqual(await self.renewed(0), ["a-2", "a-3", "a-1"])
        rows = await self.delivery.due_rows("corp", NOON + SECOND, 10)
        self.assertEqual([row.profile_uuid for row in rows], ["a-2", "a-3", "a-1"])

    async def test_newest_counts(self) -> None:
        """
        Only the newest certificate of a profile brings a renewal, in whatever order they came.
        """
        await self.verified()
        await self.see("old", not_before=NOON - DAY, renew_at=NOON)
        self.assertEqual(await self.due(299), [])
        await self.see("new", not_before=NOON + DAY, renew_at=NOON + 400 * DAY)
        self.assertEqual(await self.due(399), [])
        self.assertEqual(await self.renewed(400), ["a-1"])

    async def test_retired(self) -> None:
        """
        A certificate before the newest counts no more, whenever it was seen, also when it is seen
        again.
        """
        await self.verified()
        await self.see("older", not_before=NOON - DAY, first_seen=NOON + HOUR)
        await self.see("new", not_before=NOON + DAY, first_seen=NOON + DAY)
        await self.see("of-a-1", first_seen=NOON + 2 * DAY)
        found = await self.verification.certificates("H-1", retired=True)
        self.assertEqual(
            [(one.sha1, one.retired_at) for one in found],
            [("new", None), ("of-a-1", NOON + DAY), ("older", NOON + HOUR)],
        )
        self.assertEqual([one.sha1 for one in await self.verification.certificates("H-1")], ["new"])

    async def test_other_profiles(self) -> None:
        """
        Each profile has a certificate of its own.
        """
        await self.verified("a-1")
        await self.verified("a-2", not_before=NOON + DAY)
        found = await self.verification.certificates("H-1")
        self.assertEqual([one.sha1 for one in found], ["of-a-2", "of-a-1"])

    async def test_settled_only(self) -> None:
        """
        What is on its way already, or to be removed, is not renewed.
        """
        await self.verified()
        for changes in (
            {"status": "pending"},
            {"status": "verifying"},
            {"status": "verified", "operation": "remove"},
            # Its new content has no certificate.
            {"status": "verified", "ca_name": None},
            {"status": "failed", "operation": "remove"},
        ):
            await self.assignments.assign(records.assignment(**changes))
            self.assertEqual(await self.due(400), [])
            key = [("H-1", "a-1"), ("H-9", "a-1")]
            lease = await self.lease()
            self.assertEqual(await self.renewals.renew(key, NOON + 400 * DAY, lease), [])

    async def test_failed(self) -> None:
        """
        What failed meanwhile is tried again as long as its certificate is good: after a day, and
        after an hour on the last day.
        """
        await self.verified(not_after=NOON + 303 * DAY)
        self.assertEqual(await self.renewed(300), ["a-1"])
        await self.happen(Event.RESOLUTION_FAILED, 300, "no CA")
        self.assertEqual(await self.due(300.9), [])
        self.assertEqual(await self.renewed(301), ["a-1"])
        await self.happen(Event.RESOLUTION_FAILED, 302.5, "no CA")
        self.assertEqual(await self.due(302.52), [])
        self.assertEqual(await self.due(302.55), [("H-1", "a-1")])
        self.assertEqual(await self.due(303), [])

    async def test_expired(self) -> None:
        """
        A verified one is renewed although it has expired.
        """
        await self.verified()
        self.assertEqual(await self.renewed(366), ["a-1"])

    async def test_not_identified(self) -> None:
        """
        A certificate that can't be told is not renewed because of an older one, also when that is
        seen again; it is overdue instead.
        """
        await self.verified()
        await self.assignments.assign(records.assignment(status="verifying", delivered_at=NOON))
        await self.happen(Event.CERTIFICATE_NOT_IDENTIFIED)
        await self.see("of-a-1")
        self.assertEqual(await self.due(400), [])
        self.assertEqual(await self.states(0.16), [])
        self.assertEqual(await self.states(0.17), ["overdue"])
        (found,) = await self.listed(CertificateState.OVERDUE, 1)
        self.assertEqual((found.certificate, found.expires_at), (None, None))

    async def test_lost_lease(self) -> None:
        """
        Who has lost the lease renews nothing, and tells nothing.
        """
        await self.verified()
        lease = await self.lease()
        self.now = NOON + HOUR
        later = NOON + 400 * DAY
        await self.refused(Conflict, self.renewals.renew([("H-1", "a-1")], later, lease))
        cases = await self.renewals.overdue_cases(later, 10)
        await self.refused(Conflict, self.renewals.tell_cases(cases, later, lease))
        self.assertEqual((await self.row()).status, "verified")
        self.assertEqual(len(await self.renewals.overdue_cases(later, 10)), 1)


class RenewalFailureContract(RenewalCase):
    """
    How renewals that fail are tried again.
    """

    async def failed_at(self, days: float) -> HostProfile:
        """
        The row after a failure so many days after noon.
        """
        await self.happen(Event.ERROR_WHILE_CERTIFIED, days, "refused")
        return await self.row()

    async def test_back_off(self) -> None:
        """
        The wait doubles from an hour to a day; the row says how often it failed, and why.
        """
        await self.verified()
        await self.renewed(300)
        waits = []
        for number in range(1, 8):
            row = await self.failed_at(300)
            s = "s" if number > 1 else ""
            self.assertEqual(row.detail, f"renewing ({number} failure{s}): refused")
            self.assertEqual(row.status, "pending")
            assert row.due_at is not None
            waits.append((row.due_at - NOON - 300 * DAY) / HOUR)
        self.assertEqual(waits, [1, 2, 4, 8, 16, 24, 24])

    async def test_before_expiry(self) -> None:
        """
        However often it failed, it is tried again before the certificate expires.
        """
        await self.verified(not_after=NOON + 310 * DAY)
        await self.renewed(300)
        for _ in range(8):
            await self.failed_at(300)
        times = []
        at = 309.0
        while at < 310:
            row = await self.failed_at(at)
            assert row.due_at is not None
            at = (row.due_at - NOON) / DAY
            times.append((at - 309) * 24)
        self.assertEqual([round(hours, 3) for hours in times[:3]], [12, 18, 21])
        tries = [hours for hours in times if hours < 24]
        self.assertGreater(tries[-1], 24 - 3 / 60)
        # At least a minute apart.
        self.assertLess(len(times), 14)

    async def test_expired(self) -> None:
        """
        Of one that has expired the time does not matter any more.
        """
        await self.verified()
        await self.renewed(300)
        row = await self.failed_at(365)
        self.assertEqual(row.due_at, NOON + 365 * DAY + HOUR)


class OverdueContract(RenewalCase):
    """
    What operators see, and what they are told.
    """

    async def told(self, days: float) -> list[tuple[Alarm, bool]]:
        """
        What is told so many days after noon.
        """
        now = NOON + days * DAY
        cases = await self.renewals.overdue_cases(now, 10)
        told = await self.renewals.tell_cases(cases, now, await self.lease())
        self.assertEqual(told, cases)
        return [(case.alarm, case.is_unseen) for case in told]

    async def alarms(self) -> list[tuple[str, str, str]]:
        """
        The activities of scepd itself, oldest first.
        """
        done = [one for one in await self.done() if one.actor == "scepd"]
        return [(one.actor, one.action, one.subject) for one in reversed(done)]

    async def test_states(self) -> None:
        """
        A certificate is current from when it is seen, expiring in its last 30 days, overdue three
        days after its renewal was due, and expired at its end.
        """
        await self.verified(renew_at=NOON + 330 * DAY)
        for days, states in (
            (0, ["current"]),
            (334.9, ["current", "overdue"]),
            (335, ["current", "expiring", "overdue"]),
            (365, ["current", "overdue", "expired"]),
        ):
            self.assertEqual(await self.states(days), states, days)
        self.assertEqual(await self.states(332.9), ["current"])
        self.assertEqual(await self.states(333), ["current", "overdue"])

    async def test_short_lived(self) -> None:
        """
        A renewal is overdue at the latest when half of the time that was left has passed.
        """
        await self.verified(not_after=NOON + 2 * HOUR, renew_at=NOON + HOUR)
        self.assertEqual(await self.listed(CertificateState.OVERDUE, 1.49 / 24), [])
        self.assertEqual(len(await self.listed(CertificateState.OVERDUE, 1.51 / 24)), 1)

    async def test_fields(self) -> None:
        """
        What is listed tells the assignment, the host, the times and the certificate, and those
        before it where they are asked for.
        """
        await self.verified()
        await self.see("new", not_before=NOON + DAY, first_seen=NOON + DAY)
        (found,) = await self.listed(CertificateState.CURRENT)
        new = records.certificate("new", not_before=NOON + DAY, first_seen=NOON + DAY)
        expected = WatchedCertificate(
            await self.row(),
            "C02",
            NOON + 300 * DAY,
            NOON + 365 * DAY,
            NOON + 303 * DAY,
            new,
        )
        self.assertEqual(found, expected)
        (found,) = await self.listed(CertificateState.CURRENT, retired=True)
        old = records.certificate("of-a-1", retired_at=NOON + DAY)
        self.assertEqual(found, replace(expected, retired=(old,)))

    async def test_pages(self) -> None:
        """
        Pages follow one another in the order of expiry, or of being overdue, and may be of one
        host.
        """
        for host_uuid, uuid, days in (
            ("H-1", "a-1", 30),
            ("H-2", "a-1", 10),
            ("H-1", "a-2", 10),
            ("H-3", "a-1", 20),
        ):
            not_after = NOON + days * DAY
            await self.verified(uuid, host_uuid, not_after=not_after, renew_at=NOON)
        expected = [("H-1", "a-2"), ("H-2", "a-1"), ("H-3", "a-1"), ("H-1", "a-1")]
        for state in (CertificateState.CURRENT, CertificateState.OVERDUE):
            found: list[tuple[str, str]] = []
            after: tuple[datetime, str, str] | None = None
            while page := await self.listed(state, 5, limit=1, after=after):
                row = page[0].assignment
                moment = page[0].expires_at
                if state is CertificateState.OVERDUE:
                    moment = page[0].overdue_at
                assert moment is not None
                found.append((row.host_uuid, row.profile_uuid))
                after = (moment, row.host_uuid, row.profile_uuid)
            if state is CertificateState.OVERDUE:
                # Three days after they were due, all at one time.
                self.assertEqual(found, sorted(expected))
            else:
                self.assertEqual(found, expected)
        of_host = await self.listed(CertificateState.CURRENT, host_uuid="H-1")
        profiles = [one.assignment.profile_uuid for one in of_host]
        self.assertEqual(profiles, ["a-2", "a-1"])

    async def test_unseen(self) -> None:
        """
        A certificate of a delivery that was acknowledged must be seen within 4 hours; when it is
        seen after all, the case is over.
        """
        await self.hand_over()
        await self.happen(Event.ACKNOWLEDGED)
        self.assertEqual(await self.told(3.9 / 24), [])
        self.assertEqual(await self.states(4 / 24), ["overdue"])
        self.assertEqual(await self.told(4 / 24), [(Alarm.OVERDUE, True)])
        self.assertEqual(await self.told(5 / 24), [])
        await self.see("late", first_seen=NOON + DAY)
        self.assertEqual(await self.states(1), ["current"])
        self.assertEqual(await self.alarms(), [("scepd", "certificate never seen", "H-1/a-1")])

    async def test_just_acknowledged(self) -> None:
        """
        A renewal that is late is no certificate that was never seen, when it was only just
        acknowledged.
        """
        await self.verified()
        for moment, unseen in ((303.0, False), (302.8, True)):
            row = records.assignment(status="verifying", acknowledged_at=NOON + moment * DAY)
            await self.assignments.assign(row)
            (case,) = await self.renewals.overdue_cases(NOON + 303 * DAY, 10)
            self.assertEqual(case.is_unseen, unseen)

    async def test_unseen_again(self) -> None:
        """
        To be delivered again does not take back that a certificate is overdue.
        """
        await self.hand_over()
        await self.happen(Event.ACKNOWLEDGED)
        await self.happen(Event.CERTIFICATE_MISSED_PAST_GRACE, 0.1)
        await self.happen(Event.HANDED_OVER, 0.12)
        await self.happen(Event.ACKNOWLEDGED, 0.15)
        self.assertEqual(await self.states(4 / 24), ["overdue"])

    async def test_without_certificate(self) -> None:
        """
        A profile that needs no certificate is never overdue.
        """
        await self.enroll()
        await self.profiles.add_profile(records.profile(), records.activity())
        await self.queue_due(ca_name=None)
        await self.commands.hand_over("c-a-1-H-1", NOON, None)
        await self.happen(Event.ACKNOWLEDGED)
        self.assertEqual(await self.states(100), [])

    async def test_told_once(self) -> None:
        """
        That a renewal is overdue is told once, and once that the certificate has expired; of the
        next certificate anew.
        """
        await self.verified()
        self.assertEqual(await self.told(302.9), [])
        self.assertEqual(await self.told(303), [(Alarm.OVERDUE, False)])
        self.assertEqual(await self.told(304), [])
        self.assertEqual(await self.told(365), [(Alarm.EXPIRED, False)])
        self.assertEqual(await self.told(400), [])
        await self.see(
            "new",
            not_before=NOON + 400 * DAY,
            not_after=NOON + 500 * DAY,
            first_seen=NOON + 400 * DAY,
            renew_at=NOON + 470 * DAY,
        )
        self.assertEqual(await self.told(472.9), [])
        self.assertEqual(await self.told(473), [(Alarm.OVERDUE, False)])
        self.assertEqual(
            [action for _, action, _ in await self.alarms()],
            [
                "certificate renewal overdue",
                "certificate expired",
                "certificate renewal overdue",
            ],
        )

    async def test_not_told(self) -> None:
        """
        What is over when it comes to be told is not told.
        """
        await self.verified()
        now = NOON + 303 * DAY
        cases = await self.renewals.overdue_cases(now, 10)
        self.assertEqual(cases, [OverdueCase("H-1", "a-1", Alarm.OVERDUE, False, "")])
        await self.see("new", not_before=now, first_seen=now, renew_at=now + DAY)
        told = await self.renewals.tell_cases(cases, now, await self.lease())
        self.assertEqual((told, await self.alarms()), ([], []))

    async def test_counts(self) -> None:
        """
        Certificates are counted by how soon they expire, and by what is wrong.
        """
        for number, days in enumerate((-1, 0, 6, 7, 13, 29, 31)):
            uuid = f"a-{number}"
            not_after, renew_at = NOON + days * DAY, NOON + (days - 6) * DAY
            await self.verified(uuid, not_after=not_after, renew_at=renew_at)
        counts = await self.renewals.certificate_counts(NOON)
        self.assertEqual(counts, CertificateCounts({7: 2, 14: 3, 30: 4}, 2, 2))

    async def test_checked_out(self) -> None:
        """
        The certificates of a host that left are neither renewed nor overdue nor counted; when it
        enrolls anew, those of before count no more.
        """
        await self.verified()
        await self.checkins.check_out("H-1", NOON)
        self.assertEqual(await self.states(400), [])
        self.assertEqual(await self.due(400), [])
        self.assertEqual(await self.told(400), [])
        self.assertEqual(
            await self.renewals.certificate_counts(NOON + 350 * DAY),
            CertificateCounts({7: 0, 14: 0, 30: 0}, 0, 0),
        )
        await self.enroll()
        self.assertEqual(await self.states(400), [])
        self.assertEqual(await self.told(400), [])
        self.assertEqual(await self.verification.certificates("H-1"), [])
        (old,) = await self.verification.certificates("H-1", retired=True)
        self.assertEqual(old.retired_at, NOON)

    async def test_profile_removed(self) -> None:
        """
        The certificates of a profile that is to be removed leave the view, and count no more when
        it is gone.
        """
        await self.verified()
        await self.profiles.remove_profile("a-1", records.activity())
        self.assertEqual(await self.states(400), [])
        self.assertEqual(await self.told(400), [])
        self.assertEqual(len(await self.verification.certificates("H-1")), 1)
        await self.happen(Event.NOT_FOUND_REPORTED, 1)
        self.assertEqual(await self.verification.certificates("H-1"), [])
