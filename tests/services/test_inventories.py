"""
Tests for asking hosts over MDM, and for what they answer.
"""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import Conflict, NotFound, StorageUnavailable
from scepd.mdm.commands import parse_command
from scepd.mdm.results import CommandResult, command_result
from scepd.metrics import Metrics
from scepd.model import (
    USER_PROFILE_LIST,
    Delivery,
    Enrollment,
    HostInventory,
    QueuedCommand,
    UnprovedDelivery,
)
from scepd.profiles.lifecycle import Event
from scepd.services.clock import utc_now
from scepd.services.inventories import AskingSettings, Inventories, InventoryPorts, is_inventory
from scepd.services.inventory_schedule import InventorySchedule
from scepd.services.leases import Leases
from scepd.services.rendering import ProfileRendering
from scepd.services.results import LARGEST_KEPT
from scepd.services.verification_mdm import mdm_inventory
from tests.support.fake_inventories import FakeInventories, make_answers, make_verification
from tests.support.fake_mdm import FakeCheckIns, FakeDeliveries, FakeLeases
from tests.support.fake_mdm_world import (
    EXTERNAL_URL,
    KEYRING,
    NOW,
    MDMWorld,
    host,
    report,
    scep_profile,
)
from tests.support.fakes import FakeHosts
from tests.support.pki import party

PROFILE_LIST, CERTIFICATE_LIST = "ProfileList", "CertificateList"
LISTS = (PROFILE_LIST, CERTIFICATE_LIST)
HOUR = timedelta(hours=1)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.binary() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["Data", "PayloadIdentifier", "x"]), inner, max_size=3)
    ),
)
_HOSTILE = settings(max_examples=150, deadline=None, derandomize=True, database=None)


def result(**content: object) -> CommandResult:
    """
    A result that was acknowledged.
    """
    root = {"UDID": "UDID-1", "Status": "Acknowledged", "CommandUUID": "c", **content}
    return command_result(root, b"")  # type: ignore[arg-type]


