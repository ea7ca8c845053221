"""
Tests that what is asked often reads an index, however much is stored.
"""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import timedelta

from sqlalchemy import Connection, event
from sqlalchemy.engine.interfaces import DBAPICursor, ExecutionContext
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from scepd.model import (
    ENROLLMENT_PROFILE,
    Breaker,
    BreakerState,
    DeviceDetails,
    FactsChange,
    Lease,
    Pruned,
    RenewalAnswer,
    Targets,
    WindowOutcome,
)
from scepd.profiles.lifecycle import Event
from scepd.storage.activities import SQLActivityStore
from scepd.storage.assignments import SQLAssignmentStore
from scepd.storage.bootstrap_tokens import SQLBootstrapTokenStore
from scepd.storage.breakers import SQLBreakerStore
from scepd.storage.ca_states import SQLCAStateStore
from scepd.storage.certificate_authorities import SQLCertificateAuthorityStore
from scepd.storage.checkins import SQLCheckInStore
from scepd.storage.command_history import SQLCommandHistory
from scepd.storage.commands import SQLCommandStore
from scepd.storage.delivery import SQLDeliveryStore
from scepd.storage.enrollment import SQLEnrollmentStore
from scepd.storage.enrollment_tokens import SQLEnrollmentTokenStore
from scepd.storage.host_changes import SQLHostChangeStore
from scepd.storage.hosts import SQLHostStore
from scepd.storage.identity_store import SQLIdentityStore
from scepd.storage.inventories import SQLInventoryStore
from scepd.storage.issued_certificates import SQLCertificateStore
from scepd.storage.issuing import SQLIssuingStore
from scepd.storage.leases import SQLLeaseStore
from scepd.storage.pending_requests import SQLPendingRequestStore
from scepd.storage.profiles import SQLProfileStore
from scepd.storage.pushes import SQLPushStore
from scepd.storage.record_pruning import SQLRecordPruning
from scepd.storage.renewals import SQLRenewalStore
from scepd.storage.user_channels import MOST_CHANNELS, SQLUserChannelStore
from scepd.storage.verification import SQLVerificationStore
from tests.storage import records
from tests.storage.base import SUBJECT, reserve
from tests.storage.inline import InlineDatabase
from tests.storage.records import HOUR, NOON


