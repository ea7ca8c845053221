"""
What every database must do with user channels, and with what goes by them.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from scepd.errors import NotFound
from scepd.model import QueuedCommand
from scepd.profiles.lifecycle import Event
from scepd.storage.user_channels import MOST_CHANNELS
from tests.storage import records
from tests.storage.base import StorageTestCase
from tests.storage.records import HOUR, NOON, SECOND

WAITS = "waits for a user channel of the host"
ANN, BOB = "H-1:ann", "H-1:bob"


class UserChannelCase(StorageTestCase):
    """
    A Mac H-1 that is enrolled.
    """

    async def appear(
        self, id: str = ANN, at: datetime = NOON, host: str = "H-1", **changes: object
    ) -> None:
        """
        A user channel of a host is enabled.
        """
        channel = records.enrollment(id, host_uuid=host, kind="user", enrolled_at=at, **changes)
        await self.channels.update_token(channel, host, records.address(id.encode()), at, at)

    async def ways(self, at: datetime = NOON) -> dict[str, str]:
        """
        The enrollment by which each due assignment goes, by its profile.
        """
        found = {}
        for name in await self.delivery.due_authorities(at):
            for row in await self.delivery.due_rows(name, at, 100):
                found[row.profile_uuid] = row.enrollment_id
        return found

    async def deliver(self, at: datetime = NOON, enrollment_id: str = ANN) -> QueuedCommand:
        """
        What is due is queued, and the first of that enrollment handed over and acknowledged.
        """
        for name in await self.delivery.due_authorities(at):
            await self.queue_due(at, name)
        command = await self.commands.next_command(enrollment_id, after_not_now=False)
        assert command is not None and command.profile_uuid is not None
        uuid = command.profile_uuid
        window = records.window(f"w-{command.uuid}", profile_uuid=uuid)
        self.assertTrue(await self.commands.hand_over(command.uuid, at, window))
        acknowledged = records.event(Event.ACKNOWLEDGED, profile_uuid=uuid)
        self.assertTrue(
            await self.commands.finish(
                command.uuid, enrollment_id, "Acknowledged", "", at, acknowledged
            )
        )
        return command

    async def queue_due(self, at: datetime = NOON, ca_name: str | None = "corp") -> int:
        """
        Queue a command for each assignment that is due, each with a uuid of its own.
        """
        due = await self.delivery.due_rows(ca_name, at, 1000)
        commands = [records.delivery_of(row, at) for row in due]
        queued = len(await self.commands.commands("H-1"))
        pairs = [
            (row, replace(one, uuid=f"{one.uuid}-{queued}"))
            for row, one in zip(due, commands, strict=True)
        ]
        return await self.delivery.queue_deliveries(pairs, await self.lease(), at)

    async def user_profile(self, uuid: str = "a-1", **changes: object) -> None:
        """
        Add a profile for the users of all hosts.
        """
        await self.add_corp_profile(uuid, scope="User", **changes)


class UserChannelContract(UserChannelCase):
    """
    UserChannelStore: the channels themselves.
    """

    async def test_appears(self) -> None:
        """
        A user channel is enabled beside its device, with an address and a wish to push of its own.
        """
        await self.enroll()
        await self.appear(user_name="ann")
        device, channel = await self.checkins.enrollments_of_host("H-1")
        self.assertEqual((device.id, device.enabled, device.user_name), ("H-1", True, ""))
        self.assertEqual(
            (channel.id, channel.host_uuid, channel.kind, channel.enabled, channel.user_name),
            (ANN, "H-1", "user", True, "ann"),
        )
        self.assertEqual(channel.push, records.address(ANN.encode()))
        claimed = await self.pushes.claim_pushes(NOON, NOON + HOUR, 10)
        self.assertEqual(
            [(one.enrollment_id, one.address) for one in claimed], [(ANN, channel.push)]
        )

    async def test_profile_users(self) -> None:
        """
        The users who get profiles of a host are those by whose enabled channels some go.
        """
        await self.enroll()
        await self.enroll("H-2")
        await self.appear(user_name="ann")
        self.assertEqual(await self.verification.profile_users("H-1"), [])
        await self.user_profile()
        self.assertEqual(await self.verification.profile_users("H-1"), ["ann"])
        self.assertEqual(await self.verification.profile_users("H-2"), [])
        await self.channels.end(ANN, NOON)
        self.assertEqual(await self.verification.profile_users("H-1"), [])

    async def test_of_no_device(self) -> None:
        """
        A user channel of a device that is not enabled, has ended, or is another host's, is refused.
        """
        await self.refused(NotFound, self.appear())
        await self.checkins.authenticate(records.host(), records.enrollment(), "id-1")
        await self.refused(NotFound, self.appear())
        await self.checkins.update_token("H-1", records.address(), NOON, NOON)
        await self.appear()
        await self.checkins.check_out("H-1", NOON)
        await self.refused(NotFound, self.appear())
        await self.enroll("H-2")
        channel = records.enrollment("H-2:ann", host_uuid="H-1", kind="user")
        await self.refused(
            NotFound,
            self.channels.update_token(channel, "H-2", records.address(), NOON, NOON),
        )
        found = await self.checkins.enrollment(ANN)
        self.assertFalse(found is None or found.enabled)

    async def test_again(self) -> None:
        """
        Another TokenUpdate keeps the queue, and wishes a push only when something waits in it.
        """
        await self.enroll()
        await self.appear()
        await self.pushes.claim_pushes(NOON, NOON + 9 * HOUR, 10)
        await self.appear(at=NOON + HOUR)
        self.assertEqual(await self.pushes.claim_pushes(NOON + HOUR, NOON + 9 * HOUR, 10), [])
        await self.commands.queue(records.command("c-ann", ANN, created_at=NOON))
        await self.pushes.claim_pushes(NOON, NOON + 9 * HOUR, 10)
        await self.appear(at=NOON + HOUR)
        (wished,) = await self.pushes.claim_pushes(NOON + HOUR, NOON + 9 * HOUR, 10)
        self.assertEqual(wished.enrollment_id, ANN)
        waits = await self.commands.next_command(ANN, after_not_now=False)
        self.assertEqual(waits and waits.uuid, "c-ann")
        self.assertIsNone(await self.commands.next_command("H-1", after_not_now=False))

    async def test_ends_alone(self) -> None:
        """
        A channel ends with its queue and its wish; its device and other channels go on.
        """
        await self.enroll()
        for id in (ANN, BOB):
            await self.appear(id)
            await self.commands.queue(records.command(f"c-{id}", id))
        await self.channels.end(ANN, NOON)
        await self.channels.end("H-1", NOON)
        await self.channels.end("nobody", NOON)
        enabled = [one.id for one in await self.checkins.enrollments_of_host("H-1") if one.enabled]
        self.assertEqual(enabled, ["H-1", BOB])
        self.assertIsNone(await self.commands.next_command(ANN, after_not_now=False))
        self.assertIsNotNone(await self.commands.next_command(BOB, after_not_now=False))
        claimed = await self.pushes.claim_pushes(NOON + HOUR, NOON + 2 * HOUR, 10)
        self.assertEqual([one.enrollment_id for one in claimed], [BOB])
        await self.appear(ANN)
        self.assertIsNone(await self.commands.next_command(ANN, after_not_now=False))

    async def test_ends_with_its_device(self) -> None:
        """
        CheckOut, and a new enrollment, of the device end all its user channels.
        """
        ends = (
            self.checkins.check_out("H-1", NOON),
            self.checkins.authenticate(records.host(), records.enrollment(), "id-9"),
        )
        for number, end in enumerate(ends):
            await self.enroll()
            for id in (ANN, BOB):
                await self.appear(id)
                await self.commands.queue(records.command(f"c-{id}-{number}", id))
            await end
            for id in (ANN, BOB):
                found = await self.checkins.enrollment(id)
                self.assertFalse(found is None or found.enabled)
                self.assertIsNone(await self.commands.next_command(id, after_not_now=False))
            self.assertIsNone(await self.pushes.earliest_push())

    async def test_bounded(self) -> None:
        """
        A device that makes up users without end has 100 of them: the longest silent one is
        forgotten, disabled ones first.
        """
        await self.enroll()
        for number in range(MOST_CHANNELS):
            await self.appear(f"H-1:{number:03}", NOON + number * SECOND)
        await self.channels.end("H-1:050", NOON)
        await self.checkins.saw(["H-1:000"], NOON + HOUR)
        for name in ("x", "y"):
            await self.appear(f"H-1:{name}", NOON + HOUR)
        ids = {one.id for one in await self.checkins.enrollments_of_host("H-1")}
        self.assertEqual(len(ids), 1 + MOST_CHANNELS)
        self.assertEqual(ids & {"H-1:000", "H-1:001", "H-1:002", "H-1:050"}, {"H-1:000", "H-1:002"})


class UserScopeContract(UserChannelCase):
    """
    What goes by a user channel, and when.
    """

    async def test_waits(self) -> None:
        """
        A profile for the user of a Mac waits for a user channel, with that reason, whether the host
        or the profile came first; it takes the channel that appears, due at once.
        """
        await self.user_profile("a-1")
        await self.enroll()
        await self.user_profile("a-2")
        await self.add_corp_profile("a-3")
        for uuid in ("a-1", "a-2"):
            row = await self.row(profile_uuid=uuid)
            self.assertEqual((row.detail, row.due_at, row.scope), (WAITS, None, "User"))
        self.assertEqual(await self.ways(), {"a-3": "H-1"})
        await self.appear(at=NOON + HOUR)
        row = await self.row()
        self.assertEqual((row.detail, row.due_at), ("", NOON + HOUR))
        self.assertEqual(await self.ways(NOON + HOUR), {"a-1": ANN, "a-2": ANN, "a-3": "H-1"})
        await self.user_profile("a-4")
        self.assertEqual((await self.ways(NOON + HOUR))["a-4"], ANN)

    async def test_other_devices(self) -> None:
        """
        An iPhone knows no users: the profile goes by the device.
        """
        await self.enroll("H-1", platform="ios")
        await self.user_profile()
        self.assertEqual((await self.row()).scope, "System")
        await self.appear()
        self.assertEqual(await self.ways(), {"a-1": "H-1"})

    async def test_mixed_fleet(self) -> None:
        """
        What one host is says nothing of another one.
        """
        await self.enroll("H-1")
        await self.enroll("H-2", platform="ios")
        await self.user_profile("a-1")
        await self.appear("H-2:ann", host="H-2")
        scopes = {uuid: (await self.row(uuid)).scope for uuid in ("H-1", "H-2")}
        self.assertEqual(scopes, {"H-1": "User", "H-2": "System"})
        await self.enroll("H-3")
        await self.enroll("H-4", platform="ios")
        scopes = {uuid: (await self.row(uuid)).scope for uuid in ("H-3", "H-4")}
        self.assertEqual(scopes, {"H-3": "User", "H-4": "System"})
        self.assertEqual((await self.row("H-2")).detail, "")

    async def test_platform_was_unknown(self) -> None:
        """
        What was assigned when nobody knew that the host was a Mac takes a user channel likewise,
        unless the device may have had it.
        """
        await self.user_profile("a-1")
        await self.enroll("H-1", platform="")
        self.assertEqual(await self.ways(), {"a-1": "H-1"})
        await self.hosts.put_host(records.host())
        await self.delivery.happen([records.event(Event.USER_CHANNEL_MISSED)], NOON, None)
        self.assertEqual((await self.row()).detail, WAITS)
        await self.appear()
        self.assertEqual(await self.ways(), {"a-1": ANN})

    async def test_delivery(self) -> None:
        """
        The command, its push, and its result are of the user channel; so is the removal's.
        """
        await self.user_profile()
        await self.enroll()
        await self.appear()
        await self.pushes.claim_pushes(NOON, NOON + 9 * HOUR, 10)
        command = await self.deliver()
        self.assertEqual(command.enrollment_id, ANN)
        self.assertIsNone(await self.commands.next_command("H-1", after_not_now=False))
        self.assertEqual((await self.row()).status, "verifying")
        (delivery,) = await self.verification.deliveries("H-1")
        self.assertEqual(delivery.scope, "User")
        await self.profiles.remove_profile("a-1", records.activity("a-1"))
        self.assertEqual(await self.ways(), {"a-1": ANN})
        await self.queue_due(ca_name=None)
        removal = await self.commands.next_command(ANN, after_not_now=False)
        self.assertEqual(removal and removal.request_type, "RemoveProfile")

    async def test_wish(self) -> None:
        """
        The push that a delivery wishes is of the user channel.
        """
        await self.user_profile()
        await self.enroll()
        await self.appear()
        await self.pushes.claim_pushes(NOON, NOON + 9 * HOUR, 10)
        await self.queue_due()
        claimed = await self.pushes.claim_pushes(NOON, NOON + HOUR, 10)
        self.assertEqual([one.enrollment_id for one in claimed], [ANN])

    async def test_channel_ends(self) -> None:
        """
        When the channel ends what it had is gone: the row waits again, whatever it was, its window
        is closed, its command is cancelled, and the device's own profiles stay.
        """
        await self.user_profile()
        await self.enroll()
        await self.add_corp_profile("a-3")
        await self.appear()
        await self.deliver()
        await self.deliver(enrollment_id="H-1")
        await self.channels.end(ANN, NOON + HOUR)
        row = await self.row()
        self.assertEqual(
            (row.status, row.detail, row.due_at, row.command_uuid, row.delivered_at),
            ("pending", WAITS, None, None, None),
        )
        self.assertEqual((await self.row(profile_uuid="a-3")).status, "verifying")
        await self.appear(BOB, NOON + HOUR)
        self.assertEqual(await self.ways(NOON + HOUR), {"a-1": BOB})

    async def test_channel_ends_twice(self) -> None:
        """
        What says once more that a channel ended changes nothing, nor on a host that left.
        """
        await self.user_profile()
        await self.enroll()
        await self.appear()
        await self.deliver()
        await self.checkins.check_out("H-1", NOON)
        parked = await self.row()
        await self.channels.end(ANN, NOON + HOUR)
        self.assertEqual(await self.row(), parked)

    async def test_channel_ends_before_pick_up(self) -> None:
        """
        A command that was queued when the channel ended is never handed over.
        """
        await self.user_profile()
        await self.enroll()
        await self.appear()
        await self.queue_due()
        await self.channels.end(ANN, NOON)
        await self.appear(ANN)
        self.assertIsNone(await self.commands.next_command(ANN, after_not_now=False))
        self.assertEqual(await self.ways(), {"a-1": ANN})

    async def test_removal_when_the_channel_ends(self) -> None:
        """
        A removal has nothing more to do; one that nobody was offered goes without a command.
        """
        await self.enroll()
        for uuid in ("a-1", "a-2"):
            await self.user_profile(uuid)
        await self.profiles.remove_profile("a-2", records.activity("a-2"))
        self.assertIsNone(await self.assignments.assignment("H-1", "a-2"))
        await self.appear()
        await self.deliver()
        await self.profiles.remove_profile("a-1", records.activity("a-1"))
        await self.queue_due(ca_name=None)
        await self.channels.end(ANN, NOON)
        self.assertIsNone(await self.assignments.assignment("H-1", "a-1"))
        await self.user_profile("a-1")

    async def test_several(self) -> None:
        """
        Of several channels a profile takes that which was enabled last, and keeps to it; when it
        ends the profile takes the next newest one.
        """
        await self.enroll()
        await self.appear(ANN, NOON)
        await self.appear(BOB, NOON + SECOND)
        await self.user_profile()
        self.assertEqual(await self.ways(), {"a-1": BOB})
        await self.deliver(enrollment_id=BOB)
        await self.appear("H-1:zoe", NOON + HOUR)
        self.assertEqual((await self.row()).status, "verifying")
        await self.channels.end("H-1:zoe", NOON + HOUR)
        self.assertEqual((await self.row()).status, "verifying")
        await self.channels.end(BOB, NOON + HOUR)
        self.assertEqual(await self.ways(NOON + HOUR), {"a-1": ANN})
        self.assertEqual((await self.row()).detail, "")

    async def test_device_enrolls_again(self) -> None:
        """
        After a new enrollment of the device it waits for a new user channel.
        """
        await self.user_profile()
        await self.enroll()
        await self.appear()
        await self.deliver()
        await self.checkins.check_out("H-1", NOON)
        self.assertEqual((await self.row()).detail, "the host is not enrolled")
        await self.enroll()
        row = await self.row()
        self.assertEqual((row.status, row.detail, row.due_at), ("pending", WAITS, None))
        self.assertEqual(await self.ways(), {})
        await self.appear(at=NOON + HOUR)
        self.assertEqual(await self.ways(NOON + HOUR), {"a-1": ANN})

    async def test_token_update_of_device(self) -> None:
        """
        Another TokenUpdate of the device changes nothing for what goes by the user channel.
        """
        await self.user_profile()
        await self.enroll()
        await self.appear()
        await self.checkins.update_token("H-1", records.address(), NOON, NOON)
        self.assertEqual(await self.ways(), {"a-1": ANN})
