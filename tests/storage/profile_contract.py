"""
What every database must do with profiles, hosts and assignments.
"""

from __future__ import annotations

from scepd.errors import Conflict, NotFound
from scepd.model import EMBEDDED_CA, Admission, Reservation
from scepd.ports import Subject
from tests.storage import records
from tests.storage.base import StorageTestCase, reserve
from tests.storage.records import NOON


class ProfileContract(StorageTestCase):
    """
    ProfileStore.
    """

    async def test_kept(self) -> None:
        """
        What was added is found again, its certificate authorities in their order.
        """
        for name in ("a", "b"):
            await self.authorities.add_certificate_authority(records.ca(name), records.activity())
        added = records.profile(ca_names=("b", "a"), scope="User")
        await self.profiles.add_profile(added, records.activity("a-1"))
        self.assertEqual(await self.profiles.profile("a-1"), added)
        self.assertIsNone(await self.profiles.profile("a-2"))
        self.assertEqual((await self.done())[0], records.activity("a-1"))

    async def test_identifier_taken(self) -> None:
        """
        A second one of an identifier is a conflict that names it, and nothing of it is stored.
        """
        await self.profiles.add_profile(records.profile(), records.activity())
        other = records.profile("a-2", identifier="com.example.a-1")
        text = await self.refused(Conflict, self.profiles.add_profile(other, records.activity()))
        self.assertIn("'com.example.a-1'", text)
        self.assertIsNone(await self.profiles.profile("a-2"))
        self.assertEqual(len(await self.done()), 1)

    async def test_certificate_authority_gone(self) -> None:
        """
        One that names a certificate authority that is not there is a conflict that names the
        missing.
        """
        await self.authorities.add_certificate_authority(records.ca("a"), records.activity())
        new = records.profile(ca_names=("a", "gone"))
        text = await self.refused(Conflict, self.profiles.add_profile(new, records.activity()))
        self.assertIn("'gone'", text)
        self.assertNotIn("'a'", text)
        self.assertIsNone(await self.profiles.profile("a-1"))

    async def test_embedded_certificate_authority(self) -> None:
        """
        The embedded certificate authority is always there.
        """
        new = records.profile(ca_names=(EMBEDDED_CA,))
        await self.profiles.add_profile(new, records.activity())
        self.assertEqual(await self.profiles.profile("a-1"), new)

    async def test_pages(self) -> None:
        """
        Lists go by identifier, begin after one and end at the limit.
        """
        await self.authorities.add_certificate_authority(records.ca(), records.activity())
        added = [
            records.profile(uuid, identifier=identifier, ca_names=names)
            for uuid, identifier, names in (
                ("a-1", "z", ("corp",)),
                ("a-2", "y", ()),
                ("a-3", "x", ("corp",)),
            )
        ]
        for one in added:
            await self.profiles.add_profile(one, records.activity())
        self.assertEqual(await self.profiles.profiles(limit=2), [added[2], added[1]])
        self.assertEqual(await self.profiles.profiles(after="y"), [added[0]])
        self.assertEqual(await self.profiles.profiles(after="z"), [])

    async def test_remove(self) -> None:
        """
        A removed one is gone with its assignments and closes its windows; others stay.
        """
        await self.add_host_with_profile()
        await self.profiles.add_profile(records.profile("a-2"), records.activity())
        await self.assignments.assign(records.assignment(profile_uuid="a-2"))
        await self.assignments.open_window(records.window())
        await self.assignments.open_window(records.window("w-2", profile_uuid="a-2"))
        removed = records.activity("a-1", action="removed profile")
        await self.profiles.remove_profile("a-1", removed)
        self.assertIsNone(await self.profiles.profile("a-1"))
        self.assertIsNone(await self.assignments.assignment("H-1", "a-1"))
        self.assertEqual((await reserve(self.enrollment)).admission, Admission.CLOSED)
        self.assertEqual((await self.done())[0], removed)
        self.assertIsNotNone(await self.assignments.assignment("H-1", "a-2"))
        other = Subject("H-1", "a-2", "corp")
        self.assertEqual((await reserve(self.enrollment, other)).admission, Admission.ADMITTED)

    async def test_remove_frees_names(self) -> None:
        """
        A removed one no longer uses its certificate authority, and its identifier is free.
        """
        await self.authorities.add_certificate_authority(records.ca(), records.activity())
        one = records.profile(ca_names=("corp",))
        await self.profiles.add_profile(one, records.activity())
        await self.profiles.remove_profile("a-1", records.activity())
        await self.profiles.add_profile(records.profile("a-1"), records.activity())
        await self.authorities.remove_certificate_authority("corp", records.activity(), force=False)

    async def test_remove_none(self) -> None:
        """
        To remove what is not there is refused and is no activity.
        """
        remove = self.profiles.remove_profile("gone", records.activity())
        self.assertIn("'gone'", await self.refused(NotFound, remove))
        self.assertEqual(await self.done(), [])


