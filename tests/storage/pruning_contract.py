"""
What every database must do with records that are old.
"""

from __future__ import annotations

from datetime import timedelta

from scepd.errors import Conflict
from scepd.model import Admission, EnrollmentWindow, Pruned, WindowOutcome
from scepd.ports import Subject
from tests.storage import records
from tests.storage.base import StorageTestCase, reserve
from tests.storage.identity_contract import NEW, OLD, IdentityCase
from tests.storage.records import HOUR, NOON, SECOND

DAY = timedelta(days=1)
YEAR = 365 * DAY


class ExchangePruningContract(StorageTestCase):
    """
    RecordPruning, of exchanges and activities.
    """

    async def add(self, id: str, second: int, **changes: object) -> None:
        """
        An exchange that began so many seconds after noon and was refused.
        """
        whole = {"started_at": NOON + second * SECOND, "pki_status": None} | changes
        await self.enrollment.record_refusal(records.exchange(id, **whole), redeliver=False)

    async def ids(self) -> list[str]:
        """
        The exchanges that are known, newest first.
        """
        return [one.id for one in await self.enrollment.exchanges()]

    async def test_exchanges(self) -> None:
        """
        The oldest go first, so many at a time, whoever they were of; what is younger stays.
        """
        for second, id in enumerate(("x-3", "x-1", "x-2", "x-4")):
            await self.add(id, second, host_uuid=f"H-{id}", window_id=None)
        before, lease = NOON + 3 * SECOND, await self.lease()
        prune = self.pruning.prune_exchanges
        self.assertEqual(await prune(before, 2, lease), Pruned(2, 2))
        self.assertEqual(await self.ids(), ["x-4", "x-2"])
        self.assertEqual(await prune(before, 2, lease), Pruned(1, 1))
        self.assertEqual(await prune(before, 2, lease), Pruned(0, 0))
        self.assertEqual(await self.ids(), ["x-4"])

    async def test_granted(self) -> None:
        """
        That a certificate was granted in a window is known although the exchange is forgotten; one
        that was refused grants nothing, neither then.
        """
        await self.hand_over()
        await self.add("x-0", 0, pki_status="FAILURE")
        await self.pruning.prune_exchanges(NOON + HOUR, 9, await self.lease())
        (found,) = await self.verification.deliveries("H-1")
        self.assertFalse(found.granted)
        await self.enrollment.settle_window(records.exchange(), WindowOutcome.LOCK, None)
        await self.add("x-2", 1)
        await self.pruning.prune_exchanges(NOON + HOUR, 9, await self.lease())
        self.assertEqual(await self.ids(), [])
        (found,) = await self.verification.deliveries("H-1")
        self.assertTrue(found.granted)

    async def test_activities(self) -> None:
        """
        Activities go by their time.
        """
        for second, name in ((2, "late"), (0, "early"), (1, "next")):
            new = records.ca(name)
            at = NOON + second * SECOND
            await self.authorities.add_certificate_authority(new, records.activity(name, at=at))
        prune, lease = self.pruning.prune_activities, await self.lease()
        self.assertEqual(await prune(NOON + 2 * SECOND, 1, lease), Pruned(1, 1))
        self.assertEqual([one.subject for one in await self.done()], ["next", "late"])
        self.assertEqual(await prune(NOON + 2 * SECOND, 9, lease), Pruned(1, 1))
        self.assertEqual([one.subject for one in await self.done()], ["late"])

    async def test_lease_lost(self) -> None:
        """
        Without its lease nobody forgets anything.
        """
        await self.add("x-1", 0)
        lease = await self.lease()
        self.now = NOON + HOUR
        pruning, before = self.pruning, NOON + HOUR
        for prune in (
            pruning.prune_exchanges,
            pruning.prune_windows,
            pruning.prune_activities,
            pruning.prune_certificates,
        ):
            await self.refused(Conflict, prune(before, 9, lease))
        self.assertEqual(await self.ids(), ["x-1"])


class WindowPruningContract(StorageTestCase):
    """
    RecordPruning, of enrollment windows.
    """

    async def open(self, id: str, profile_uuid: str = "a-1", hours: int = 0) -> EnrollmentWindow:
        """
        Open a window so many hours after noon.
        """
        at = NOON + hours * HOUR
        window = records.window(id, profile_uuid=profile_uuid, opened_at=at, deadline=at + HOUR)
        await self.assignments.open_window(window)
        return window

    async def prune(self, hours: float, limit: int = 9) -> Pruned:
        """
        Forget windows whose deadline was so many hours after noon.
        """
        return await self.pruning.prune_windows(NOON + hours * HOUR, limit, await self.lease())

    async def test_last_one_stays(self) -> None:
        """
        The last window of an assignment stays, and what it says of the delivery, however old;
        those before it go.
        """
        await self.hand_over()
        await self.open("w-2", hours=1)
        last = await self.open("w-3", hours=2)
        self.assertEqual(await self.prune(2), Pruned(1, 1))
        self.assertEqual(await self.prune(1000), Pruned(2, 1))
        (found,) = await self.verification.deliveries("H-1")
        self.assertEqual(found.window_opened_at, last.opened_at)

    async def test_put_off(self) -> None:
        """
        One that stayed is looked at again after a month, and goes when another took its place.
        """
        await self.hand_over()
        month = 30 * 24
        self.assertEqual(await self.prune(2), Pruned(1, 0))
        self.assertEqual(await self.prune(2 + month), Pruned(0, 0))
        self.assertEqual(await self.prune(2.1 + month), Pruned(1, 0))
        await self.open("w-2", hours=5000)
        self.assertEqual(await self.prune(4000), Pruned(1, 1))
        self.assertEqual(await self.prune(4000), Pruned(0, 0))

    async def test_without_assignment(self) -> None:
        """
        A window without an assignment goes, also one that nobody closed: it admits nobody.
        """
        for number in range(3):
            await self.open(f"w-{number}", f"p-{number}", hours=number)
        self.assertEqual(await self.prune(3, limit=1), Pruned(1, 1))
        self.assertEqual(await self.prune(3), Pruned(1, 1))
        gone, left = (Subject("H-1", name, "corp") for name in ("p-1", "p-2"))
        told = await reserve(self.enrollment, gone, now=NOON + HOUR)
        self.assertEqual((told.admission, told.window_id), (Admission.CLOSED, None))
        told = await reserve(self.enrollment, left, now=NOON + 3 * HOUR)
        self.assertEqual((told.admission, told.window_id), (Admission.ADMITTED, "w-2"))


