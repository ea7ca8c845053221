"""
What every database must do: a test case for each port, over ``make_database``.

A database's own test module inherits from these classes together with a mixin that makes the
database.
"""

from __future__ import annotations

from dataclasses import replace

from scepd.errors import Conflict, NotFound
from scepd.pki.keyring import SealedSecret
from tests.storage import records
from tests.storage.base import StorageTestCase
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
            requests_per_second=None,
            pinned_sha256=None,
            client_certificate=None,
            client_key=None,
            outgoing_proxy=None,
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

    async def test_record_check_with_activity(self) -> None:
        """
        What a check has to tell is stored with it, and not when there is nothing to check.
        """
        await self.authorities.add_certificate_authority(records.ca("a"), records.activity("a"))
        told = records.activity("a", action="found another certificate")
        await self.authorities.record_check("a", (b"new",), ("AES",), NOON, told)
        self.assertEqual(await self.done(), [told, records.activity("a")])
        check = self.authorities.record_check("b", (b"new",), ("AES",), NOON, told)
        await self.refused(NotFound, check)
        self.assertEqual(len(await self.done()), 2)

    async def test_replace_certificates(self) -> None:
        """
        Other certificates are stored once, with an activity, and leave everything else alone.
        """
        for name in ("a", "b"):
            await self.authorities.add_certificate_authority(records.ca(name), records.activity())
        known = records.ca("a").certificates
        told = records.activity("a", action="found another certificate")
        self.assertTrue(await self.authorities.replace_certificates("a", known, (b"n",), told))
        self.assertFalse(await self.authorities.replace_certificates("a", known, (b"o",), told))
        # What was found is told, and what was known stays.
        self.assertTrue(await self.authorities.replace_certificates("a", (b"n",), (b"n",), told))
        self.assertFalse(await self.authorities.replace_certificates("c", known, (b"n",), told))
        expected = records.ca("a", certificates=(b"n",))
        self.assertEqual(await self.authorities.certificate_authority("a"), expected)
        self.assertEqual(await self.authorities.certificate_authority("b"), records.ca("b"))
        self.assertEqual((await self.done()).count(told), 2)

    async def test_change(self) -> None:
        """
        A change replaces the settings of that one only, even when a check came between.
        """
        for name in ("a", "b"):
            await self.authorities.add_certificate_authority(records.ca(name), records.activity())
        await self.authorities.record_check("a", (b"new",), ("AES",), NOON + HOUR)
        after = records.ca(
            "a",
            url="https://other.example.com/",
            challenge=SealedSecret("key-2", b"other"),
            client_key=None,
            client_certificate=None,
            requests_per_second=2.5,
            certificates=(b"x",),
        )
        changed = records.activity("a", action="changed certificate authority")
        await self.authorities.change_certificate_authority(records.ca("a"), after, changed)
        self.assertEqual(await self.authorities.certificate_authority("a"), after)
        self.assertEqual(await self.authorities.certificate_authority("b"), records.ca("b"))
        self.assertEqual((await self.done())[0], changed)

    async def test_change_after_another(self) -> None:
        """
        A change that does not know of another one is a conflict, and one of nothing is not found;
        neither leaves anything.
        """
        await self.authorities.add_certificate_authority(records.ca("a"), records.activity("a"))
        first = records.ca("a", max_concurrency=7)
        await self.authorities.change_certificate_authority(
            records.ca("a"), first, records.activity("1")
        )
        late = self.authorities.change_certificate_authority(
            records.ca("a"), records.ca("a", max_concurrency=9), records.activity("2")
        )
        self.assertIn("'a'", await self.refused(Conflict, late))
        nothing = self.authorities.change_certificate_authority(
            records.ca("b"), records.ca("b"), records.activity("3")
        )
        await self.refused(NotFound, nothing)
        self.assertEqual(await self.authorities.certificate_authority("a"), first)
        self.assertEqual(len(await self.done()), 2)

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

    async def test_list(self) -> None:
        """
        All are told, the newest first; one that an operator adds is an activity.
        """
        await self.tokens.add_api_token(records.token())
        second = replace(records.token("ef" * 32), name="second", created_at=NOON + HOUR)
        await self.tokens.add_api_token(second, records.activity("second"))
        self.assertEqual(await self.tokens.api_tokens(), [second, records.token()])
        self.assertEqual(await self.done(), [records.activity("second")])

    async def test_name_taken(self) -> None:
        """
        What an operator adds has a name of its own: activities are told by it.
        """
        await self.tokens.add_api_token(records.token())
        second = self.tokens.add_api_token(records.token("ef" * 32), records.activity())
        self.assertIn("'first'", await self.refused(Conflict, second))
        self.assertIsNone(await self.tokens.api_token("ef" * 32))
        self.assertEqual(await self.done(), [])

    async def test_remove(self) -> None:
        """
        A removed one is not known any more, but the last admin's stays.
        """
        await self.tokens.add_api_token(records.token())
        verifier = replace(records.token("ef" * 32), name="second", role="verifier")
        await self.tokens.add_api_token(verifier)
        remove = self.tokens.remove_api_token(records.token().sha256, records.activity())
        await self.refused(Conflict, remove)
        self.assertEqual(await self.tokens.api_token("cd" * 32), records.token())
        self.assertEqual(await self.done(), [])
        await self.tokens.remove_api_token(verifier.sha256, records.activity())
        self.assertIsNone(await self.tokens.api_token(verifier.sha256))
        self.assertEqual(await self.done(), [records.activity()])
        gone = self.tokens.remove_api_token(verifier.sha256, records.activity())
        await self.refused(NotFound, gone)


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