class HostContract(StorageTestCase):
    """
    HostStore.
    """

    async def test_kept(self) -> None:
        """
        What was put is found again.
        """
        await self.hosts.put_host(records.host())
        self.assertEqual(await self.hosts.host("H-1"), records.host())
        self.assertIsNone(await self.hosts.host("H-2"))

    async def test_labels_sorted(self) -> None:
        """
        Labels come back sorted, each once.
        """
        await self.hosts.put_host(records.host(labels=("z", "a", "z")))
        self.assertEqual(await self.hosts.host("H-1"), records.host(labels=("a", "z")))

    async def test_replaced(self) -> None:
        """
        A host in place of another leaves nothing of it but its assignments.
        """
        await self.add_host_with_profile()
        new = records.host(serial_number="D01", platform="ios", labels=("new",), facts={})
        await self.hosts.put_host(new)
        self.assertEqual(await self.hosts.host("H-1"), new)
        self.assertEqual(await self.assignments.assignment("H-1", "a-1"), records.assignment())


class AssignmentContract(StorageTestCase):
    """
    AssignmentStore.
    """

    async def test_kept(self) -> None:
        """
        What was assigned is found again, its due time to the microsecond.
        """
        await self.add_host_with_profile()
        due = records.assignment(due_at=NOON, ca_name=None, detail="why", status="failed")
        await self.assignments.assign(due)
        self.assertEqual(await self.assignments.assignment("H-1", "a-1"), due)
        self.assertIsNone(await self.assignments.assignment("H-1", "a-2"))

    async def test_unknown_host_or_profile(self) -> None:
        """
        An assignment of what is not there is refused and named.
        """
        await self.add_host_with_profile()
        for lost, name in (
            (records.assignment(host_uuid="H-9"), "host 'H-9'"),
            (records.assignment(profile_uuid="a-9"), "profile 'a-9'"),
        ):
            self.assertIn(name, await self.refused(NotFound, self.assignments.assign(lost)))

    async def test_pages(self) -> None:
        """
        Assignments of a profile go by host, begin after one and end at the limit.
        """
        await self.add_host_with_profile()
        await self.profiles.add_profile(records.profile("a-2"), records.activity())
        for uuid in ("H-3", "H-2"):
            await self.hosts.put_host(records.host(uuid))
            await self.assignments.assign(records.assignment(uuid))
        await self.assignments.assign(records.assignment(profile_uuid="a-2"))
        first = await self.assignments.assignments_of_profile("a-1", limit=2)
        self.assertEqual(first, [records.assignment(uuid) for uuid in ("H-1", "H-2")])
        rest = await self.assignments.assignments_of_profile("a-1", after="H-2")
        self.assertEqual(rest, [records.assignment("H-3")])

    async def test_explain(self) -> None:
        """
        An explanation changes the detail and nothing else; of no assignment it does nothing.
        """
        await self.add_host_with_profile()
        await self.assignments.explain("H-1", "a-1", "no such CA")
        await self.assignments.explain("H-1", "a-9", "never seen")
        expected = records.assignment(detail="no such CA")
        self.assertEqual(await self.assignments.assignment("H-1", "a-1"), expected)
        self.assertIsNone(await self.assignments.assignment("H-1", "a-9"))

    async def test_open_window(self) -> None:
        """
        A fresh window admits and closes the older ones of its host and profile, of any certificate
        authority; those of others stay.
        """
        await self.assignments.open_window(records.window(ca_name="old"))
        await self.assignments.open_window(records.window("w-2", host_uuid="H-2"))
        await self.assignments.open_window(records.window("w-3"))
        old, other = Subject("H-1", "a-1", "old"), Subject("H-2", "a-1", "corp")
        self.assertEqual((await reserve(self.enrollment, old)).admission, Admission.CLOSED)
        self.assertEqual((await reserve(self.enrollment, other)).admission, Admission.ADMITTED)
        admitted = await reserve(self.enrollment)
        self.assertEqual(admitted, Reservation(Admission.ADMITTED, "w-3"))
