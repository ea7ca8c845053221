"""
Tests of profiles and their hosts against devices that do as they are told: whatever changes in
whatever order, each device ends with exactly the profiles that are meant for it.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace
from itertools import count
from typing import TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from scepd.model import Profile, QueuedCommand, Targets
from scepd.profiles.lifecycle import Event
from scepd.storage.assignments import SQLAssignmentStore
from scepd.storage.checkins import SQLCheckInStore
from scepd.storage.commands import SQLCommandStore
from scepd.storage.delivery import SQLDeliveryStore
from scepd.storage.host_changes import SQLHostChangeStore
from scepd.storage.hosts import SQLHostStore
from scepd.storage.leases import SQLLeaseStore
from scepd.storage.profiles import SQLProfileStore
from scepd.storage.tables import metadata
from tests.storage import records
from tests.storage.inline import InlineDatabase
from tests.storage.records import NOON

T = TypeVar("T")

HOSTS = ("H-1", "H-2")
LABELS = ("x", "y")

hosts = st.sampled_from(HOSTS)
identifiers = st.sampled_from(("p", "q"))
targets = st.sampled_from(
    (
        Targets(),
        Targets(("x",)),
        Targets(("x", "y")),
        Targets((), ("x", "y")),
        Targets((), (), ("x",)),
    )
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), identifiers, targets),
        st.tuples(st.just("replace"), identifiers),
        st.tuples(st.just("aim"), identifiers, targets),
        st.tuples(st.just("remove"), identifiers),
        st.tuples(st.just("sweep")),
        st.tuples(st.just("label"), hosts, st.sampled_from(LABELS), st.booleans()),
        st.tuples(st.just("deliver"), hosts, st.booleans()),
        st.tuples(st.just("enroll"), hosts),
        st.tuples(st.just("leave"), hosts),
    ),
    min_size=3,
    max_size=20,
)


class TargetModelTests(SynchronousTestCase):
    """
    Two devices and two identifiers; changes reach one host in a step.
    """

    def setUp(self) -> None:
        """
        Put the stores on a database in memory.
        """
        self.database = InlineDatabase()
        self.addCleanup(self.database.engine.dispose)
        self.profiles = SQLProfileStore(self.database, step=1)
        self.host_changes = SQLHostChangeStore(self.database)
        self.hosts = SQLHostStore(self.database)
        self.assignments = SQLAssignmentStore(self.database)
        self.checkins = SQLCheckInStore(self.database)
        self.commands = SQLCommandStore(self.database)
        self.delivery = SQLDeliveryStore(self.database, now=lambda: NOON)
        self.leases = SQLLeaseStore(self.database, lambda: NOON)

    def done(self, work: Awaitable[T]) -> T:
        """
        Do what never waits.
        """

        async def run() -> T:
            return await work

        return self.successResultOf(Deferred.fromCoroutine(run()))

    @settings(max_examples=30, deadline=None)
    @given(steps)
    def test_converges(self, steps: list[tuple[object, ...]]) -> None:
        """
        When all steps are made and all commands delivered, devices and targets agree.
        """
        with self.database.engine.begin() as connection:
            for table in reversed(metadata.sorted_tables):
                connection.execute(delete(table))
        self.ids = count()
        # What each device has: the SHA-256 of the content by identifier; None: it is not enrolled.
        self.devices: dict[str, dict[str, str] | None] = {}
        for host in HOSTS:
            self.step_enroll(host)
        self.step_add("p", Targets())
        for host in HOSTS:
            # The answer of the second one is lost.
            self.step_deliver(host, acknowledge=host == HOSTS[0])
        for kind, *arguments in steps:
            getattr(self, f"step_{kind}")(*arguments)
        self.finish()
        expected = {host: self.meant_for(host) for host in HOSTS if self.devices[host] is not None}
        found = {host: held for host, held in self.devices.items() if held is not None}
        self.assertEqual(found, expected)
        for host in expected:
            rows = self.done(self.assignments.assignments_of_host(host))
            self.assertEqual({row.operation for row in rows} - {"install"}, set())

    def meant_for(self, host_uuid: str) -> dict[str, str]:
        """
        What a host should have.
        """
        host = self.done(self.hosts.host(host_uuid))
        assert host is not None
        profiles = self.done(self.profiles.profiles())
        return {one.identifier: one.sha256 for one in profiles if one.targets.include(host.labels)}

    def finish(self) -> None:
        """
        Make all steps, and deliver to all devices.
        """
        while any(self.step_sweep() for _ in range(2)):
            pass
        for host, held in self.devices.items():
            if held is not None:
                self.step_deliver(host, acknowledge=True)

    # -- what happens ------------------------------------------------------------------------------

    def step_add(self, identifier: str, targets: Targets) -> None:
        """
        A profile is uploaded, if there is none of that identifier.
        """
        if self.profile(identifier) is not None:
            return
        number = next(self.ids)
        new = records.profile(
            f"a-{number}", identifier=identifier, sha256=f"content-{number}", targets=targets
        )
        self.done(self.profiles.add_profile(new, records.activity()))

    def step_replace(self, identifier: str) -> None:
        """
        A profile gets other content.
        """
        known = self.profile(identifier)
        if known is not None:
            sha256 = f"content-{next(self.ids)}"
            new = records.profile(known.uuid, identifier=identifier, sha256=sha256)
            self.done(self.profiles.replace_profile(new, records.activity()))

    def step_aim(self, identifier: str, targets: Targets) -> None:
        """
        A profile is aimed at other hosts.
        """
        known = self.profile(identifier)
        if known is not None:
            self.done(self.profiles.set_targets(known.uuid, targets, records.activity()))

    def step_remove(self, identifier: str) -> None:
        """
        A profile is removed.
        """
        known = self.profile(identifier)
        if known is not None:
            self.done(self.profiles.remove_profile(known.uuid, records.activity()))

    def step_sweep(self) -> bool:
        """
        A change reaches one more host.
        """
        for uuid in self.done(self.profiles.unfinished_sweeps())[:1]:
            self.done(self.profiles.advance_sweep(uuid, NOON))
            return True
        return False

    def step_label(self, host: str, label: str, added: bool) -> None:
        """
        A host gets a label, or loses it.
        """
        add, remove = ((label,), ()) if added else ((), (label,))
        self.done(self.host_changes.change_labels(host, add, remove, records.activity()))

    def step_enroll(self, host: str) -> None:
        """
        A device is wiped and enrolls.
        """
        self.devices[host] = {}
        identity = f"id-{next(self.ids)}"
        enrollment = records.enrollment(host)
        new = records.host(host, labels=())
        self.done(self.checkins.authenticate(new, enrollment, identity))
        self.done(self.checkins.update_token(host, records.address(), NOON, NOON))

    def step_leave(self, host: str) -> None:
        """
        A device leaves; without MDM it has nothing of ours.
        """
        self.devices[host] = None
        self.done(self.checkins.check_out(host, NOON))

    def step_deliver(self, host: str, acknowledge: bool) -> None:
        """
        What is due is queued, and a device takes all its commands; or only the first one, and its
        answer is lost.
        """
        lease = self.done(self.leases.take_lease("tick", "one", 60))
        assert lease is not None
        due = self.done(self.delivery.due_rows(None, NOON, 100))
        pairs = [
            (row, replace(records.delivery_of(row, NOON), uuid=f"c-{next(self.ids)}"))
            for row in due
        ]
        self.done(self.delivery.queue_deliveries(pairs, lease, NOON))
        while command := self.done(self.commands.next_command(host, after_not_now=False)):
            if self.take(host, command) and not acknowledge:
                return
            told = records.event(Event.ACKNOWLEDGED, host, str(command.profile_uuid))
            self.done(self.commands.finish(command.uuid, host, "Acknowledged", "", NOON, told))

    def take(self, host: str, command: QueuedCommand) -> bool:
        """
        A device is handed a command, and does it.
        """
        held, uuid = self.devices[host], str(command.profile_uuid)
        if held is None:
            return False
        profile = self.done(self.profiles.profile(uuid))
        if command.request_type == "InstallProfile" and profile is None:
            # As the service does with a profile that can't be rendered any more.
            failed = records.event(Event.RESOLUTION_FAILED, host, uuid, "gone")
            self.done(self.commands.finish(command.uuid, host, "cancelled", "", NOON, failed))
            return False
        if not self.done(self.commands.hand_over(command.uuid, NOON, None)):
            return False
        row = self.done(self.assignments.assignment(host, uuid))
        assert row is not None
        if command.request_type == "RemoveProfile":
            held.pop(row.profile_identifier, None)
        elif profile is not None:
            held[profile.identifier] = profile.sha256
        return True

    def profile(self, identifier: str) -> Profile | None:
        """
        The profile of an identifier.
        """
        profiles = self.done(self.profiles.profiles())
        return next((one for one in profiles if one.identifier == identifier), None)
