"""
What every database must do with enrollment windows.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from scepd.model import Admission, Reservation, WindowOutcome, WindowState
from scepd.ports import SignedBy, Subject
from tests.storage import records
from tests.storage.base import SUBJECT, StorageTestCase, reserve
from tests.storage.records import HOUR, NOON, SECOND

ALICE = SignedBy("aa" * 32, "1A+/=")
OTHERS = (
    SignedBy("aa" * 32, "2B"),
    SignedBy("bb" * 32, "1A+/="),
    SignedBy("", ""),
    SignedBy("", "1A+/="),
)
MINUTE = timedelta(minutes=1)
LATER = NOON + 10 * MINUTE


class WindowContract(StorageTestCase):
    """
    The windows of EnrollmentStore.
    """

    async def ask(
        self,
        id: str = "x-1",
        now: datetime = NOON,
        signed_by: SignedBy | None = None,
    ) -> Reservation:
        """
        What the window says to an exchange that would hold it for a minute.
        """
        return await reserve(self.enrollment, SUBJECT, id, now, signed_by)

    async def said(
        self, id: str = "x-1", now: datetime = NOON, signed_by: SignedBy | None = None
    ) -> Admission:
        """
        The admission of :meth:`ask`.
        """
        return (await self.ask(id, now, signed_by)).admission

    async def settle(
        self,
        outcome: WindowOutcome,
        signed_by: SignedBy | None = None,
        id: str = "x-1",
        at: datetime = NOON,
    ) -> None:
        """
        End an exchange.
        """
        exchange = records.exchange(id, started_at=at)
        await self.enrollment.settle_window(exchange, outcome, signed_by)

    async def lock(self, outcome: WindowOutcome = WindowOutcome.LOCK) -> None:
        """
        Open a window and lock it to ALICE.
        """
        await self.assignments.open_window(records.window())
        await self.ask("x-0")
        await self.settle(outcome, ALICE, "x-0")

    async def test_no_window(self) -> None:
        """
        Without a window none is to be had.
        """
        self.assertEqual(await self.ask(), Reservation(Admission.CLOSED))

    async def test_of_this_subject(self) -> None:
        """
        A window speaks for its own host, profile and certificate authority.
        """
        await self.assignments.open_window(records.window())
        for subject in (
            Subject("H-2", "a-1", "corp"),
            Subject("H-1", "a-2", "corp"),
            Subject("H-1", "a-1", "other"),
        ):
            answer = await reserve(self.enrollment, subject)
            self.assertEqual(answer, Reservation(Admission.CLOSED))

    async def test_reserved(self) -> None:
        """
        An open window is reserved for the first, and the second is told that it is busy.
        """
        await self.assignments.open_window(records.window())
        self.assertEqual(await self.ask("x-1"), Reservation(Admission.ADMITTED, "w-1"))
        self.assertEqual(await self.ask("x-2"), Reservation(Admission.BUSY, "w-1"))
        self.assertEqual(await self.ask("x-2", signed_by=ALICE), Reservation(Admission.BUSY, "w-1"))

    async def test_asked_twice(self) -> None:
        """
        An exchange that asks again is not in its own way.
        """
        await self.assignments.open_window(records.window())
        self.assertEqual(await self.said("x-1"), Admission.ADMITTED)
        self.assertEqual(await self.said("x-1"), Admission.ADMITTED)

    async def test_reservation_runs_out(self) -> None:
        """
        At the end of its reservation an open window is free, and the one that is late gives back
        nothing.
        """
        await self.assignments.open_window(records.window())
        await self.ask("x-1")
        end = NOON + MINUTE
        self.assertEqual(await self.said("x-2", end - SECOND), Admission.BUSY)
        self.assertEqual(await self.said("x-2", end), Admission.ADMITTED)
        await self.settle(WindowOutcome.REOPEN, id="x-1")
        self.assertEqual(await self.said("x-3", end + SECOND), Admission.BUSY)
        self.assertEqual([one.id for one in await self.enrollment.exchanges()], ["x-1"])

    async def test_deadline(self) -> None:
        """
        A window admits until its deadline and not after it, whether open, reserved or locked.
        """
        end = NOON + HOUR
        late = end + timedelta(microseconds=1)
        await self.assignments.open_window(records.window())
        self.assertEqual(await self.ask("x-1", late), Reservation(Admission.CLOSED, "w-1"))
        self.assertEqual(await self.said("x-1", end), Admission.ADMITTED)
        self.assertEqual(await self.said("x-2", late), Admission.CLOSED)
        await self.settle(WindowOutcome.LOCK, ALICE, at=end)
        self.assertEqual(await self.said("x-2", late, ALICE), Admission.CLOSED)

    async def test_reopened(self) -> None:
        """
        REOPEN leaves an open window that anybody may have.
        """
        await self.assignments.open_window(records.window())
        await self.ask("x-1")
        await self.settle(WindowOutcome.REOPEN, ALICE)
        self.assertEqual(await self.said("x-2"), Admission.ADMITTED)

    async def test_locked(self) -> None:
        """
        A locked window tells whom it admits to who does not say, admits that pair, and nobody else.
        """
        await self.lock()
        locked = Reservation(Admission.LOCKED, "w-1", ALICE.signer_key_sha256, ALICE.transaction_id)
        self.assertEqual(await self.ask("x-1"), locked)
        for other in OTHERS:
            answer = await self.ask("x-1", signed_by=other)
            self.assertEqual(answer, Reservation(Admission.CLOSED, "w-1"))
        answer = await self.ask("x-1", signed_by=ALICE)
        self.assertEqual(answer, Reservation(Admission.ADMITTED, "w-1"))

    async def test_locked_is_reserved(self) -> None:
        """
        A locked window that is reserved is busy, even for the pair it admits.
        """
        await self.lock()
        await self.ask("x-1", signed_by=ALICE)
        self.assertEqual(await self.said("x-2", signed_by=ALICE), Admission.BUSY)

    async def test_locked_reopens_locked(self) -> None:
        """
        REOPEN of a window that was locked leaves it locked to the same pair.
        """
        await self.lock()
        await self.ask("x-1", signed_by=ALICE)
        await self.settle(WindowOutcome.REOPEN)
        self.assertEqual(await self.said("x-2"), Admission.LOCKED)
        self.assertEqual(await self.said("x-2", signed_by=ALICE), Admission.ADMITTED)

    async def test_locked_reservation_runs_out(self) -> None:
        """
        A reservation of a locked window that ran out leaves it locked as it was.
        """
        await self.lock()
        await self.ask("x-1", signed_by=ALICE)
        self.assertEqual(await self.said("x-2", LATER), Admission.LOCKED)
        self.assertEqual(await self.said("x-2", LATER, OTHERS[0]), Admission.CLOSED)
        self.assertEqual(await self.said("x-2", LATER, ALICE), Admission.ADMITTED)

    async def test_locked_to_nobody(self) -> None:
        """
        LOCK without a signer admits nobody, not even one that signs with nothing.
        """
        await self.assignments.open_window(records.window())
        await self.ask("x-1")
        await self.settle(WindowOutcome.LOCK)
        self.assertEqual(await self.ask("x-2"), Reservation(Admission.LOCKED, "w-1", "", ""))
        for other in (*OTHERS, ALICE):
            self.assertEqual(await self.said("x-2", signed_by=other), Admission.CLOSED)

    async def test_lock_pending(self) -> None:
        """
        LOCK_PENDING locks and lets the pair ask for 7 days from the exchange.
        """
        await self.lock(WindowOutcome.LOCK_PENDING)
        end = NOON + timedelta(days=7)
        self.assertEqual(await self.said("x-1", end), Admission.LOCKED)
        self.assertEqual(await self.said("x-1", end, ALICE), Admission.ADMITTED)
        self.assertEqual(await self.said("x-2", end + SECOND, ALICE), Admission.CLOSED)

    async def test_lock_keeps_deadline(self) -> None:
        """
        LOCK leaves the deadline where it was, also after LOCK_PENDING.
        """
        await self.lock(WindowOutcome.LOCK_PENDING)
        await self.ask("x-1", signed_by=ALICE)
        await self.settle(WindowOutcome.LOCK, ALICE)
        self.assertEqual(
            await self.said("x-2", NOON + timedelta(days=7), ALICE), Admission.ADMITTED
        )

    async def test_replaced_while_reserved(self) -> None:
        """
        An exchange that ends after its window was replaced changes neither the old nor the new one.
        """
        await self.assignments.open_window(records.window())
        await self.ask("x-1")
        await self.assignments.open_window(records.window("w-2"))
        await self.settle(WindowOutcome.LOCK, ALICE)
        self.assertEqual(await self.ask("x-2"), Reservation(Admission.ADMITTED, "w-2"))
        self.assertEqual([one.id for one in await self.enrollment.exchanges()], ["x-1"])

    async def test_stored_as_given(self) -> None:
        """
        A window that is stored locked is locked.
        """
        locked = records.window(
            state=WindowState.LOCKED,
            signer_key_sha256=ALICE.signer_key_sha256,
            transaction_id=ALICE.transaction_id,
        )
        await self.assignments.open_window(locked)
        self.assertEqual(await self.said(), Admission.LOCKED)
        self.assertEqual(await self.said(signed_by=ALICE), Admission.ADMITTED)
