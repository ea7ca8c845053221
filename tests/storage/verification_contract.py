"""
What every database must do with agents, inventories and certificates.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from scepd.model import Delivery, ManagedCertificate, WindowOutcome
from scepd.profiles.lifecycle import Event
from tests.storage import records
from tests.storage.base import StorageTestCase, reserve
from tests.storage.records import HOUR, NOON, SECOND

DAY = timedelta(days=1)


class AgentContract(StorageTestCase):
    """
    The agents of VerificationStore.
    """

    async def test_enrolled(self) -> None:
        """
        An agent is found by its newest key; the case of the host's uuid does not matter.
        """
        await self.hosts.put_host(records.host("00ab-CD"))
        self.assertTrue(await self.verification.enroll_agent("00AB-cd", "key-1", NOON))
        self.assertEqual(await self.verification.agent_host("key-1"), "00ab-CD")
        self.assertTrue(await self.verification.enroll_agent("00ab-CD", "key-2", NOON))
        self.assertIsNone(await self.verification.agent_host("key-1"))
        self.assertEqual(await self.verification.agent_host("key-2"), "00ab-CD")

    async def test_unknown_host(self) -> None:
        """
        A host that is not there has no agent.
        """
        self.assertFalse(await self.verification.enroll_agent("H-9", "key-1", NOON))
        self.assertIsNone(await self.verification.agent_host("key-1"))

    async def test_enrolled_by_check_in(self) -> None:
        """
        A host that came with its check-in is found likewise.
        """
        await self.enroll("00AB")
        self.assertTrue(await self.verification.enroll_agent("00ab", "key-1", NOON))

    async def test_inventory_due(self) -> None:
        """
        A host is asked once, then not before the given time.
        """
        await self.hosts.put_host(records.host())
        again_at = NOON + HOUR
        self.assertTrue(await self.verification.inventory_due("H-1", NOON, again_at))
        self.assertFalse(
            await self.verification.inventory_due("H-1", again_at - SECOND, again_at + HOUR)
        )
        self.assertTrue(await self.verification.inventory_due("H-1", again_at, again_at + HOUR))
        self.assertFalse(await self.verification.inventory_due("H-9", NOON, again_at))


class ProofContract(StorageTestCase):
    """
    The deliveries and certificates of VerificationStore.
    """

    async def prove(self, *certificates: ManagedCertificate, what: Event | None = None) -> None:
        """
        An inventory of H-1 shows these certificates.
        """
        events = [] if what is None else [records.event(what)]
        await self.verification.prove("H-1", certificates, events, NOON)

    async def test_delivery(self) -> None:
        """
        A delivery is told once it was handed over, with its window and what the proxy saw in it.
        """
        await self.enroll()
        await self.add_corp_profile()
        await self.queue_due()
        self.assertEqual(await self.verification.deliveries("H-1"), [])
        await self.commands.hand_over("c-a-1-H-1", NOON + SECOND, records.window())
        expected = Delivery(
            profile_uuid="a-1",
            profile_identifier="com.example.a-1",
            content=records.profile().content,
            ca_name="corp",
            status="pending",
            delivered_at=NOON + SECOND,
            acknowledged_at=None,
            window_opened_at=NOON,
            granted=False,
            known_sha1s=frozenset(),
            window_number=1,
        )
        self.assertEqual(await self.verification.deliveries("H-1"), [expected])
        await reserve(self.enrollment)
        await self.enrollment.settle_window(records.exchange(), WindowOutcome.LOCK, None)
        await self.delivery.happen([records.event(Event.ACKNOWLEDGED)], NOON + HOUR, None)
        (found,) = await self.verification.deliveries("H-1")
        acknowledged = replace(
            expected, status="verifying", acknowledged_at=NOON + HOUR, granted=True
        )
        self.assertEqual(found, acknowledged)

    async def test_changed_meanwhile(self) -> None:
        """
        What an inventory says of an assignment that has changed since it was read does not count;
        the certificate was there all the same, unless the host has enrolled anew.
        """
        await self.hand_over()
        await self.delivery.happen([records.event(Event.ACKNOWLEDGED)], NOON, None)
        (read,) = await self.verification.deliveries("H-1")
        versions = {("H-1", "a-1"): read.version}
        proved = [records.event(Event.INVENTORY_PROVED)]
        await self.delivery.happen([records.event(Event.RESENT)], NOON, None)
        told = await self.verification.prove(
            "H-1", [records.certificate("01")], proved, NOON, judged=versions
        )
        self.assertEqual((told, (await self.row()).status), ([], "pending"))
        self.assertEqual([one.sha1 for one in await self.verification.certificates("H-1")], ["01"])
        await self.delivery.happen([records.event(Event.ENROLLED_ANEW)], NOON, None)
        await self.verification.prove(
            "H-1", [records.certificate("02")], proved, NOON, judged=versions
        )
        self.assertEqual(await self.verification.certificates("H-1"), [])

    async def test_unchanged_meanwhile(self) -> None:
        """
        What it says of one that is as it was read does.
        """
        await self.hand_over()
        (read,) = await self.verification.deliveries("H-1")
        proved = [records.event(Event.INVENTORY_PROVED)]
        versions = {("H-1", "a-1"): read.version, ("H-1", "gone"): read.version}
        told = await self.verification.prove("H-1", [], proved, NOON, judged=versions)
        self.assertEqual((told, (await self.row()).status), (proved, "verified"))

    async def test_of_the_newest_window(self) -> None:
        """
        What was granted in an older window, or only asked for, proves nothing.
        """
        await self.hand_over()
        await self.enrollment.settle_window(records.exchange(), WindowOutcome.LOCK, None)
        later = records.window("w-2", opened_at=NOON + SECOND)
        await self.commands.hand_over("c-a-1-H-1", NOON + SECOND, later)
        failed = records.exchange("x-2", window_id="w-2", pki_status="FAILURE")
        await self.enrollment.settle_window(failed, WindowOutcome.REOPEN, None)
        (found,) = await self.verification.deliveries("H-1")
        self.assertEqual((found.window_opened_at, found.granted), (NOON + SECOND, False))

    async def test_known_certificates(self) -> None:
        """
        Known are the certificates of the host that were compared with no delivery as new as this
        one, whatever the clocks said then.
        """
        await self.hand_over()
        await self.prove(
            records.certificate("01", first_seen=NOON + SECOND, profile_uuid="a-9"),
            records.certificate("02", first_seen=NOON - SECOND, window_number=1),
        )
        (found,) = await self.verification.deliveries("H-1")
        self.assertEqual(found.known_sha1s, frozenset({"01"}))

    async def test_own_identities(self) -> None:
        """
        Known are the identities of the host's own enrollments too, and no other certificates of the
        embedded certificate authority.
        """
        await self.enrollment_tokens.add_enrollment_token(
            records.enrollment_token(), records.activity()
        )
        for number, purpose in (("1", "enroll"), ("2", "enroll"), ("3", "profile")):
            challenge = f"c{number}" if purpose == "enroll" else None
            if challenge is not None:
                await self.enrollment_tokens.add_challenge(records.challenge(challenge))
            one = records.issued(
                number,
                certificate=number.encode(),
                purpose=purpose,
                public_key_sha256=f"k{number}",
                challenge_sha256=challenge,
            )
            await self.issuing.issue(one, NOON)
        await self.hand_over()
        await self.checkins.pin_identity("H-1", "sha-1", NOON)
        await self.enroll("H-2")
        await self.checkins.pin_identity("H-2", "sha-2", NOON)
        (found,) = await self.verification.deliveries("H-1")
        # `printf 1 | sha1sum`
        known = frozenset({"356a192b7913b04c54574d18c28d46e6395428ab"})
        self.assertEqual(found.known_sha1s, known)

    async def test_which_deliveries(self) -> None:
        """
        Verified and failed ones are told too, removals are not; without a certificate authority
        there is no window.
        """
        await self.hosts.put_host(records.host())
        for uuid, changes in (
            ("a-1", {"status": "verified"}),
            ("a-2", {"status": "failed", "ca_name": None}),
            ("a-3", {"operation": "remove"}),
        ):
            await self.profiles.add_profile(records.profile(uuid), records.activity())
            one = records.assignment(profile_uuid=uuid, delivered_at=NOON, **changes)
            await self.assignments.assign(one)
            await self.assignments.open_window(records.window(f"w-{uuid}", profile_uuid=uuid))
        found = await self.verification.deliveries("H-1")
        told = [(one.profile_uuid, one.status, one.window_opened_at) for one in found]
        self.assertEqual(told, [("a-1", "verified", NOON), ("a-2", "failed", None)])

    async def test_certificates(self) -> None:
        """
        Certificates are told field by field, the newest NotBefore first, those that count no more
        only when asked for; of other hosts none.
        """
        await self.hand_over()
        old = records.certificate("01", not_before=NOON - DAY)
        new = records.certificate("02", source="MDM")
        await self.prove(old, new)
        retired = replace(old, retired_at=NOON)
        everything = await self.verification.certificates("H-1", retired=True)
        self.assertEqual(everything, [new, retired])
        self.assertEqual(await self.verification.certificates("H-1"), [new])
        self.assertEqual(await self.verification.certificates("H-2", retired=True), [])

    async def test_first_sight(self) -> None:
        """
        A certificate that is seen again keeps its first sight and its time of renewal; older ones
        that are not seen again stay.
        """
        await self.hand_over()
        old, first = records.certificate("01", not_before=NOON - DAY), records.certificate("02")
        await self.prove(old, first)
        again = replace(first, first_seen=NOON + DAY, renew_at=first.renew_at + DAY, source="MDM")
        await self.prove(again)
        expected = [replace(first, source="MDM"), replace(old, retired_at=NOON)]
        self.assertEqual(await self.verification.certificates("H-1", retired=True), expected)

    async def test_events(self) -> None:
        """
        With the certificates come the events.
        """
        await self.hand_over()
        await self.delivery.happen([records.event(Event.ACKNOWLEDGED)], NOON, None)
        await self.prove(records.certificate(), what=Event.INVENTORY_PROVED)
        self.assertEqual((await self.row()).status, "verified")
