"""
Tests for the profile processor.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import StorageUnavailable
from scepd.metrics import Metrics
from scepd.model import ChallengeMode, DueRow, Host, Lease, Profile, QueuedCommand
from scepd.pki.keyring import Keyring
from scepd.profiles.lifecycle import Event
from scepd.services.breakers import Breakers
from scepd.services.delivery import ProcessorSettings, ProfileProcessor
from scepd.services.delivery_resolving import Resolving
from scepd.services.leases import Leases
from scepd.services.rendering import ProfileRendering
from tests.support.fake_breakers import FakeBreakerStore, make_breakers
from tests.support.fake_mdm import FakeDeliveries, FakeLeases
from tests.support.fake_mdm_world import (
    CHALLENGE,
    EXTERNAL_URL,
    KEYRING,
    NOW,
    authority,
    host,
    plain_profile,
    scep_profile,
)
from tests.support.fakes import (
    FakeCertificateAuthorities,
    FakeHosts,
    FakeProfiles,
    InlineWorkers,
)

T = TypeVar("T")


def row(host_uuid: str, profile: Profile, operation: str = "install") -> DueRow:
    """
    A due assignment.
    """
    ca = profile.ca_names[0] if profile.ca_names else None
    return DueRow(host_uuid, profile.uuid, operation, ca, host_uuid, profile.identifier, 0)


class PoisonedFacts(dict[str, str]):
    """
    Facts of a host that raise when they are read.
    """

    def get(self, *arguments: object) -> str:
        """
        Nothing.

        :raises ZeroDivisionError: always.
        """
        raise ZeroDivisionError("oops")

    items = get  # type: ignore[assignment]


class CountedHosts(FakeHosts):
    """
    A HostStore that tells what was asked, and may fail or hang.
    """

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[list[str]] = []
        self.broken = False
        self.hangs = False

    async def hosts_of(self, uuids: Collection[str]) -> Mapping[str, Host]:
        """
        As the port says.
        """
        self.asked.append(list(uuids))
        if self.broken:
            raise StorageUnavailable("locked")
        if self.hangs:
            await Deferred[None]()
        return await super().hosts_of(uuids)


class HangingWorkers(InlineWorkers):
    """
    Workers that never end while they ``hang``.
    """

    hang = False
    count = 0

    async def __call__(self, work: Callable[[], T], /) -> T:
        """
        As the port says, or never; counted.
        """
        self.count += 1
        if self.hang:
            await Deferred[None]()
        return await super().__call__(work)


class ProcessorTestCase(SynchronousTestCase):
    """
    A processor with a certificate authority, a profile of it and ten hosts.
    """

    def setUp(self) -> None:
        """
        Make the processor and its fakes.
        """
        self.clock = Clock()
        self.clock.advance(NOW.timestamp())
        self.store, self.lease_store = FakeDeliveries(), FakeLeases()
        self.profile = scep_profile()
        self.profiles = FakeProfiles(by_uuid={self.profile.uuid: self.profile})
        self.hosts = CountedHosts()
        self.hosts.by_uuid = {f"UDID-{n}": host(f"UDID-{n}") for n in range(10)}
        self.authorities = FakeCertificateAuthorities(by_name={"CORP": authority()})
        self.keyring = KEYRING
        self.opened = 0
        self.woken = 0
        self.metrics = Metrics()
        self.processor = self.make(ProcessorSettings())

    def make(
        self, settings: ProcessorSettings, breakers: Breakers | None = None
    ) -> ProfileProcessor:
        """
        A processor with these settings.
        """
        workers, ids = HangingWorkers(), itertools.count(1)
        self.workers = workers
        rendering = ProfileRendering(self.authorities, self.ring, workers, EXTERNAL_URL)
        return ProfileProcessor(
            self.store,
            Resolving(self.profiles, self.hosts, self.authorities, rendering, workers, slice=3),
            Leases(self.lease_store, "process-1"),
            self.clock,
            lambda: f"command-{next(ids)}",
            self.wake,
            settings,
            breakers,
            self.metrics,
        )

    def ring(self) -> Keyring:
        """
        The keyring; how often it was asked for is counted.
        """
        self.opened += 1
        return self.keyring

    def wake(self) -> None:
        """
        Count what the pushes are told.
        """
        self.woken += 1

    def due(self, count: int, profile: Profile | None = None, operation: str = "install") -> None:
        """
        Make the assignments of so many hosts due.
        """
        profile = profile or self.profile
        self.store.due += [row(f"UDID-{n}", profile, operation) for n in range(count)]

    def tick(self) -> Deferred[None]:
        """
        One tick.
        """
        return Deferred.fromCoroutine(self.processor.tick())

    def details(self) -> list[str]:
        """
        Why rows failed.
        """
        self.assertEqual({event.event for event in self.store.events}, {Event.RESOLUTION_FAILED})
        return [event.detail for event in self.store.events]


class QueueingTests(ProcessorTestCase):
    """
    Tests for what is queued.
    """

    def test_install(self) -> None:
        """
        A due install becomes a command that refers to the profile, and the pushes are told.
        """
        self.due(2)
        self.successResultOf(self.tick())
        rows, commands = zip(*self.store.queued, strict=True)
        self.assertEqual([each.host_uuid for each in rows], ["UDID-0", "UDID-1"])
        self.assertEqual({each.request_type for each in commands}, {"InstallProfile"})
        self.assertEqual({each.profile_uuid for each in commands}, {self.profile.uuid})
        self.assertEqual([each.enrollment_id for each in commands], ["UDID-0", "UDID-1"])
        self.assertEqual([each.uuid for each in commands], ["command-1", "command-2"])
        self.assertEqual({each.body for each in commands}, {None})
        self.assertEqual(self.woken, 1)

    def test_remove(self) -> None:
        """
        A due removal becomes a command though profile and host may be gone.
        """
        self.due(1, operation="remove")
        self.profiles.by_uuid.clear()
        self.hosts.by_uuid.clear()
        self.successResultOf(self.tick())
        [(_, command)] = self.store.queued
        self.assertEqual(command.request_type, "RemoveProfile")

    def test_nothing_due(self) -> None:
        """
        A tick with nothing to do reads no rows and says nothing.
        """
        with capturedLogs() as events:
            self.successResultOf(self.tick())
        self.assertEqual((self.store.reads, events, self.woken), ([], [], 0))

    def test_steps(self) -> None:
        """
        The steps of a delivery are logged in order, and no log holds the challenge.
        """
        self.due(2)
        with capturedLogs() as events:
            self.successResultOf(self.tick())
        steps = [event["step"] for event in events if "step" in event]
        self.assertEqual(steps, ["B4", "B5", "B6", "B7", "B6", "B7"])
        hosts = [event["host"] for event in events if event.get("step") == "B7"]
        self.assertEqual(hosts, ["UDID-0", "UDID-1"])
        self.assertNotIn(CHALLENGE, repr(events))

    def test_one_time_challenge(self) -> None:
        """
        A challenge that is made for each delivery is not made yet, nor is a stored one opened.
        """
        one_time = replace(authority(), challenge=None, challenge_mode=ChallengeMode.ONE_TIME)
        self.authorities.by_name["CORP"] = one_time
        self.due(1)
        with capturedLogs() as events:
            self.successResultOf(self.tick())
        self.assertEqual(len(self.store.queued), 1)
        [step] = [event for event in events if event.get("step") == "B6"]
        self.assertIn("is made when the profile is handed over", step["log_format"])


class FailureTests(ProcessorTestCase):
    """
    Tests for rows that can't be delivered.
    """

    def test_missing_value(self) -> None:
        """
        A host without a value fails with a sentence that names it; the others are queued.
        """
        variable = "HOST_END_USER_EMAIL_IDP"
        self.profile = scep_profile(extra=f"$FLEET_VAR_{variable}")
        self.profiles.by_uuid[self.profile.uuid] = self.profile
        self.hosts.by_uuid["UDID-1"] = host("UDID-1", end_user_email_idp="a@example.com")
        self.hosts.by_uuid["UDID-1"] = replace(
            self.hosts.by_uuid["UDID-1"], facts={variable: "a@example.com"}
        )
        self.due(3)
        self.successResultOf(self.tick())
        self.assertEqual([each.host_uuid for each, _ in self.store.queued], ["UDID-1"])
        for detail in self.details():
            self.assertIn("HOST_END_USER_EMAIL_IDP", detail)

    def test_missing_authority(self) -> None:
        """
        When the certificate authority is gone all rows of the profile fail.
        """
        self.authorities.by_name.clear()
        self.due(2)
        self.successResultOf(self.tick())
        self.assertEqual(self.store.queued, [])
        for detail in self.details():
            self.assertIn("a certificate authority that doesn't exist", detail)

    def test_unreadable_challenge(self) -> None:
        """
        A challenge that no key opens fails the rows, and the log tells the operator which key.
        """
        self.keyring = Keyring({"k2": b"x" * 32})
        self.due(2)
        with capturedLogs() as events:
            self.successResultOf(self.tick())
        self.assertEqual(len(self.details()), 2)
        self.assertIn("can't be decrypted", self.details()[0])
        self.assertTrue(any("'k1'" in event.get("reason", "") for event in events))

    def test_profile_and_host_gone(self) -> None:
        """
        What vanished meanwhile fails with a sentence.
        """
        self.due(1)
        del self.hosts.by_uuid["UDID-0"]
        self.store.due.append(row("UDID-1", scep_profile("aGONE")))
        self.successResultOf(self.tick())
        self.assertEqual(
            self.details(),
            ["the host does not exist any more", "the profile does not exist any more"],
        )

    def test_long_reason(self) -> None:
        """
        A reason is cut at 1,000 characters.
        """
        names = " ".join(f"$FLEET_VAR_HOST_UNKNOWN_{n}" for n in range(50))
        self.profile = scep_profile(extra=names)
        self.profiles.by_uuid[self.profile.uuid] = self.profile
        self.due(1)
        self.successResultOf(self.tick())
        self.assertEqual(len(self.details()[0]), 1000)

    def test_bug_for_one_host(self) -> None:
        """
        An unexpected exception for one host is logged and fails its row; the others are queued.
        """
        self.hosts.by_uuid["UDID-1"] = replace(host("UDID-1"), facts=PoisonedFacts())
        self.due(4)
        self.successResultOf(self.tick())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(len(self.store.queued), 3)
        self.assertEqual(len(self.details()), 1)

    def test_bug_for_one_profile(self) -> None:
        """
        An unexpected exception for a profile is logged and fails its rows; the others are queued.
        """
        other = scep_profile("aOTHER", "OTHER")
        self.profiles.by_uuid[other.uuid] = other
        self.authorities.by_name["OTHER"] = replace(authority("OTHER"), name=[])  # type: ignore[arg-type]
        self.due(2, other)
        self.due(3)
        self.successResultOf(self.tick())
        self.assertEqual(len(self.flushLoggedErrors(TypeError)), 1)
        self.assertEqual(len(self.store.queued), 3)
        self.assertEqual(len(self.details()), 2)

    def test_hosts_can_not_be_read(self) -> None:
        """
        Hosts that can't be read just now stay due.
        """
        self.hosts.broken = True
        self.due(3)
        self.failureResultOf(self.tick(), StorageUnavailable)
        self.assertEqual((self.store.events, self.store.queued), ([], []))
        self.assertEqual(len(self.store.due), 3)

    def test_storage_fails(self) -> None:
        """
        When nothing can be written the tick ends; the rows are still due.
        """
        self.store.broken = True
        self.due(1)
        self.failureResultOf(self.tick(), StorageUnavailable)
        self.assertEqual(len(self.store.due), 1)
        self.assertEqual(len(self.lease_store.given_back), 1)

    def test_user_scope(self) -> None:
        """
        A profile for the user of a Mac waits for a user channel; other devices get it.
        """
        profile = plain_profile(scope="User")
        self.profiles.by_uuid[profile.uuid] = profile
        self.hosts.by_uuid["UDID-1"] = host("UDID-1", platform="ios")
        self.due(2, profile)
        self.successResultOf(self.tick())
        self.assertEqual([event.event for event in self.store.events], [Event.USER_CHANNEL_MISSED])
        self.assertEqual([each.host_uuid for each, _ in self.store.queued], ["UDID-1"])

    def test_user_channel(self) -> None:
        """
        A profile for the user of a Mac is queued on the user channel by which it goes.
        """
        profile = plain_profile(scope="User")
        self.profiles.by_uuid[profile.uuid] = profile
        self.due(1, profile)
        self.store.due = [replace(each, enrollment_id="UDID-0:ann") for each in self.store.due]
        self.successResultOf(self.tick())
        self.assertEqual(self.store.events, [])
        self.assertEqual([one.enrollment_id for _, one in self.store.queued], ["UDID-0:ann"])


class BatchTests(ProcessorTestCase):
    """
    Tests for what is done once for many hosts.
    """

    def test_once_for_all_hosts(self) -> None:
        """
        A profile is read, validated and looked through once for all of its hosts, which are read
        together and resolved in slices; each host is told of.
        """
        self.due(10)
        with capturedLogs() as events:
            self.successResultOf(self.tick())
        self.assertEqual(self.hosts.asked, [[f"UDID-{n}" for n in range(10)]])
        # Validated, looked through for variables, and four slices of at most 3 hosts.
        self.assertEqual(self.workers.count, 2 + 4)
        self.assertEqual(self.opened, 1)
        self.assertEqual([one.get("step") for one in events].count("B7"), 10)

    def test_counted(self) -> None:
        """
        What was queued and what could not be is counted, and how long each tick took.
        """
        del self.hosts.by_uuid["UDID-1"]
        self.due(4)
        for _ in range(2):
            self.successResultOf(self.tick())
        value = self.metrics.registry.get_sample_value
        outcomes = {
            outcome: value("scepd_deliveries_total", {"outcome": outcome})
            for outcome in ("queued", "not queued")
        }
        self.assertEqual(outcomes, {"queued": 3, "not queued": 1})
        self.assertEqual(value("scepd_tick_seconds_count"), 2)

    def test_each_profile(self) -> None:
        """
        Two profiles in one batch are resolved one after the other, whatever the order of the rows.
        """
        other = scep_profile("aOTHER")
        self.profiles.by_uuid[other.uuid] = other
        for number in range(4):
            for each in (self.profile, other):
                self.store.due.append(row(f"UDID-{number}", each))
        self.successResultOf(self.tick())
        self.assertEqual(len(self.store.queued), 8)
        self.assertEqual(len(self.hosts.asked), 2)


class FairnessTests(ProcessorTestCase):
    """
    Tests for how much is done for whom.
    """

    def setUp(self) -> None:
        """
        Make ten rows each for two certificate authorities and for a profile without one.
        """
        super().setUp()
        self.authorities.by_name["OTHER"] = authority("OTHER")
        for profile in (scep_profile("aOTHER", "OTHER"), plain_profile()):
            self.profiles.by_uuid[profile.uuid] = profile
        for profile in tuple(self.profiles.by_uuid.values()):
            self.due(10, profile)

    def queued_for(self) -> list[str | None]:
        """
        The certificate authorities of the queued rows, in order.
        """
        return [each.ca_name for each, _ in self.store.queued]

    def test_limit(self) -> None:
        """
        Each certificate authority gets as much as it may in a tick, before more rows are read;
        rows without one have no limit.
        """
        self.processor = self.make(ProcessorSettings(deliveries_per_tick=3, batch=2))
        self.successResultOf(self.tick())
        self.assertEqual(self.queued_for().count("CORP"), 3)
        self.assertEqual(self.queued_for().count("OTHER"), 3)
        self.assertEqual(self.queued_for().count(None), 10)
        self.assertEqual(
            [read for read in self.store.reads if read[0] == "CORP"],
            [
                ("CORP", 2),
                ("CORP", 1),
            ],
        )

    def test_turns(self) -> None:
        """
        Without a limit they take turns, batch by batch.
        """
        self.processor = self.make(ProcessorSettings(deliveries_per_tick=0, batch=5))
        self.successResultOf(self.tick())
        turns = [name for name, _ in itertools.groupby(self.queued_for())]
        self.assertEqual(turns, ["CORP", "OTHER", None] * 2)
        self.assertEqual(self.store.due, [])

    def test_batch_is_bounded(self) -> None:
        """
        No more than 1,000 rows are read at a time, whatever the settings say.
        """
        self.processor = self.make(ProcessorSettings(deliveries_per_tick=0, batch=50_000))
        self.successResultOf(self.tick())
        self.assertEqual({limit for _, limit in self.store.reads}, {1000})

    def test_rows_that_stay(self) -> None:
        """
        Rows that stay due are processed once in a tick, not for ever.
        """
        self.store.sticky = True
        self.processor = self.make(ProcessorSettings(deliveries_per_tick=0, batch=5))
        self.successResultOf(self.tick())
        self.assertEqual(len(self.store.queued), 15)

    def test_cut_off(self) -> None:
        """
        A tick that is cut off stops, and what it was looking at stays as it is.
        """
        self.due(10)
        self.hosts.hangs = True
        ticking = self.tick()
        self.assertNoResult(ticking)
        ticking.cancel()
        self.failureResultOf(ticking, CancelledError)
        self.assertEqual((self.store.events, self.store.queued), ([], []))
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_cut_off_validation(self) -> None:
        """
        So it is while a profile is validated.
        """
        self.due(2)
        self.workers.hang = True
        ticking = self.tick()
        ticking.cancel()
        self.failureResultOf(ticking, CancelledError)
        self.assertEqual((self.store.events, self.store.queued), ([], []))

    def test_lease_lost(self) -> None:
        """
        Once another process has the lease nothing more is written.
        """
        self.lease_store.stolen_after = 2
        self.processor = self.make(ProcessorSettings(batch=5))
        self.successResultOf(self.tick())
        self.assertEqual(self.queued_for(), ["CORP"] * 5)

    def test_conflict(self) -> None:
        """
        A write under a lease that was lost ends the tick.
        """
        self.store.conflict = True
        self.successResultOf(self.tick())
        self.assertEqual((self.store.queued, self.woken), ([], 0))

    def test_recoveries(self) -> None:
        """
        What failed of a certificate authority that is back is made due before it is looked for what
        is, and the lease is prolonged meanwhile.
        """
        self.store.recoveries = 3
        self.successResultOf(self.tick())
        self.assertEqual(self.store.recoveries, 0)
        self.assertGreater(len(self.lease_store.taken), 3)
        self.assertNotEqual(self.store.queued, [])

    def test_lease_kept(self) -> None:
        """
        No other process has a tick until the next one is due.
        """
        self.processor = self.make(ProcessorSettings(keep=30))
        self.successResultOf(self.tick())
        self.assertEqual(self.lease_store.kept, [30])

    def test_no_lease(self) -> None:
        """
        While another process does the work there is nothing to do.
        """
        self.lease_store.stolen_after = 0
        self.successResultOf(self.tick())
        self.assertEqual(self.store.reads, [])


class OutageTests(ProcessorTestCase):
    """
    Tests for certificate authorities that are out.
    """

    def setUp(self) -> None:
        """
        Ten deliveries of CORP and one that needs no certificate are due; CORP fails.
        """
        super().setUp()
        plain = plain_profile()
        self.profiles.by_uuid[plain.uuid] = plain
        self.plain = row("UDID-0", plain)
        self.store.due = [row(f"UDID-{n}", self.profile) for n in range(10)] + [self.plain]
        self.breaker_store = FakeBreakerStore()
        self.breakers = make_breakers(self.breaker_store, self.clock, Metrics())
        self.processor = self.make(ProcessorSettings(), self.breakers)
        for _ in range(5):
            self.do(self.breakers.failed("CORP", "ca.example refused the connection"))

    def do(self, coroutine: Coroutine[Any, Any, object]) -> None:
        """
        Run what needs no time.
        """
        self.successResultOf(Deferred.fromCoroutine(coroutine))

    def test_held_back(self) -> None:
        """
        Nothing of it goes out, and operators read why; the rest goes on.
        """
        self.do(self.processor.tick())
        self.assertEqual([due for due, _ in self.store.queued], [self.plain])
        self.assertIn("unreachable since 2026-06-01T12:00:00Z: ca.ex", self.store.held["CORP"])
        self.assertEqual(self.store.events, [])

    def test_held_back_for_long(self) -> None:
        """
        Operators are told of what became due since the last tick, and of all of it anew when there
        is something else to say.
        """
        for _ in range(2):
            self.do(self.processor.tick())
            self.clock.advance(30)
        self.breaker_store.by_name["CORP"] = replace(
            self.breaker_store.by_name["CORP"], reason="no route"
        )
        self.do(self.processor.tick())
        (first, every), (second, since), (third, again) = self.store.hold_calls
        self.assertEqual((first, every, again), (second, None, None))
        self.assertEqual(since, NOW - timedelta(minutes=5))
        self.assertIn("no route", third)
        for _ in range(2):
            self.clock.advance(30 * 60)
            self.do(self.processor.tick())
        later = NOW + timedelta(minutes=1) - timedelta(minutes=5)
        self.assertEqual([since for _, since in self.store.hold_calls[3:]], [later, None])

    def test_half_open(self) -> None:
        """
        One delivery goes out; another only when half a minute passed without news of it.
        """
        self.do(self.breakers.probe_succeeded("CORP"))
        for seconds, count in ((0, 1), (0, 1), (29, 1), (1, 2)):
            self.clock.advance(seconds)
            self.do(self.processor.tick())
            self.assertEqual(len(self.store.queued), 1 + count)

    def test_back(self) -> None:
        """
        All goes out when it is back, even if another process found out.
        """
        self.breaker_store.by_name.clear()
        self.do(self.processor.tick())
        self.assertEqual(len(self.store.queued), 11)

    def test_goes_out_meanwhile(self) -> None:
        """
        One that fails in the middle of a tick gets no further batch.
        """
        self.breaker_store.by_name.clear()
        self.processor = self.make(ProcessorSettings(batch=4), self.breakers)
        queue = self.store.queue_deliveries

        async def queue_and_fail(
            rows: Sequence[tuple[DueRow, QueuedCommand]], lease: Lease, now: datetime
        ) -> int:
            for _ in range(5):
                await self.breakers.failed("CORP", "refused")
            return await queue(rows, lease, now)

        self.store.queue_deliveries = queue_and_fail  # type: ignore[method-assign]
        self.do(self.processor.tick())
        self.assertEqual(len(self.store.queued), 5)