class AskingTests(SynchronousTestCase):
    """
    Tests for L{Inventories}.
    """

    def setUp(self) -> None:
        """
        Make the service over fakes, in batches of 2, at most 4 in a run; one host is enrolled.
        """
        self.clock = Clock()
        self.clock.advance(NOW.timestamp())
        self.store, self.deliveries = FakeInventories(), FakeDeliveries()
        self.check_ins, self.leases = FakeCheckIns(), FakeLeases()
        self.metrics, self.woken, self.has_agents = Metrics(), 0, True
        self.check_ins.enrollments["UDID-1"] = Enrollment(
            "UDID-1", "UDID-1", "device", True, None, NOW
        )
        ids = (f"command-{number}" for number in range(1, 99))
        ports = InventoryPorts(
            self.store,
            self.deliveries,
            FakeHosts(by_uuid={"UDID-1": host(), "UDID-2": host("UDID-2")}),
            self.check_ins,
            Leases(self.leases, "process-1"),
            self.clock,
            self.metrics,
            lambda: next(ids),
            lambda: 0.5,
            self.wake,
            lambda: self.has_agents,
        )
        self.service = Inventories(ports, InventorySchedule(), AskingSettings(batch=2, most=4))

    def wake(self) -> None:
        """
        Count that pushes were wished.
        """
        self.woken += 1

    def due(self, uuid: str = "UDID-1", platform: str = "ios", **changes: object) -> None:
        """
        Let a host be due.
        """
        state = HostInventory(uuid, platform, True, mdm_due_at=NOW, **changes)  # type: ignore[arg-type]
        self.store.states[uuid] = state

    def run_once(self) -> None:
        """
        One run.
        """
        self.successResultOf(Deferred.fromCoroutine(self.service.run()))

    def test_phone(self) -> None:
        """
        A device without osquery is asked for both lists, and again in an hour.
        """
        self.due()
        self.run_once()
        [ask] = self.store.asked
        self.assertEqual([each.request_type for each in ask.commands], list(LISTS))
        for order, each in enumerate(ask.commands):
            self.assertEqual((each.enrollment_id, each.priority), ("UDID-1", 250 + order))
            self.assertEqual(parse_command(each.body or b"").request_type, each.request_type)
            self.assertEqual(parse_command(each.body or b"").uuid, each.uuid)
        self.assertEqual(ask.again_at, NOW + HOUR)
        self.assertEqual((self.woken, self.leases.taken[0][0]), (1, "inventories"))

    def test_user(self) -> None:
        """
        A user to whom profiles went is asked for the list of his own.
        """
        self.due(platform="macos", agent_at=NOW, user_channel="UDID-1:501")
        self.run_once()
        asked = [(each.enrollment_id, each.request_type) for each in self.store.asked[-1].commands]
        device = [("UDID-1", PROFILE_LIST), ("UDID-1", CERTIFICATE_LIST)]
        self.assertEqual(asked, [*device, ("UDID-1:501", PROFILE_LIST)])

    def test_new_mac(self) -> None:
        """
        A Mac that never had an agent gets two hours for it, then it is asked.
        """
        self.due(platform="macos")
        self.run_once()
        [ask] = self.store.asked
        later = NOW + 2 * HOUR
        self.assertEqual((ask.commands, ask.again_at, ask.agent_until), ((), later, later))
        self.assertEqual(self.woken, 0)
        self.clock.advance(7200)
        self.run_once()
        self.assertEqual(len(self.store.asked[-1].commands), 2)

    def test_no_agents(self) -> None:
        """
        Where no agent can enroll a Mac is asked at once.
        """
        self.has_agents = False
        self.due(platform="macos")
        self.run_once()
        self.assertEqual(len(self.store.asked[-1].commands), 2)

    def test_silent_agent(self) -> None:
        """
        So is one whose agent said something once.
        """
        self.due(platform="macos", agent_at=NOW - 3 * HOUR, agent_until=NOW - HOUR)
        self.run_once()
        self.assertEqual(len(self.store.asked[-1].commands), 2)

    def test_disabled(self) -> None:
        """
        A host that left is due no more, until it acknowledges something again.
        """
        self.due()
        self.store.states["UDID-1"] = HostInventory("UDID-1", "ios", False, mdm_due_at=NOW)
        self.run_once()
        [ask] = self.store.asked
        self.assertEqual((ask.commands, ask.again_at), ((), None))

    def test_batches(self) -> None:
        """
        Batches follow each other, at most so many in a run, under the lease.
        """
        for number in range(7):
            self.due(f"UDID-{number}")
        self.run_once()
        self.assertEqual(len(self.store.asked), 4)
        self.assertEqual(len(self.store.leases), 2)
        self.assertNotIn(None, self.store.leases)
        self.run_once()
        self.assertEqual(len(self.store.asked), 7)

    def test_nothing_due(self) -> None:
        """
        Without a host that is due nothing is written, not even a lease.
        """
        self.run_once()
        self.assertEqual((self.store.asked, self.woken, self.leases.taken), ([], 0, []))

    def test_verify(self) -> None:
        """
        An operator has a host asked now, its agent too, without a lease.
        """
        state = self.successResultOf(Deferred.fromCoroutine(self.service.verify("UDID-1", "alice")))
        self.assertEqual(state.waiting, frozenset(LISTS))
        self.assertEqual((self.store.leases, self.woken), ([None], 1))
        [activity] = self.store.activities
        self.assertEqual((activity.actor, activity.subject), ("alice", "UDID-1"))

    def test_verify_refused(self) -> None:
        """
        A host that is not known, or not enrolled, can't be asked.
        """
        for uuid, error in (("UDID-9", NotFound), ("UDID-2", Conflict)):
            asked = Deferred.fromCoroutine(self.service.verify(uuid, "alice"))
            self.failureResultOf(asked, error)
        self.assertEqual((self.store.asked, self.store.activities), ([], []))

    def test_unproved(self) -> None:
        """
        Deliveries whose grace is past are told of once, with what is missing, and counted.
        """
        early = NOW - 2 * HOUR
        self.store.overdue = [
            UnprovedDelivery("H-1", "a-1", "CORP", early, early, early + HOUR),
            UnprovedDelivery("H-2", "a-1", "CORP", early, None, None),
            UnprovedDelivery("H-3", "a-2", None, early, None, None),
            UnprovedDelivery("H-4", "a-1", "CORP", early, early, early - HOUR),
            UnprovedDelivery("H-5", "a-1", "CORP", NOW, None, None),
        ]
        with capturedLogs() as logged:
            self.successResultOf(Deferred.fromCoroutine(self.service.tell_unproved()))
        self.assertEqual(self.metrics.registry.get_sample_value("scepd_unproved_deliveries"), 4)
        told = [(event.host_uuid, event.event, event.detail) for event in self.deliveries.events]
        since = "acknowledged, but the host has listed no {} since: not proved"
        shown = "acknowledged, but what the host has listed since does not prove it"
        overdue = Event.PROOF_OVERDUE
        self.assertEqual(
            told,
            [
                ("H-1", overdue, shown),
                ("H-2", overdue, since.format("profiles and certificates")),
                ("H-3", overdue, since.format("profiles")),
                ("H-4", overdue, since.format("certificates")),
            ],
        )
        self.assertEqual([event["host"] for event in logged], ["H-1", "H-2", "H-3", "H-4"])


