"""
What every database must do with the looks at hosts.
"""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import update

from scepd.errors import Conflict
from scepd.model import USER_PROFILE_LIST, HostInventory
from scepd.profiles.lifecycle import Event
from scepd.storage.tables import host_profile
from tests.storage import records
from tests.storage.base import StorageTestCase
from tests.storage.records import HOUR, NOON, SECOND

LISTS = frozenset({"ProfileList", "CertificateList"})
LATER = NOON + 2 * HOUR


class InventoryContract(StorageTestCase):
    """
    InventoryStore, and what others' units leave for it.
    """

    async def acknowledge(self) -> None:
        """
        H-1 acknowledged the profile a-1 at noon.
        """
        command = await self.hand_over()
        event = records.event(Event.ACKNOWLEDGED)
        await self.commands.finish(command.uuid, "H-1", "Acknowledged", "", NOON, event)

    async def look(self, host_uuid: str = "H-1") -> HostInventory:
        """
        The looks at a host, which must be there.
        """
        found = await self.inventories.inventory(host_uuid)
        assert found is not None
        return found

    async def take(self, source: str, **changes: object) -> None:
        """
        An inventory of H-1 came at noon.
        """
        await self.verification.prove("H-1", [], [], NOON, records.taken(source, **changes))

    async def due(self) -> list[str]:
        """
        The hosts that are due at noon.
        """
        return [one.host_uuid for one in await self.inventories.due_inventories(NOON, 10)]

    async def test_acknowledged(self) -> None:
        """
        A host is due from its first acknowledgement on, at once.
        """
        await self.hand_over()
        self.assertIsNone(await self.inventories.inventory("H-1"))
        self.assertEqual(await self.due(), [])
        await self.delivery.happen([records.event(Event.ACKNOWLEDGED)], NOON, None)
        expected = HostInventory("H-1", "macos", True, mdm_due_at=NOON)
        self.assertEqual(await self.look(), expected)
        self.assertEqual(await self.due(), ["H-1"])

    async def test_acknowledged_again(self) -> None:
        """
        Later ones make it due unless its agent is enough.
        """
        await self.hand_over()
        await self.take("osquery")
        await self.delivery.happen([records.event(Event.ACKNOWLEDGED)], NOON, None)
        self.assertEqual(await self.due(), [])
        await self.take("osquery", agent_until=NOON, mdm_due_at=NOON + HOUR)
        await self.assignments.assign(records.assignment(delivered_at=NOON))
        await self.delivery.happen([records.event(Event.ACKNOWLEDGED)], NOON, None)
        self.assertEqual(await self.due(), ["H-1"])

    async def test_order(self) -> None:
        """
        The longest due come first, at most so many, and those of hosts that are gone from MDM too.
        """
        for uuid in ("H-1", "H-2", "H-3"):
            await self.hosts.put_host(records.host(uuid))
        for uuid, seconds in (("H-1", 1), ("H-2", 3), ("H-3", 2)):
            ask = records.ask(1, uuid, commands=(), again_at=NOON - seconds * SECOND)
            await self.inventories.ask([ask], NOON, None)
        found = await self.inventories.due_inventories(NOON, 2)
        self.assertEqual(
            [(one.host_uuid, one.enabled) for one in found], [("H-2", False), ("H-3", False)]
        )

    async def test_ask(self) -> None:
        """
        Commands are queued and pushed; the host is due again at its time.
        """
        await self.acknowledge()
        self.assertEqual(await self.inventories.ask([records.ask()], NOON, await self.lease()), 1)
        found = await self.look()
        self.assertEqual(found.waiting, LISTS)
        self.assertEqual(
            (found.profile_list, found.certificate_list), ("profiles-1", "certificates-1")
        )
        self.assertEqual((found.mdm_due_at, found.mdm_asked_at), (NOON + HOUR, NOON))
        first = await self.commands.next_command("H-1", after_not_now=False)
        assert first is not None
        self.assertEqual(first, records.ask().commands[0])
        self.assertEqual((await self.pushes.earliest_push()), NOON)

    async def test_never_twice(self) -> None:
        """
        What still waits is not queued again; what was answered is forgotten when the next comes.
        """
        await self.acknowledge()
        await self.inventories.ask([records.ask(1)], NOON, None)
        self.assertEqual(await self.inventories.ask([records.ask(2)], NOON, None), 0)
        await self.commands.finish("profiles-1", "H-1", "NotNow", "", NOON, None)
        await self.commands.finish("certificates-1", "H-1", "Error", "no", NOON, None)
        self.assertEqual((await self.look()).waiting, {"ProfileList"})
        self.assertEqual(await self.inventories.ask([records.ask(3)], NOON, None), 1)
        uuids = {one.uuid for one in await self.commands.commands("H-1")}
        self.assertEqual(uuids, {"c-a-1-H-1", "profiles-1", "certificates-3"})
        await self.commands.finish("profiles-1", "H-1", "Acknowledged", "", NOON, None)
        await self.inventories.ask([records.ask(4)], NOON, None)
        uuids = {one.uuid for one in await self.commands.commands("H-1")}
        self.assertEqual(uuids, {"c-a-1-H-1", "profiles-4", "certificates-3"})

    async def test_user_channel(self) -> None:
        """
        Where profiles go to a user, by an enrollment of his, he is asked for his own list.
        """
        await self.acknowledge()
        self.assertIsNone((await self.look()).user_channel)
        await self.enroll("H-1:501")
        await self.add_corp_profile("a-2")
        await self.send_by("a-2", "H-1:501")
        self.assertEqual((await self.look()).user_channel, "H-1:501")
        for_user = replace(records.ask(7).commands[0], enrollment_id="H-1:501")
        ask = records.ask(1, commands=[*records.ask(1).commands, for_user])
        self.assertEqual(await self.inventories.ask([ask], NOON, None), 1)
        found = await self.look()
        self.assertEqual(found.waiting, LISTS | {USER_PROFILE_LIST})
        self.assertEqual(
            (found.profile_list, found.user_profile_list), ("profiles-1", "profiles-7")
        )
        command = await self.commands.next_command("H-1:501", after_not_now=False)
        self.assertEqual(command, for_user)

    async def send_by(self, profile_uuid: str, enrollment_id: str) -> None:
        """
        Let an assignment of H-1 go by another enrollment.
        """
        change = (
            update(host_profile)
            .where(host_profile.c.profile_uuid == profile_uuid)
            .values(enrollment_id=enrollment_id)
        )
        await self.database.write(lambda connection: connection.execute(change))

    async def test_lost_lease(self) -> None:
        """
        Who has lost the lease asks nobody.
        """
        await self.acknowledge()
        lease = await self.lease()
        self.now = NOON + HOUR
        await self.refused(Conflict, self.inventories.ask([records.ask()], NOON, lease))
        self.assertEqual((await self.look()).waiting, frozenset())

    async def test_unknown_host(self) -> None:
        """
        A host that is gone meanwhile is asked nothing.
        """
        self.assertEqual(await self.inventories.ask([records.ask(1, "H-9")], NOON, None), 0)
        self.assertIsNone(await self.inventories.inventory("H-9"))

    async def test_ask_agent(self) -> None:
        """
        At an operator's wish an agent is due at once.
        """
        await self.hosts.put_host(records.host())
        self.assertTrue(await self.verification.inventory_due("H-1", NOON, NOON + HOUR))
        await self.inventories.ask_agent("H-1", NOON, records.activity("H-1"))
        self.assertTrue(await self.verification.inventory_due("H-1", NOON, NOON + HOUR))
        self.assertEqual(await self.done(), [records.activity("H-1")])

    async def test_taken(self) -> None:
        """
        It is kept what came last from where; a list that did not come leaves the last one.
        """
        await self.enroll()
        await self.take("osquery")
        expected = HostInventory(
            *("H-1", "macos", True, LATER, None, LATER, NOON),
            *(NOON, "osquery", NOON, "osquery"),
        )
        self.assertEqual(await self.look(), expected)
        await self.take("MDM", profiles=False, unreadable=3, agent_due_at=None)
        expected = replace(expected, certificates_source="MDM", unreadable=3)
        self.assertEqual(await self.look(), expected)

    async def test_agent_due(self) -> None:
        """
        After an answer the agent is due as the taker says, unless something was acknowledged since
        the deliveries were looked at.
        """
        await self.hand_over()
        await self.verification.inventory_due("H-1", NOON, NOON + SECOND)
        await self.take("osquery")
        self.assertFalse(await self.verification.inventory_due("H-1", NOON + SECOND, LATER))
        await self.delivery.happen([records.event(Event.ACKNOWLEDGED)], NOON, None)
        await self.take("osquery")
        self.assertTrue(await self.verification.inventory_due("H-1", NOON, LATER))

    async def test_stays_due(self) -> None:
        """
        Nor is a host that became due over MDM meanwhile put off, unless its agent is enough.
        """
        await self.acknowledge()
        await self.take("MDM", agent_until=None)
        self.assertEqual(await self.due(), ["H-1"])
        await self.take("osquery")
        self.assertEqual((await self.look()).mdm_due_at, LATER)

    async def test_delivery(self) -> None:
        """
        A delivery tells whether it was listed, whether its certificate was seen, and whether
        osquery's newest inventory showed that.
        """
        await self.acknowledge()
        (found,) = await self.verification.deliveries("H-1")
        self.assertEqual(
            (found.listed_at, found.certified, found.vouched, found.scope, found.detail),
            (None, False, False, "System", ""),
        )
        taken = records.taken("osquery", listed=frozenset({"a-1"}))
        seen = records.certificate(window_number=1)
        await self.verification.prove("H-1", [seen], [], NOON, taken)
        (found,) = await self.verification.deliveries("H-1")
        self.assertEqual((found.listed_at, found.certified, found.vouched), (NOON, True, True))
        await self.verification.prove("H-1", [], [], NOON + HOUR, records.taken("MDM"))
        (found,) = await self.verification.deliveries("H-1")
        self.assertEqual((found.certified, found.vouched), (True, True))
        await self.verification.prove("H-1", [], [], NOON + HOUR, records.taken("osquery"))
        (found,) = await self.verification.deliveries("H-1")
        self.assertEqual((found.certified, found.vouched), (True, False))
        again = records.certificate(first_seen=NOON + 3 * HOUR)
        shown = records.taken("osquery")
        await self.verification.prove("H-1", [again], [], NOON + 3 * HOUR, shown)
        (found,) = await self.verification.deliveries("H-1")
        self.assertTrue(found.vouched)

    async def test_sha256(self) -> None:
        """
        A SHA-256 that MDM told stays, though osquery shows the certificate without it later.
        """
        await self.enroll()
        one = records.certificate()
        for sha256 in ("", "cd" * 32, ""):
            shown = replace(one, sha256=sha256)
            await self.verification.prove("H-1", [shown], [], NOON, records.taken())
        (found,) = await self.verification.certificates("H-1")
        self.assertEqual(found.sha256, "cd" * 32)

    async def test_unproved(self) -> None:
        """
        Deliveries that wait for their proof too long are told once, and counted as long as they do.
        """
        await self.acknowledge()
        self.assertEqual(await self.inventories.unproved(NOON - SECOND, 10), [])
        self.assertEqual(await self.inventories.count_unproved(NOON - SECOND), 0)
        (found,) = await self.inventories.unproved(NOON, 10)
        self.assertEqual(
            (found.host_uuid, found.profile_uuid, found.ca_name), ("H-1", "a-1", "corp")
        )
        self.assertEqual((found.acknowledged_at, found.profiles_at), (NOON, None))
        overdue = replace(records.event(Event.PROOF_OVERDUE), detail="not proved")
        await self.delivery.happen([overdue], NOON, None)
        row = await self.row()
        self.assertEqual((row.status, row.detail, row.due_at), ("verifying", "not proved", None))
        self.assertEqual(await self.inventories.unproved(NOON, 10), [])
        self.assertEqual(await self.inventories.count_unproved(NOON), 1)
        await self.verification.prove("H-1", [], [records.event(Event.INVENTORY_PROVED)], NOON)
        self.assertEqual(await self.inventories.count_unproved(NOON), 0)
        self.assertEqual((await self.row()).detail, "")
