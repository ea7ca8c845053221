"""
What every database must do with enrollments and identities.
"""

from __future__ import annotations

from dataclasses import replace

from scepd.errors import Conflict, NotFound
from scepd.model import Admission, KnownIdentity, Targets
from tests.storage import records
from tests.storage.base import StorageTestCase, reserve
from tests.storage.records import HOUR, NOON, SECOND

LATER = NOON + HOUR


class IdentityContract(StorageTestCase):
    """
    The identities of CheckInStore.
    """

    async def issue(self) -> KnownIdentity:
        """
        An identity is issued for the token e1; what is known of it, before it is pinned.
        """
        token = records.enrollment_token(allow_reenrollment=True)
        await self.enrollment_tokens.add_enrollment_token(token, records.activity())
        await self.enrollment_tokens.add_challenge(records.challenge())
        issued = await self.issuing.issue(records.issued(), NOON)
        labels = ("berlin", "new")
        return KnownIdentity(issued.sha256, None, False, None, labels, True, issued.not_after)

    async def test_issued(self) -> None:
        """
        An identity tells of its token, and once it is pinned of its enrollment.
        """
        fresh = await self.issue()
        self.assertEqual(await self.checkins.identity("sha-0B"), fresh)
        await self.checkins.authenticate(records.host(), records.enrollment(), "sha-0B")
        pinned = replace(fresh, enrollment_id="H-1", host_uuid="H-1")
        self.assertEqual(await self.checkins.identity("sha-0B"), pinned)
        await self.checkins.update_token("H-1", records.address(), NOON, NOON)
        self.assertEqual(await self.checkins.identity("sha-0B"), replace(pinned, enabled=True))

    async def test_of_no_challenge(self) -> None:
        """
        A certificate that is unknown, or was issued for a profile, is no identity.
        """
        static = records.issued(purpose="profile", challenge_sha256=None)
        await self.issuing.issue(static, NOON)
        self.assertIsNone(await self.checkins.identity("sha-0B"))
        self.assertIsNone(await self.checkins.identity("sha-0C"))

    async def test_outlives_challenge(self) -> None:
        """
        An identity is known, with its labels, when its challenge is long gone.
        """
        fresh = await self.issue()
        self.now = NOON + 100 * HOUR
        await self.enrollment_tokens.add_challenge(
            records.challenge("c2", expires_at=self.now + HOUR)
        )
        self.assertIsNone(await self.issuing.challenge("c1"))
        self.assertEqual(await self.checkins.identity("sha-0B"), fresh)

    async def test_token_gone(self) -> None:
        """
        When its token is removed, an identity that enrolled goes on, and no other.
        """
        fresh = await self.issue()
        await self.enrollment_tokens.remove_enrollment_token("e1", records.activity())
        self.assertIsNone(await self.checkins.identity("sha-0B"))
        await self.checkins.authenticate(records.host(), records.enrollment(), "sha-0B")
        known = replace(fresh, labels=(), allow_reenrollment=False)
        expected = replace(known, enrollment_id="H-1", host_uuid="H-1")
        self.assertEqual(await self.checkins.identity("sha-0B"), expected)

    async def pinned_to(self) -> str | None:
        """
        The enrollment that the identity is pinned to.
        """
        found = await self.checkins.identity("sha-0B")
        return None if found is None else found.enrollment_id

    async def test_pinned_to_another(self) -> None:
        """
        An identity of another enrollment is refused, and nothing is stored.
        """
        await self.checkins.authenticate(records.host(), records.enrollment(), "id-1")
        await self.checkins.authenticate(records.host("H-2"), records.enrollment("H-2"), "id-2")
        third = records.host("H-3"), records.enrollment("H-3")
        await self.refused(Conflict, self.checkins.authenticate(*third, "id-1"))
        await self.refused(Conflict, self.checkins.pin_identity("H-1", "id-2", NOON))
        self.assertIsNone(await self.hosts.host("H-3"))
        self.assertIsNone(await self.checkins.enrollment("H-3"))

    async def test_enabled_already(self) -> None:
        """
        Who may not take the place of an enabled enrollment is refused, and nothing is stored.
        """
        await self.checkins.authenticate(records.host(), records.enrollment(), "id-1")
        again = records.host(serial_number="other"), records.enrollment()
        await self.checkins.authenticate(*again, "id-2", replace_enabled=False)
        await self.checkins.update_token("H-1", records.address(), NOON, NOON)
        await self.refused(
            Conflict,
            self.checkins.authenticate(records.host(), *again[1:], "id-3", replace_enabled=False),
        )
        found = await self.checkins.enrollment("H-1")
        self.assertTrue(found is not None and found.enabled)
        self.assertEqual(await self.hosts.host("H-1"), again[0])
        self.assertEqual(await self.done(), [])
        told = records.activity("H-1")
        for _ in range(2):
            await self.checkins.authenticate(*again, "id-3", activity=told)
        self.assertEqual(await self.done(), [told])
        await self.checkins.tell(told)
        self.assertEqual(await self.done(), [told, told])

    async def test_one_more(self) -> None:
        """
        An enrollment may have several identities, until it begins anew with one.
        """
        await self.issue()
        await self.checkins.authenticate(records.host(), records.enrollment(), "id-1")
        await self.checkins.pin_identity("H-1", "sha-0B", NOON)
        await self.checkins.pin_identity("H-1", "sha-0B", NOON)
        self.assertEqual(await self.pinned_to(), "H-1")
        second = records.host("H-2"), records.enrollment("H-2")
        await self.refused(Conflict, self.checkins.authenticate(*second, "id-1"))
        await self.checkins.authenticate(records.host(), records.enrollment(), "id-2")
        self.assertIsNone(await self.pinned_to())
        await self.checkins.authenticate(*second, "id-1")

    async def test_checked_out(self) -> None:
        """
        With CheckOut an enrollment loses its identities: nothing enables it, not even when its push
        address is forgotten, until one of them begins anew.
        """
        fresh = await self.issue()
        await self.checkins.authenticate(records.host(), records.enrollment(), "sha-0B")
        await self.checkins.pin_identity("H-1", "id-2", NOON)
        await self.checkins.update_token("H-1", records.address(), NOON, NOON)
        await self.checkins.check_out("H-1", NOON)
        self.assertEqual(await self.checkins.identity("sha-0B"), fresh)
        await self.forget_push_address()
        update = self.checkins.update_token("H-1", records.address(), NOON, NOON)
        await self.refused(NotFound, update)
        found = await self.checkins.enrollment("H-1")
        self.assertFalse(found is None or found.enabled)
        await self.checkins.authenticate(records.host("H-2"), records.enrollment("H-2"), "id-2")
        await self.checkins.authenticate(records.host(), records.enrollment(), "sha-0B")
        await self.checkins.update_token("H-1", records.address(), NOON, NOON)
        pinned = replace(fresh, enrollment_id="H-1", host_uuid="H-1", enabled=True)
        self.assertEqual(await self.checkins.identity("sha-0B"), pinned)

    async def test_pin_to_none(self) -> None:
        """
        An enrollment that is not there has no identities.
        """
        await self.refused(NotFound, self.checkins.pin_identity("H-9", "id-1", NOON))