class AnswerTests(SynchronousTestCase):
    """
    Tests for answers, from the device's message on.
    """

    def setUp(self) -> None:
        """
        Enroll the device, and ask it for both lists.
        """
        self.world = MDMWorld()
        self.world.enroll()
        for order, kind in enumerate(LISTS):
            self.ask(kind, kind, 250 + order)
        self.world.inventories.states["UDID-1"] = HostInventory(
            *("UDID-1", "macos", True),
            profile_list=PROFILE_LIST,
            certificate_list=CERTIFICATE_LIST,
            waiting=frozenset(LISTS),
        )

    def ask(self, uuid: str, kind: str, priority: int) -> None:
        """
        Queue a question.
        """
        now = utc_now(self.world.clock)
        self.world.commands.queued[uuid] = QueuedCommand(
            uuid, "UDID-1", kind, None, b"<plist/>", priority, now
        )

    def report(self, status: str, command: str, **lists: list[object]) -> None:
        """
        Answer one.
        """
        body = report(status, command, "UDID-1", (), **lists)
        self.successResultOf(self.world.send(body))

    def taken(self) -> list[tuple[bool, bool, int]]:
        """
        Of each inventory that was taken: whether it listed profiles and certificates, and how many
        of these can't be read.
        """
        return [
            (each.profiles, each.certificates, each.unreadable)
            for each in self.world.verification.taken
        ]

    def test_taken(self) -> None:
        """
        Each list is taken by itself; of the answers only the lengths are kept.
        """
        self.report("Acknowledged", PROFILE_LIST, ProfileList=[])
        self.report("Acknowledged", CERTIFICATE_LIST, CertificateList=[{"Data": b"junk"}])
        self.assertEqual(self.taken(), [(True, False, 0), (False, True, 1)])
        for kind in LISTS:
            answer = self.world.commands.answers[kind]
            self.assertIsNone(answer.plist)
            self.assertLess(0, answer.size)

    def test_failed(self) -> None:
        """
        An Error, a NotNow and a missing list are no inventories.
        """
        self.report("NotNow", PROFILE_LIST)
        self.report("Error", PROFILE_LIST)
        self.report("Acknowledged", CERTIFICATE_LIST)
        self.assertEqual(self.taken(), [])
        statuses = [(uuid, status) for uuid, status, *_ in self.world.commands.finished]
        expected = [
            (PROFILE_LIST, "NotNow"),
            (PROFILE_LIST, "Error"),
            (CERTIFICATE_LIST, "Acknowledged"),
        ]
        self.assertEqual(statuses, expected)

    def test_others(self) -> None:
        """
        The answer to an operator's question, to a superseded one, or a second answer, is none; that
        to an operator is kept.
        """
        self.ask("operator's", PROFILE_LIST, 200)
        self.ask("older", PROFILE_LIST, 250)
        for command in ("operator's", "older"):
            self.report("Acknowledged", command, ProfileList=[])
        state = self.world.inventories.states["UDID-1"]
        self.world.inventories.states["UDID-1"] = HostInventory(
            *("UDID-1", "macos", True), profile_list=state.profile_list
        )
        self.report("Acknowledged", PROFILE_LIST, ProfileList=[])
        self.assertEqual(self.taken(), [])
        kept = self.world.commands.answers["operator's"]
        self.assertIsNotNone(kept.plist)
        self.assertLess(kept.size, LARGEST_KEPT)

    def test_storage_fails(self) -> None:
        """
        What can't be stored is not answered, and the command goes on waiting.
        """
        self.world.verification.broken = True
        sent = self.world.send(report("Acknowledged", PROFILE_LIST, ProfileList=[]))
        self.failureResultOf(sent, StorageUnavailable)
        self.assertEqual(self.world.commands.finished, [])

    def test_user(self) -> None:
        """
        What a user lists are his profiles, and says nothing of the device's.
        """
        world, now = self.world, utc_now(self.world.clock)
        own = QueuedCommand("user's", "UDID-1:501", PROFILE_LIST, None, None, 252, now)
        world.inventories.states["UDID-1"] = HostInventory(
            *("UDID-1", "macos", True),
            waiting=frozenset({USER_PROFILE_LIST}),
            user_profile_list="user's",
        )
        profile = scep_profile()
        world.verification.of_host["UDID-1"] = [
            Delivery(
                *(profile.uuid, profile.identifier, profile.content, None, "verifying"),
                *(now, now, None, False, frozenset()),
                scope=scope,
            )
            for scope in ("System", "User")
        ]
        said = result(ProfileList=[{"PayloadIdentifier": profile.identifier}])
        taken = make_answers(
            make_verification(
                world.verification,
                world.inventories,
                world.hosts,
                ProfileRendering(world.authorities, lambda: KEYRING, world.workers, EXTERNAL_URL),
                world.authorities,
                world.clock,
            ),
            world.inventories,
        ).take(own, said, "UDID-1")
        self.successResultOf(Deferred.fromCoroutine(taken))
        [event] = world.verification.events
        self.assertEqual(event.event, Event.INVENTORY_PROVED)
        self.assertEqual(self.taken(), [(False, False, 0)])

    def test_whose(self) -> None:
        """
        Ours are told from operators' by their priority.
        """
        self.ask("operator's", PROFILE_LIST, 200)
        commands = self.world.commands.queued
        self.assertTrue(is_inventory(commands[PROFILE_LIST]))
        self.assertFalse(is_inventory(commands["operator's"]))