class CertificatePruningContract(IdentityCase):
    """
    RecordPruning, of certificates.
    """

    async def add(self, serial: str, days: int, **changes: object) -> None:
        """
        A certificate for no challenge that expires so many days after noon.
        """
        at = NOON + days * DAY
        whole = {"challenge_sha256": None, "not_after": at, "purpose": "other"} | changes
        await self.issuing.issue(records.issued(serial, **whole), NOON)

    async def prune(self, days: int, limit: int = 9) -> Pruned:
        """
        Forget certificates that expired up to so many days after noon.
        """
        lease = await self.lease()
        return await self.pruning.prune_certificates(NOON + days * DAY, limit, lease)

    async def serials(self) -> list[str]:
        """
        The certificates that are known.
        """
        page = await self.certificates.certificate_page(after="", limit=99)
        return sorted(one.serial for one in page)

    async def test_expired(self) -> None:
        """
        Those that expired first go first; the same request and transaction are free again.
        """
        for serial, days in (("0C", 1), ("0A", 2), ("0B", 3), ("0D", 4)):
            await self.add(serial, days)
        self.assertEqual(await self.prune(4, limit=2), Pruned(2, 2))
        self.assertEqual(await self.serials(), ["0B", "0D"])
        self.assertEqual(await self.prune(4, limit=2), Pruned(1, 1))
        self.assertEqual(await self.serials(), ["0D"])
        self.assertIsNone(await self.issuing.issued("request-0C"))
        await self.add("0C", 9, public_key_sha256="k2")
        self.assertEqual(await self.serials(), ["0C", "0D"])

    async def test_revoked(self) -> None:
        """
        A revoked certificate is on the list until it has expired; the number of those that ever
        were revoked never falls, so that nobody takes an old list for the newest.
        """
        await self.ca_states.create_ca_state(records.ca_state("01"))
        for serial, days in (("0A", 1), ("0B", 2), ("0C", 3)):
            await self.add(serial, days, issuer_serial="01")
            await self.certificates.revoke(serial, "superseded", records.activity())
        await self.add("0D", 1, issuer_serial="01")
        self.assertEqual(await self.prune(1), Pruned(0, 0))
        self.assertEqual(await self.certificates.count_revoked("01"), 3)
        self.assertEqual(await self.prune(3), Pruned(3, 3))
        self.assertEqual(await self.certificates.count_revoked("01"), 3)
        left = await self.certificates.revoked("01", NOON)
        self.assertEqual([one.serial for one in left], ["0C"])

    async def test_identity_in_use(self) -> None:
        """
        An identity that its enrollment may still use stays, however long ago it expired, and is put
        off for a month.
        """
        await self.enrolled(not_after=NOON + DAY)
        self.assertEqual(await self.prune(2), Pruned(1, 0))
        self.assertEqual(await self.prune(32), Pruned(0, 0))
        self.assertEqual(await self.prune(33), Pruned(1, 0))
        known = await self.known(OLD)
        self.assertEqual((known.enrollment_id, known.confirmed), ("H-1", True))
        (shown,) = await self.identities.identities("H-1")
        self.assertEqual(shown.serial, "0B")

    async def test_retired_identity(self) -> None:
        """
        One whose place another has taken goes, with its pin; the other one stays.
        """
        await self.renewed()
        self.assertEqual(await self.prune(366), Pruned(2, 1))
        self.assertIsNone(await self.checkins.identity(OLD))
        (shown,) = await self.identities.identities("H-1")
        self.assertEqual((shown.certificate_sha256, shown.serial), (NEW, "0C"))
        known = await self.known(NEW)
        self.assertEqual((known.enrollment_id, known.renews), ("H-1", True))

    async def test_unpinned_identity(self) -> None:
        """
        One whose enrollment ended goes.
        """
        await self.enrolled()
        await self.checkins.check_out("H-1", NOON)
        self.assertEqual(await self.prune(366), Pruned(1, 1))
        self.assertEqual(await self.serials(), [])