class CheckInContract(StorageTestCase):
    """
    The enrollments of CheckInStore.
    """

    async def test_enrolled(self) -> None:
        """
        An enrollment begins disabled and without an address; a TokenUpdate gives it both.
        """
        self.assertIsNone(await self.checkins.enrollment("H-1"))
        begun = records.enrollment(enabled=True, push=records.address())
        await self.checkins.authenticate(records.host(model="Mac16,1"), begun, "id-1")
        self.assertEqual(await self.checkins.enrollment("H-1"), records.enrollment())
        self.assertEqual(await self.hosts.host("H-1"), records.host(model="Mac16,1"))
        await self.checkins.update_token("H-1", records.address(), NOON, LATER)
        expected = records.enrollment(enabled=True, push=records.address())
        self.assertEqual(await self.checkins.enrollment("H-1"), expected)

    async def test_enrolled_hosts(self) -> None:
        """
        A host counts as enrolled from the device's first TokenUpdate to its CheckOut.
        """
        asked = [f"H-{number}" for number in range(2_000)]
        await self.checkins.authenticate(records.host(), records.enrollment(), "id-1")
        self.assertEqual(await self.checkins.enrolled_hosts(asked), frozenset())
        await self.checkins.update_token("H-1", records.address(), NOON, LATER)
        self.assertEqual(await self.checkins.enrolled_hosts(asked), {"H-1"})
        self.assertEqual(await self.checkins.enrolled_hosts(["H-2"]), frozenset())
        self.assertEqual(await self.checkins.enrolled_hosts([]), frozenset())
        await self.checkins.check_out("H-1", LATER)
        self.assertEqual(await self.checkins.enrolled_hosts(asked), frozenset())

    async def test_known_host(self) -> None:
        """
        A host that enrolls keeps facts, labels, and what the device does not tell; its labels are
        added.
        """
        await self.hosts.put_host(records.host(model="Mac16,1", os_version="15.2"))
        again = records.host(
            serial_number="D01",
            platform="ios",
            labels=("new", "sales"),
            facts={},
            os_version="15.3",
        )
        await self.checkins.authenticate(again, records.enrollment(), "id-1")
        expected = records.host(
            serial_number="D01",
            platform="ios",
            labels=("berlin", "new", "os:15", "platform:ios", "sales"),
            model="Mac16,1",
            os_version="15.3",
        )
        self.assertEqual(await self.hosts.host("H-1"), expected)

    async def test_enrolled_anew(self) -> None:
        """
        A new enrollment cancels what waits, and its assignments are due again, from the start.
        """
        await self.hand_over()
        await self.commands.queue(records.command("c-2"))
        await self.checkins.authenticate(
            records.host(), records.enrollment(enrolled_at=LATER), "id-2"
        )
        self.assertIsNone(await self.commands.next_command("H-1", after_not_now=False))
        self.assertEqual((await self.commands.commands("H-1"))[0].status, "cancelled")
        self.assertEqual((await reserve(self.enrollment)).admission, Admission.CLOSED)
        self.assertIsNone(await self.pushes.earliest_push())
        self.assertEqual(await self.row(), records.assignment(due_at=LATER))
        self.assertEqual(await self.delivery.due_authorities(LATER), [])
        await self.checkins.update_token("H-1", records.address(), LATER, LATER)
        self.assertEqual(await self.delivery.due_authorities(LATER), ["corp"])

    async def test_first_token(self) -> None:
        """
        A device that is enabled gets the profiles that target it and a wish to be pushed later; one
        that is enabled already gets neither.
        """
        for uuid, label in (("a-1", None), ("a-2", "new"), ("a-3", "other")):
            new = records.profile(uuid, targets=Targets((label,) if label else ()))
            await self.profiles.add_profile(new, records.activity())
        await self.checkins.authenticate(
            records.host(labels=("new",)), records.enrollment(), "id-1"
        )
        await self.checkins.update_token("H-1", records.address(), NOON, NOON + SECOND)
        found = await self.assignments.assignments_of_host("H-1")
        self.assertEqual([one.profile_uuid for one in found], ["a-1", "a-2"])
        self.assertEqual({one.due_at for one in found}, {NOON})
        self.assertEqual(await self.pushes.earliest_push(), NOON + SECOND)
        await self.checkins.update_token("H-1", records.address(b"new"), LATER, LATER)
        self.assertEqual(await self.pushes.earliest_push(), NOON + SECOND)
        self.assertEqual(await self.assignments.assignments_of_host("H-1"), found)

    async def test_user_enrollment(self) -> None:
        """
        A device that its user owns gets profiles and pushes like every other, keeps its assignments
        parked when it checks out, and takes its user channels along.
        """
        await self.profiles.add_profile(records.profile("a-1"), records.activity())
        device = records.enrollment("E-1", host_uuid="E-1", kind="user-enrollment")
        await self.checkins.authenticate(records.host("E-1"), device, "id-1")
        await self.checkins.update_token("E-1", records.address(), NOON, NOON + SECOND)
        self.assertEqual((await self.row("E-1", "a-1")).due_at, NOON)
        self.assertEqual(await self.pushes.earliest_push(), NOON + SECOND)
        await self.profiles.add_profile(records.profile("a-2"), records.activity())
        self.assertEqual((await self.row("E-1", "a-2")).status, "pending")
        user = records.enrollment("E-1:U", host_uuid="E-1", kind="user-enrollment-user")
        await self.checkins.authenticate(records.host("E-1"), user, "id-2")
        await self.checkins.update_token("E-1:U", records.address(), NOON, NOON)
        await self.checkins.check_out("E-1:U", NOON)
        self.assertEqual((await self.row("E-1", "a-1")).due_at, NOON)
        await self.checkins.authenticate(records.host("E-1"), user, "id-2")
        await self.checkins.update_token("E-1:U", records.address(), NOON, NOON)
        await self.checkins.check_out("E-1", LATER)
        for id in ("E-1", "E-1:U"):
            found = await self.checkins.enrollment(id)
            self.assertFalse(found is None or found.enabled)
        self.assertEqual((await self.row("E-1", "a-1")).detail, "the host is not enrolled")

    async def test_token_keeps_assignments(self) -> None:
        """
        A host that has an assignment keeps it as it is.
        """
        await self.add_host_with_profile()
        failed = records.assignment(status="failed", detail="no such CA")
        await self.checkins.authenticate(records.host(), records.enrollment(), "id-1")
        await self.assignments.assign(failed)
        await self.checkins.update_token("H-1", records.address(), NOON, NOON)
        self.assertEqual(await self.row(), failed)

    async def test_token_of_none(self) -> None:
        """
        A token of an enrollment that is not there is refused.
        """
        update = self.checkins.update_token("H-9", records.address(), NOON, NOON)
        self.assertIn("'H-9'", await self.refused(NotFound, update))

    async def test_reachable_again(self) -> None:
        """
        One that could not be pushed is, with a new address, when a command waits for it.
        """
        await self.enroll()
        await self.commands.queue(records.command())
        await self.forget_push_address()
        self.assertIsNone(await self.pushes.earliest_push())
        await self.checkins.update_token("H-1", records.address(), LATER, LATER + SECOND)
        self.assertEqual(await self.pushes.earliest_push(), LATER + SECOND)

    async def test_checked_out(self) -> None:
        """
        A device that checks out is disabled, its assignments are parked, and nobody pushes it.
        """
        await self.hand_over()
        await self.checkins.check_out("H-1", LATER)
        found = await self.checkins.enrollment("H-1")
        self.assertFalse(found is None or found.enabled)
        parked = records.assignment(detail="the host is not enrolled")
        self.assertEqual(await self.row(), parked)
        self.assertEqual((await reserve(self.enrollment)).admission, Admission.CLOSED)
        self.assertIsNone(await self.commands.next_command("H-1", after_not_now=False))
        self.assertIsNone(await self.pushes.earliest_push())
        await self.checkins.check_out("H-9", LATER)

    async def test_enrolled_after_check_out(self) -> None:
        """
        Assignments that were parked are due when the device enrolls again.
        """
        await self.hand_over()
        await self.checkins.check_out("H-1", NOON)
        await self.enroll()
        self.assertEqual(await self.row(), records.assignment(due_at=NOON))
        self.assertEqual(len(await self.delivery.due_rows("corp", NOON, 10)), 1)

    async def test_user_channel(self) -> None:
        """
        A user channel ends with its device, and changes nothing for the device's assignments.
        """
        await self.hand_over()
        before = await self.row()
        channel = records.enrollment("H-1:user", host_uuid="H-1", kind="user")
        await self.checkins.authenticate(records.host(), channel, "id-2")
        await self.checkins.update_token("H-1:user", records.address(), NOON, NOON)
        await self.checkins.check_out("H-1:user", NOON)
        await self.checkins.authenticate(records.host(), channel, "id-2")
        await self.checkins.update_token("H-1:user", records.address(), NOON, NOON)
        await self.commands.queue(records.command(enrollment_id="H-1:user"))
        self.assertEqual(await self.row(), before)
        await self.checkins.check_out("H-1", NOON)
        found = await self.checkins.enrollment("H-1:user")
        self.assertFalse(found is None or found.enabled)
        self.assertIsNone(await self.pushes.earliest_push())

    async def test_saw(self) -> None:
        """
        Enrollments and their hosts were seen, the others were not; never back in time.
        """
        for uuid in ("H-1", "H-2"):
            await self.enroll(uuid)
        await self.checkins.saw(["H-1", "H-9"], LATER)
        await self.checkins.saw(["H-1"], NOON)
        for uuid, seen_at in (("H-1", LATER), ("H-2", None)):
            host = await self.hosts.host(uuid)
            enrollment = await self.checkins.enrollment(uuid)
            assert host is not None and enrollment is not None
            self.assertEqual((host.last_seen, enrollment.last_seen), (seen_at, seen_at))

    async def test_saw_many(self) -> None:
        """
        More enrollments than one statement takes are seen all the same.
        """
        await self.enroll()
        await self.checkins.saw([f"H-{number}" for number in range(40_000, 0, -1)], LATER)
        host = await self.hosts.host("H-1")
        self.assertEqual(host and host.last_seen, LATER)
