"""
What every database must do: a test case for each port, over ``make_database``.

A database's own test module inherits from these classes together with a mixin that makes the
database.
"""

from __future__ import annotations

from scepd.errors import Conflict, NotFound
from scepd.model import EMBEDDED_CA, Admission, Reservation
from scepd.ports import Subject
from tests.storage import records
from tests.storage.base import StorageTestCase, reserve
from tests.storage.records import HOUR, NOON


class HealthContract(StorageTestCase):
    """
    Health.
    """

    async def test_ping(self) -> None:
        """
        A working database answers, again and again.
        """
        await self.health.ping()
        await self.health.ping()


class CertificateAuthorityContract(StorageTestCase):
    """
    CertificateAuthorityStore.
    """

    async def test_kept(self) -> None:
        """
        What was added is found again, field by field, and its activity is stored.
        """
        await self.authorities.add_certificate_authority(records.ca(), records.activity())
        self.assertEqual(await self.authorities.certificate_authority("corp"), records.ca())
        self.assertEqual(await self.done(), [records.activity()])

    async def test_optional_fields(self) -> None:
        """
        None, empty tuples and false come back as such.
        """
        bare = records.ca(
            ca_identifier=None,
            trusted_certificates=None,
            allow_single_des=False,
            certificates=(),
            capabilities=(),
        )
        await self.authorities.add_certificate_authority(bare, records.activity())
        self.assertEqual(await self.authorities.certificate_authority("corp"), bare)

    async def test_unknown(self) -> None:
        """
        A name that nobody added is None; names are told apart by case.
        """
        await self.authorities.add_certificate_authority(records.ca(), records.activity())
        self.assertIsNone(await self.authorities.certificate_authority("Corp"))

    async def test_name_taken(self) -> None:
        """
        A second one of a name is a conflict that names it, and neither it nor its activity is
        stored.
        """
        await self.authorities.add_certificate_authority(records.ca(), records.activity())
        other = records.ca(url="http://other.example.com/")
        add = self.authorities.add_certificate_authority(other, records.activity("other"))
        self.assertIn("'corp'", await self.refused(Conflict, add))
        self.assertEqual(await self.authorities.certificate_authority("corp"), records.ca())
        self.assertEqual(await self.done(), [records.activity()])

    async def test_pages(self) -> None:
        """
        Lists go by name, begin after a name and end at the limit.
        """
        for name in ("d", "B", "c", "a"):
            await self.authorities.add_certificate_authority(records.ca(name), records.activity())
        first = await self.authorities.certificate_authorities(limit=3)
        self.assertEqual([ca.name for ca in first], ["B", "a", "c"])
        rest = await self.authorities.certificate_authorities(after="c", limit=3)
        self.assertEqual(rest, [records.ca("d")])

    async def test_names(self) -> None:
        """
        All names are told at once.
        """
        self.assertEqual(await self.authorities.certificate_authority_names(), frozenset())
        for name in ("b", "a"):
            await self.authorities.add_certificate_authority(records.ca(name), records.activity())
        names = await self.authorities.certificate_authority_names()
        self.assertEqual(names, frozenset({"a", "b"}))

    async def test_record_check(self) -> None:
        """
        A check replaces certificates, capabilities and time of that one only.
        """
        for name in ("a", "b"):
            await self.authorities.add_certificate_authority(records.ca(name), records.activity())
        await self.authorities.record_check("a", (b"new",), ("AES",), NOON + HOUR)
        expected = records.ca(
            "a", certificates=(b"new",), capabilities=("AES",), checked_at=NOON + HOUR
        )
        self.assertEqual(await self.authorities.certificate_authority("a"), expected)
        self.assertEqual(await self.authorities.certificate_authority("b"), records.ca("b"))

    async def test_record_check_of_none(self) -> None:
        """
        A check of one that is gone is refused.
        """
        check = self.authorities.record_check("gone", (), (), NOON)
        self.assertIn("'gone'", await self.refused(NotFound, check))

    async def test_remove(self) -> None:
        """
        A removed one is gone, its name is free, and the removal is an activity.
        """
        await self.authorities.add_certificate_authority(records.ca(), records.activity())
        removed = records.activity(action="removed certificate authority")
        await self.authorities.remove_certificate_authority("corp", removed, force=False)
        self.assertIsNone(await self.authorities.certificate_authority("corp"))
        self.assertEqual((await self.done())[0], removed)
        await self.authorities.add_certificate_authority(records.ca(), records.activity())

    async def test_remove_none(self) -> None:
        """
        To remove what is not there is refused, forced or not, and is no activity.
        """
        for force in (False, True):
            remove = self.authorities.remove_certificate_authority(
                "gone", records.activity(), force=force
            )
            self.assertIn("'gone'", await self.refused(NotFound, remove))
        self.assertEqual(await self.done(), [])

    async def test_remove_used(self) -> None:
        """
        One that profiles use stays; the refusal names five of them by their identifiers, and no
        sixth.
        """
        await self.authorities.add_certificate_authority(records.ca(), records.activity())
        for number in range(6):
            await self.profiles.add_profile(
                records.profile(f"a-{number}", ca_names=("corp",)), records.activity()
            )
        before = await self.done()
        remove = self.authorities.remove_certificate_authority(
            "corp", records.activity(), force=False
        )
        text = await self.refused(Conflict, remove)
        self.assertIn("com.example.a-0, com.example.a-1, com.example.a-2", text)
        self.assertIn("com.example.a-4", text)
        self.assertNotIn("com.example.a-5", text)
        self.assertEqual(await self.authorities.certificate_authority("corp"), records.ca())
        self.assertEqual(await self.done(), before)

    async def test_remove_used_by_force(self) -> None:
        """
        Force removes one in use; profile and assignment keep its name.
        """
        await self.authorities.add_certificate_authority(records.ca(), records.activity())
        with_ca = records.profile(ca_names=("corp",))
        await self.hosts.put_host(records.host())
        await self.profiles.add_profile(with_ca, records.activity())
        await self.assignments.assign(records.assignment())
        await self.authorities.remove_certificate_authority("corp", records.activity(), force=True)
        self.assertIsNone(await self.authorities.certificate_authority("corp"))
        self.assertEqual(await self.profiles.profile("a-1"), with_ca)
        self.assertEqual(await self.assignments.assignment("H-1", "a-1"), records.assignment())


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
        added = records.profile(ca_names=("b", "a"), target_label="sales", scope="User")
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


class APITokenContract(StorageTestCase):
    """
    APITokenStore.
    """

    async def test_kept(self) -> None:
        """
        A token is found by its SHA-256 only.
        """
        await self.tokens.add_api_token(records.token())
        self.assertEqual(await self.tokens.api_token("cd" * 32), records.token())
        self.assertIsNone(await self.tokens.api_token("CD" * 32))

    async def test_twice(self) -> None:
        """
        The same token again is a conflict, which does not tell the token.
        """
        await self.tokens.add_api_token(records.token())
        text = await self.refused(Conflict, self.tokens.add_api_token(records.token()))
        self.assertNotIn("cdcd", text)


class ActivityContract(StorageTestCase):
    """
    ActivityStore.
    """

    async def test_pages(self) -> None:
        """
        Activities come newest first, below an id, at most so many.
        """
        for name in ("a", "b", "c"):
            await self.authorities.add_certificate_authority(
                records.ca(name), records.activity(name)
            )
        first = await self.activities.activities(limit=2)
        self.assertEqual([done.subject for _, done in first], ["c", "b"])
        rest = await self.activities.activities(before_id=first[-1][0])
        self.assertEqual([done for _, done in rest], [records.activity("a")])
