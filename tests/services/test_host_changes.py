"""
Tests for labels and facts that operators tell of hosts.
"""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import Fault, InvalidInput, NotFound
from scepd.model import Activity, Host
from scepd.services.host_changes import FactsLine, HostChanges
from tests.services.ca_certificates import NOW
from tests.support.fakes import FakeHostChanges, FakeHosts

T = TypeVar("T")

EMAIL = "HOST_END_USER_EMAIL_IDP"
NAME = "HOST_END_USER_IDP_FULL_NAME"


class HostChangesTests(SynchronousTestCase):
    """
    Tests for L{HostChanges}.
    """

    def setUp(self) -> None:
        """
        Make the service and three hosts, two of one serial number.
        """
        clock = Clock()
        clock.advance(NOW.timestamp())
        hosts = [
            Host("H-1", "S-1", "macos", ("staff",), {NAME: "Ann"}),
            Host("H-2", "S-2", "macos", (), {}),
            Host("H-3", "S-2", "macos", (), {}),
        ]
        self.hosts = FakeHosts({host.uuid: host for host in hosts})
        self.store = FakeHostChanges(self.hosts)
        self.service = HostChanges(self.store, self.hosts, clock)

    def done(self, work: Coroutine[Deferred[T], object, T]) -> T:
        """
        Do some work of the service.
        """
        return self.successResultOf(Deferred.fromCoroutine(work))

    def faults(self, work: Coroutine[Deferred[T], object, T]) -> tuple[Fault, ...]:
        """
        The faults of some work that is refused; nothing may have changed.
        """
        before = dict(self.hosts.by_uuid)
        error = self.failureResultOf(Deferred.fromCoroutine(work), InvalidInput).value
        self.assertEqual(self.hosts.by_uuid, before)
        self.assertEqual(self.store.activities.records, [])
        faults: tuple[Fault, ...] = error.faults
        return faults

    def test_labels(self) -> None:
        """
        Labels are given and taken, which is an activity.
        """
        host = self.done(self.service.change_labels("H-1", ["vip"], ["staff"], "alice"))
        self.assertEqual(host.labels, ("vip",))
        expected = Activity(NOW, "alice", "changed labels of host", "H-1")
        self.assertEqual(self.store.activities.records, [expected])

    def test_bad_labels(self) -> None:
        """
        All faults come together: automatic labels, odd ones, and one that is given and taken.
        """
        work = self.service.change_labels("H-1", ["os:15", "a"], ["platform:macos", "a"], "alice")
        found = self.faults(work)
        self.assertEqual([fault.field for fault in found], ["add", "remove", "remove"])
        self.assertIn("automatic", found[0].message)
        self.assertIn("automatic", found[1].message)
        self.assertIn("'a'", found[2].message)
        (fault,) = self.faults(self.service.change_labels("H-1", [], [], "alice"))
        self.assertEqual(fault.field, "add")

    def test_facts(self) -> None:
        """
        Facts are set and unset at one time, which is an activity.
        """
        told = {EMAIL: "ann@example.com", NAME: None}
        host = self.done(self.service.change_facts("H-1", told, "alice"))
        self.assertEqual(host.facts, {EMAIL: "ann@example.com"})
        expected = Activity(NOW, "alice", "changed facts of host", "H-1")
        self.assertEqual(self.store.activities.records, [expected])

    def test_bad_facts(self) -> None:
        """
        All faults come together, and nothing is told at all is one.
        """
        found = self.faults(self.service.change_facts("H-1", {EMAIL: "ann", "x": "y"}, "alice"))
        self.assertEqual([fault.field for fault in found], [EMAIL, "x"])
        (fault,) = self.faults(self.service.change_facts("H-1", {}, "alice"))
        self.assertEqual(fault.field, "facts")

    def test_no_host(self) -> None:
        """
        A host that is not there is told.
        """
        for work in (
            self.service.change_labels("none", ["a"], [], "alice"),
            self.service.change_facts("none", {NAME: "x"}, "alice"),
        ):
            self.failureResultOf(Deferred.fromCoroutine(work), NotFound)

    def lines(self, *facts: tuple[str, Mapping[str, str | None]]) -> list[FactsLine]:
        """
        Lines from the second on.
        """
        return [FactsLine(number, *one) for number, one in enumerate(facts, 2)]

    def test_import(self) -> None:
        """
        Hosts are named by uuid or serial number; it is one activity.
        """
        lines = self.lines(("S-1", {EMAIL: "ann@example.com"}), ("H-2", {NAME: "Bob"}))
        self.assertEqual(self.done(self.service.import_facts(lines, "alice", only_check=False)), 2)
        self.assertEqual(self.hosts.by_uuid["H-1"].facts, {EMAIL: "ann@example.com", NAME: "Ann"})
        self.assertEqual(self.hosts.by_uuid["H-2"].facts, {NAME: "Bob"})
        expected = Activity(NOW, "alice", "imported facts", "2 hosts")
        self.assertEqual(self.store.activities.records, [expected])

    def test_only_check(self) -> None:
        """
        A check of good lines changes nothing.
        """
        lines = self.lines(("S-1", {EMAIL: "ann@example.com"}))
        self.assertEqual(self.done(self.service.import_facts(lines, "alice", only_check=True)), 0)
        self.assertNotIn(EMAIL, self.hosts.by_uuid["H-1"].facts)

    def test_bad_lines(self) -> None:
        """
        The faults of all lines are told by their numbers, and no line counts.
        """
        lines = self.lines(
            ("H-1", {EMAIL: "ann@example.com"}),
            ("none", {EMAIL: "x@y"}),
            ("S-2", {EMAIL: "x@y"}),
            ("H-3", {EMAIL: "x", "y": "z"}),
            ("S-1", {NAME: "x"}),
        )
        found = self.faults(self.service.import_facts(lines, "alice", only_check=False))
        self.assertEqual(
            [fault.field for fault in found],
            ["line 3", "line 4", f"line 5, {EMAIL}", "line 5, y", "line 5", "line 6"],
        )
        self.assertIn("no host of this UUID or serial number", found[0].message)
        self.assertIn("2 hosts have this serial number", found[1].message)
        self.assertIn("Line 2 is about the same host", found[-1].message)

    def test_number_of_lines(self) -> None:
        """
        No lines, and too many, are refused.
        """
        for lines in ([], self.lines(("H-1", {NAME: "x"})) * 501):
            (fault,) = self.faults(self.service.import_facts(lines, "alice", only_check=True))
            self.assertEqual(fault.field, "lines")