class GrowthTests(SynchronousTestCase):
    """
    No statement of the stores scans a table or sorts.
    """

    def setUp(self) -> None:
        """
        Listen to the statements of a database in memory.
        """
        self.database = InlineDatabase()
        self.addCleanup(self.database.engine.dispose)
        self.scans: list[str] = []
        self.steps: list[str] = []
        event.listen(self.database.engine, "before_cursor_execute", self.explain)

    def explain(
        self,
        connection: Connection,
        cursor: DBAPICursor,
        statement: str,
        parameters: tuple[object, ...],
        context: ExecutionContext,
        executemany: bool,
    ) -> None:
        """
        Note what SQLite would do with a statement when it is more than a look at an index.
        """
        if executemany or not statement.startswith(("SELECT", "UPDATE", "DELETE")):
            return
        cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
        for *_, step in cursor.fetchall():
            self.steps.append(step)
            if "TEMP B-TREE" in step or (step.startswith("SCAN") and "INDEX" not in step):
                self.scans.append(f"{step}: {statement}")

    def run_now(self, work: Awaitable[object]) -> None:
        """
        Run what never waits.
        """

        async def run() -> None:
            await work

        self.successResultOf(Deferred.fromCoroutine(run()))

    async def proxy_and_administration(self) -> None:
        """
        What the proxy and the operators do all day.
        """
        authorities = SQLCertificateAuthorityStore(self.database)
        profiles, hosts = SQLProfileStore(self.database), SQLHostStore(self.database)
        assignments = SQLAssignmentStore(self.database)
        enrollment = SQLEnrollmentStore(self.database)
        await authorities.add_certificate_authority(records.ca(), records.activity())
        await authorities.certificate_authorities(after="a")
        await profiles.add_profile(records.profile(ca_names=("corp",)), records.activity())
        await profiles.profiles(after="a")
        await hosts.put_host(records.host())
        await hosts.host("H-1")
        await assignments.assign(records.assignment())
        await assignments.assignments_of_profile("a-1", after="H")
        await assignments.explain("H-1", "a-1", "why")
        await assignments.open_window(records.window())
        await enrollment.is_assigned(SUBJECT)
        await reserve(enrollment)
        await enrollment.settle_window(records.exchange(), WindowOutcome.REOPEN, None)
        await enrollment.record_refusal(records.exchange("x-2"), redeliver=True)
        await enrollment.exchanges()
        await enrollment.exchanges(host_uuid="H-1", before=NOON + timedelta(hours=1))
        await enrollment.exchanges_of_delivery("H-1", "a-1")
        await SQLActivityStore(self.database).activities(before_id=9)
        await profiles.remove_profile("a-1", records.activity())

    async def identities(self) -> None:
        """
        What the renewal of identities brings.
        """
        store = SQLIdentityStore(self.database)
        tokens, issuing = SQLEnrollmentTokenStore(self.database), SQLIssuingStore(self.database)
        checkins, commands = SQLCheckInStore(self.database), SQLCommandStore(self.database)
        await tokens.add_enrollment_token(records.enrollment_token(), records.activity())
        await tokens.add_challenge(records.challenge())
        await issuing.issue(records.issued(), NOON)
        await checkins.authenticate(records.host(), records.enrollment(), "sha-0B")
        await checkins.update_token("H-1", records.address(), NOON, NOON)
        await store.due_looks(NOON, 100)
        await store.look_again([("sha-0B", NOON)], None)
        command = records.command("r-1", profile_uuid=ENROLLMENT_PROFILE)
        await store.begin_renewals([("sha-0B", command)], NOON, only_due=True)
        challenge = records.challenge("n1", token_sha256=None, enrollment_id="H-1")
        await commands.hand_over("r-1", NOON, None, challenge)
        new = records.issued("0C", challenge_sha256="n1")
        await issuing.issue(new, NOON)
        await checkins.identity("sha-0C")
        await checkins.go_on(records.host(), "H-1", "sha-0C", NOON)
        await store.renewal("r-1")
        await store.renewal_answered("r-1", RenewalAnswer("why", NOON, failed=True), NOON)
        await store.counts(NOON, [NOON])
        await store.identities("H-1")
        await store.confirm("sha-0C", NOON)

    async def management(self) -> None:
        """
        What enrollments, commands and inventories bring.
        """
        checkins, commands = SQLCheckInStore(self.database), SQLCommandStore(self.database)
        verification = SQLVerificationStore(self.database)
        await checkins.authenticate(records.host(), records.enrollment(), "id-1")
        await checkins.update_token("H-1", records.address(), NOON, NOON)
        await checkins.identity("id-1")
        await checkins.saw(["H-1"], NOON)
        await commands.queue(records.command())
        await commands.next_command("H-1", after_not_now=True)
        await commands.next_command("H-1", after_not_now=False, without=["c-1", "c-2"])
        await commands.hand_over("c-1", NOON, None, is_idle=True)
        await commands.finish("c-1", "H-1", "NotNow", "", NOON, None)
        resent = records.event(Event.RESENT)
        await commands.finish("c-1", "H-1", "Error", "", NOON, resent)
        await commands.commands("H-1")
        bootstrap = SQLBootstrapTokenStore(self.database)
        await bootstrap.keep("H-1", records.address().secret)
        await bootstrap.read("H-1", records.activity())
        history = SQLCommandHistory(self.database, lambda: NOON)
        await history.answer("H-1", "c-1")
        lease = await SQLLeaseStore(self.database, lambda: NOON).take_lease("prune", "one", 60)
        assert lease is not None
        await history.prune(NOON, 10, lease)
        await verification.enroll_agent("H-1", "key", NOON)
        await verification.agent_host("key")
        await verification.profile_users("H-1")
        await verification.inventory_due("H-1", NOON, NOON)
        await verification.prove("H-1", [records.certificate()], [resent], NOON)
        await verification.prove("H-1", [records.certificate()], [resent], NOON)
        await verification.certificates("H-1")
        await self.inventories(lease)
        one = records.profile(ca_names=("corp",))
        await SQLProfileStore(self.database).add_profile(one, records.activity())
        assignments = SQLAssignmentStore(self.database)
        await assignments.assign(records.assignment(delivered_at=NOON))
        await assignments.open_window(records.window("w-2"))
        outage = records.event(Event.ERROR_DURING_OUTAGE, detail="no answer")
        await SQLDeliveryStore(self.database).happen([outage], NOON, None)
        breakers = SQLBreakerStore(self.database)
        await breakers.change("corp", lambda old: Breaker("corp", BreakerState.OPEN))
        await breakers.change("corp", lambda old: Breaker("corp"))
        await assignments.assignments_of_host("H-1")
        await verification.deliveries("H-1")
        channels = SQLUserChannelStore(self.database)
        for number in range(MOST_CHANNELS + 1):
            user = records.enrollment(f"H-1:{number}", host_uuid="H-1", kind="user")
            await channels.update_token(user, "H-1", records.address(), NOON, NOON)
        await checkins.enrollments_of_host("H-1")
        await channels.end("H-1:1", NOON)
        await checkins.check_out("H-1", NOON)

    async def inventories(self, lease: Lease) -> None:
        """
        What looks at hosts bring.
        """
        inventories = SQLInventoryStore(self.database, lambda: NOON)
        verification = SQLVerificationStore(self.database)
        for source in ("osquery", "MDM"):
            taken = records.taken(source, listed=frozenset({"a-1"}), agent_due_at=NOON)
            await verification.prove("H-1", [records.certificate()], [], NOON, taken)
        for number in (1, 2):
            await inventories.ask([records.ask(number)], NOON, lease)
            commands = SQLCommandStore(self.database)
            await commands.finish(f"profiles-{number}", "H-1", "Acknowledged", "", NOON, None)
        await inventories.inventory("H-1")
        await inventories.due_inventories(NOON + HOUR, 10)
        await inventories.ask_agent("H-1", NOON, records.activity())
        await inventories.unproved(NOON, 10)
        await inventories.count_unproved(NOON)

    async def changes(self) -> None:
        """
        What operators change of profiles and hosts.
        """
        profiles = SQLProfileStore(self.database, step=2)
        hosts = SQLHostChangeStore(self.database)
        targets = Targets(("x",), ("y",), ("z",))
        done = records.activity()
        await profiles.add_profile(records.profile("c-1", targets=targets), done)
        await profiles.set_targets("c-1", Targets(), done)
        await profiles.replace_profile(records.profile("c-1", sha256="cd" * 32), done)
        await profiles.unfinished_sweeps()
        await profiles.advance_sweep("c-1", NOON)
        await profiles.target_count("c-1")
        await hosts.change_labels("H-1", {"x"}, {"berlin"}, done)
        told = FactsChange("H-1", (("HOST_END_USER_IDP_USERNAME", "ann"),))
        await hosts.change_facts([told], done)
        await hosts.learn("H-1", DeviceDetails(os_version="26.0"), NOON)
        await hosts.uuids_of(["H-1", "C02"])
        await profiles.remove_profile("c-1", done)
        await profiles.add_profile(records.profile("c-1"), done)

    async def issuing(self) -> None:
        """
        What the embedded certificate authority does.
        """
        tokens, issuing = SQLEnrollmentTokenStore(self.database), SQLIssuingStore(self.database)
        await SQLCAStateStore(self.database).create_ca_state(records.ca_state())
        await tokens.add_enrollment_token(records.enrollment_token(), records.activity())
        await tokens.enrollment_tokens()
        await tokens.add_challenge(records.challenge())
        await issuing.issue(records.issued(), NOON)
        await issuing.issued("request-0B")
        await issuing.certificate_by_sha256("sha-0B")
        renewal = {"challenge_sha256": None, "renewed_sha256": "sha-0B"}
        await issuing.issue(records.issued("0C", **renewal), NOON)
        certificates = SQLCertificateStore(self.database)
        await certificates.certificate_page(after="0B", limit=9)
        await certificates.revoke("0B", "superseded", records.activity())
        await certificates.count_revoked("")
        await certificates.revoked("", NOON)
        requests = SQLPendingRequestStore(self.database)
        await requests.add_request(records.pending_request(), 10)
        await requests.polled_request("t-r-1", "s-1", NOON)
        for waiting in (True, False):
            await requests.pending_requests(NOON, waiting=waiting, after="r-1", limit=9)
        await tokens.remove_enrollment_token("e1", records.activity())

    async def pruning(self) -> None:
        """
        What forgets old records, with some of each that go and some that stay.
        """
        await self.proxy_and_administration()
        await self.identities()
        store = SQLRecordPruning(self.database, lambda: NOON)
        enrollment = SQLEnrollmentStore(self.database)
        await enrollment.settle_window(records.exchange("x-3"), WindowOutcome.LOCK, None)
        assignments = SQLAssignmentStore(self.database)
        await SQLProfileStore(self.database).add_profile(records.profile(), records.activity())
        await assignments.assign(records.assignment())
        await assignments.open_window(records.window("w-9", opened_at=NOON + HOUR))
        lease = await SQLLeaseStore(self.database, lambda: NOON).take_lease("prune", "one", 60)
        assert lease is not None
        self.steps.clear()
        later = NOON + 10_000 * HOUR
        self.assertEqual(await store.prune_windows(later, 10, lease), Pruned(2, 1))
        self.assertEqual(await store.prune_exchanges(later, 10, lease), Pruned(3, 3))
        self.assertEqual(await store.prune_certificates(later, 10, lease), Pruned(2, 1))
        self.assertEqual(await store.prune_activities(later, 3, lease), Pruned(3, 3))

    async def add_fleet(self) -> None:
        """
        Two certificate authorities, and hosts with a verified profile of each.
        """
        authorities = SQLCertificateAuthorityStore(self.database)
        checkins = SQLCheckInStore(self.database)
        for name in ("a", "b"):
            await authorities.add_certificate_authority(records.ca(name), records.activity())
            one = records.profile(name, ca_names=(name,))
            await SQLProfileStore(self.database).add_profile(one, records.activity())
        for number in range(20):
            uuid = f"H-{number}"
            await checkins.authenticate(records.host(uuid), records.enrollment(uuid), uuid)
            await checkins.update_token(uuid, records.address(), NOON, NOON)
        lease = await SQLLeaseStore(self.database).take_lease("tick", "one", 60)
        assert lease is not None
        # One row for each certificate authority that was added, for a tick or two.
        while await SQLDeliveryStore(self.database).recover(NOON, lease):
            pass

    async def tick(self) -> None:
        """
        What is done every few seconds, whether there is something to do or not.
        """
        lease = await SQLLeaseStore(self.database).take_lease("tick", "one", 60)
        assert lease is not None
        delivery, pushes = SQLDeliveryStore(self.database), SQLPushStore(self.database)
        early = NOON - HOUR
        for name in await delivery.due_authorities(early):
            await delivery.due_rows(name, early, 100)
        await delivery.due_rows("a", early, 100)
        await delivery.hold("a", "out", early, lease, early)
        await delivery.recover(early, lease)
        await pushes.earliest_push()
        await pushes.claim_pushes(early, early, 100)
        await delivery.queue_deliveries([], lease, early)

    def test_no_scan(self) -> None:
        """
        Every statement searches an index, and lists come in the index's order.
        """
        self.run_now(self.proxy_and_administration())
        self.run_now(self.management())
        self.run_now(self.changes())
        self.run_now(self.issuing())
        self.assertEqual(self.scans, [], "\n".join(self.scans))

    def test_pruning(self) -> None:
        """
        What is old is found in an index, and each statement reads no more than what it forgets.
        """
        self.run_now(self.pruning())
        self.assertEqual(self.scans, [], "\n".join(self.scans))
        self.assertEqual([step for step in self.steps if step.startswith("SCAN")], [])
        for index in (
            "ix_enrollment_window_age (<expr><",
            "ix_scep_exchange_started_at_id (started_at<",
            "ix_issued_certificate_age (<expr><",
            "ix_activity_at (at<",
        ):
            self.assertTrue([step for step in self.steps if index in step], index)

    def test_tick(self) -> None:
        """
        A tick reads no index from its beginning, and so few of them that they don't grow with the
        hosts.
        """
        self.run_now(self.add_fleet())
        self.steps.clear()
        self.run_now(self.tick())
        # It is empty, but for seconds.
        scans = [step for step in self.steps if step.startswith("SCAN")]
        self.assertEqual([step for step in scans if "authority_recovery" not in step], [])
        self.assertEqual([step for step in self.steps if "TEMP B-TREE" in step], [])
        self.assertLess(len(self.steps), 20)

    def test_renewals(self) -> None:
        """
        Renewals are found in an index; only what is due is put in order.
        """
        self.run_now(self.add_fleet())
        self.steps.clear()
        self.run_now(self.renewal())
        for column, count in (("renew_at", 3), ("expires_at", 5), ("overdue_at", 2)):
            found = [step for step in self.steps if f"{column}<" in step]
            self.assertEqual(len(found), count, self.steps)
            for search in found:
                self.assertIn("SEARCH host_profile USING ", search)
        self.assertEqual([step for step in self.steps if step.startswith("SCAN")], [])

    def test_identities(self) -> None:
        """
        No renewal of an identity reads more than the identities of its own device; what is due, or
        expires soon, is found in an index.
        """
        self.run_now(self.identities())
        self.assertEqual(self.scans, [])
        self.assertEqual([step for step in self.steps if step.startswith("SCAN")], [])
        for column in ("look_at", "not_after", "renewal_failed_at"):
            index = f"USING INDEX ix_device_identity_{column} ("
            covering = index.replace("INDEX", "COVERING INDEX")
            found = [step for step in self.steps if index in step or covering in step]
            self.assertTrue(found, column)

    async def renewal(self) -> None:
        """
        Look for renewals.
        """
        lease = await SQLLeaseStore(self.database).take_lease("renewal", "one", 60)
        assert lease is not None
        renewals = SQLRenewalStore(self.database)
        await renewals.due_renewals(NOON, (HOUR, HOUR), 10)
        await renewals.renew([("H-1", "a")], NOON, lease)
        await renewals.overdue_cases(NOON, 10)
        await renewals.certificate_counts(NOON)