class ReadingTests(SynchronousTestCase):
    """
    Tests for L{mdm_inventory}.
    """

    def test_certificates(self) -> None:
        """
        Each certificate is read once; those that can't be read are counted.
        """
        whole = party("CN=one").certificate
        rows = [{"Data": whole}, {"Data": whole}, {"Data": whole[:-1]}, {"CommonName": "x"}]
        found = mdm_inventory(CERTIFICATE_LIST, result(CertificateList=rows))
        assert found is not None
        self.assertEqual((found.profiles, found.unreadable), (None, 2))
        [candidate] = found.certificates or ()
        self.assertEqual(candidate.subject, (("2.5.4.3", "one"),))
        self.assertTrue(found.is_exact)

    def test_profiles(self) -> None:
        """
        Profiles have no dates.
        """
        rows = [{"PayloadIdentifier": "a" * 300}, {"PayloadIdentifier": "b"}]
        found = mdm_inventory(PROFILE_LIST, result(ProfileList=rows))
        assert found is not None
        self.assertEqual(list(found.profiles or ()), [("a" * 300, None), ("b", None)])
        self.assertIsNone(found.certificates)

    def test_none(self) -> None:
        """
        The wrong list, none, or one without end is no inventory.
        """
        for found in (result(), result(CertificateList=[]), result(ProfileList=[{}] * 5001)):
            self.assertIsNone(mdm_inventory(PROFILE_LIST, found))
        self.assertIsNone(mdm_inventory("DeviceInformation", result(ProfileList=[])))

    @given(st.lists(_VALUES, max_size=6))
    @_HOSTILE
    def test_hostile(self, rows: list[object]) -> None:
        """
        Whatever stands in a list, there is an answer, and nothing of it is lost count of.
        """
        found = mdm_inventory(CERTIFICATE_LIST, result(CertificateList=rows))
        assert found is not None
        self.assertEqual(len(found.certificates or ()) + found.unreadable, len(rows))
        self.assertIsNotNone(mdm_inventory(PROFILE_LIST, result(ProfileList=rows)))

    @given(st.integers(min_value=0), st.integers(min_value=0, max_value=255))
    @_HOSTILE
    def test_mutated(self, place: int, octet: int) -> None:
        """
        So it is with a certificate of which one octet is another.
        """
        der = bytearray(party("CN=one").certificate)
        der[place % len(der)] = octet
        found = mdm_inventory(CERTIFICATE_LIST, result(CertificateList=[{"Data": bytes(der)}]))
        assert found is not None
        self.assertEqual(len(found.certificates or ()) + found.unreadable, 1)
