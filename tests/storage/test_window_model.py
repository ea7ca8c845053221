"""
Tests of the enrollment window against a model that was written from the specification alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from scepd.model import Admission, Reservation, WindowOutcome
from scepd.ports import SignedBy
from scepd.storage.assignments import SQLAssignmentStore
from scepd.storage.enrollment import SQLEnrollmentStore
from scepd.storage.tables import enrollment_window, scep_exchange
from tests.storage import records
from tests.storage.base import reserve
from tests.storage.inline import InlineDatabase
from tests.storage.records import NOON

SIGNERS = (SignedBy("aa", "1"), SignedBy("bb", "1"), SignedBy("aa", "2"), SignedBy("", ""))


@dataclass
class ModelWindow:
    """
    The one live window, in the words of the specification.
    """

    id: str
    deadline: datetime
    admits: SignedBy | str = "anybody"
    holder: str | None = None
    held_until: datetime = NOON

    @property
    def state(self) -> str:
        """
        The word that is stored for it.
        """
        if self.holder is not None:
            return "reserved"
        return "open" if self.admits == "anybody" else "locked"

    def ask(self, exchange_id: str, now: datetime, signed_by: SignedBy | None) -> Reservation:
        """
        What an exchange is told that would hold the window for a minute.
        """
        if now > self.deadline:
            return Reservation(Admission.CLOSED, self.id)
        if self.holder not in (None, exchange_id) and now < self.held_until:
            return Reservation(Admission.BUSY, self.id)
        if self.admits != "anybody" and signed_by is None:
            pair = self.admits if isinstance(self.admits, SignedBy) else SignedBy("", "")
            return Reservation(
                Admission.LOCKED, self.id, pair.signer_key_sha256, pair.transaction_id
            )
        if self.admits not in ("anybody", signed_by):
            return Reservation(Admission.CLOSED, self.id)
        self.holder, self.held_until = exchange_id, now + timedelta(minutes=1)
        return Reservation(Admission.ADMITTED, self.id)

    def settle(
        self, exchange_id: str, at: datetime, outcome: WindowOutcome, signed_by: SignedBy | None
    ) -> None:
        """
        What the end of an exchange leaves.
        """
        if self.holder != exchange_id:
            return
        self.holder = None
        if outcome is not WindowOutcome.REOPEN:
            named = signed_by is not None and signed_by.signer_key_sha256
            self.admits = signed_by if named and signed_by else "nobody"
        if outcome is WindowOutcome.LOCK_PENDING:
            self.deadline = at + timedelta(days=7)


exchange_ids = st.sampled_from(["x-1", "x-2", "x-3"])
signers = st.sampled_from([None, *SIGNERS])
pauses = st.sampled_from([0, 1, 59, 60, 1800, 3600, 7 * 24 * 3600]).map(
    lambda seconds: timedelta(seconds=seconds)
)
asks = st.tuples(st.just("ask"), pauses, exchange_ids, signers)
settlements = st.tuples(
    st.just("settle"), pauses, exchange_ids, signers, st.sampled_from(WindowOutcome)
)
openings = st.tuples(st.just("open"), pauses)
steps = st.lists(st.one_of(asks, asks, settlements, openings), max_size=25)


class WindowModelTests(SynchronousTestCase):
    """
    Store and model agree, whatever happens in whatever order.
    """

    def setUp(self) -> None:
        """
        Put the stores on a database in memory.
        """
        self.database = InlineDatabase()
        self.addCleanup(self.database.engine.dispose)
        self.enrollment = SQLEnrollmentStore(self.database)
        self.assignments = SQLAssignmentStore(self.database)

    @settings(max_examples=150, deadline=None)
    @given(steps)
    def test_agree(self, steps: list[tuple[object, ...]]) -> None:
        """
        Every answer of the store is the model's.
        """
        with self.database.engine.begin() as connection:
            connection.execute(delete(enrollment_window))
        self.now, self.count = NOON, 0
        self.model: ModelWindow | None = None
        for kind, pause, *arguments in steps:
            assert isinstance(pause, timedelta)
            self.now += pause
            self.count += 1
            getattr(self, f"step_{kind}")(*arguments)
            self.check_states()

    def check_states(self) -> None:
        """
        The one window that is not closed is stored in the model's state.
        """
        stored = select(enrollment_window.c.id, enrollment_window.c.state)
        with self.database.engine.begin() as connection:
            found = {row.id: row.state for row in connection.execute(stored)}
        live = {id: state for id, state in found.items() if state != "closed"}
        self.assertEqual(live, {} if self.model is None else {self.model.id: self.model.state})

    def step_open(self) -> None:
        """
        A delivery opens a fresh window.
        """
        window = records.window(
            f"w-{self.count}", opened_at=self.now, deadline=self.now + timedelta(hours=1)
        )
        self.successResultOf(Deferred.fromCoroutine(self.assignments.open_window(window)))
        self.model = ModelWindow(window.id, window.deadline)

    def step_ask(self, exchange_id: str, signed_by: SignedBy | None) -> None:
        """
        An exchange asks for the window.
        """
        asked = reserve(self.enrollment, exchange_id=exchange_id, now=self.now, signed_by=signed_by)
        expected = Reservation(Admission.CLOSED)
        if self.model is not None:
            expected = self.model.ask(exchange_id, self.now, signed_by)
        self.assertEqual(self.successResultOf(Deferred.fromCoroutine(asked)), expected)

    def step_settle(
        self, exchange_id: str, signed_by: SignedBy | None, outcome: WindowOutcome
    ) -> None:
        """
        An exchange ends. Ids come again here, so that the record of the last one has to go.
        """
        with self.database.engine.begin() as connection:
            connection.execute(delete(scep_exchange))
        exchange = records.exchange(exchange_id, started_at=self.now)
        ended = self.enrollment.settle_window(exchange, outcome, signed_by)
        self.successResultOf(Deferred.fromCoroutine(ended))
        if self.model is not None:
            self.model.settle(exchange_id, self.now, outcome, signed_by)
