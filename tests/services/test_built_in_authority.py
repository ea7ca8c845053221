"""
Tests for the embedded certificate authority among those that operators added.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import Conflict, NotFound, SecretUnreadable
from scepd.model import EMBEDDED_CA, Activity, ChallengeMode
from scepd.services.built_in_authority import AuthoritiesWithBuiltIn
from tests.support.fake_mdm_world import authority
from tests.support.fakes import FakeCertificateAuthorities
from tests.support.pki import NOW, party

T = TypeVar("T")
ACTIVITY = Activity(NOW, "alice", "did", "something")


class _Authority:
    unreadable = False

    def __init__(self) -> None:
        self.own = party("CN=scepd 01", ca=True).certificate

    def capabilities(self) -> bytes:
        """
        As the protocol says.
        """
        return b"POSTPKIOperation\nAES\n"

    async def certificate(self) -> bytes:
        """
        As the protocol says.
        """
        if self.unreadable:
            raise SecretUnreadable("ca_state.private_key of '01': the keyring has no key 'k1'")
        return self.own

    async def next_certificate(self) -> bytes:
        """
        As the protocol says.
        """
        raise NotFound("there is no next certificate of the authority")

    async def answer(self, message: bytes) -> bytes:
        """
        As the protocol says.
        """
        return message


class BuiltInTests(SynchronousTestCase):
    """
    Tests for L{AuthoritiesWithBuiltIn}.
    """

    def setUp(self) -> None:
        """
        Two were added, one before and one behind it by name.
        """
        self.embedded = _Authority()
        self.added = FakeCertificateAuthorities(
            by_name={name: authority(name) for name in ("CORP", "WIFI")}
        )
        self.store = AuthoritiesWithBuiltIn(
            self.added, lambda: self.embedded, "https://mdm.example.com"
        )

    def done(self, work: Coroutine[Deferred[Any], Any, T]) -> T:
        """
        What it returns.
        """
        return self.successResultOf(Deferred.fromCoroutine(work))

    def test_shown(self) -> None:
        """
        It is there without being added, with its certificate and capabilities, and without a
        challenge.
        """
        ca = self.done(self.store.certificate_authority(EMBEDDED_CA))
        assert ca is not None
        self.assertEqual((ca.name, ca.url), (EMBEDDED_CA, "https://mdm.example.com/mdm/scep/ca"))
        self.assertEqual((ca.challenge, ca.challenge_mode), (None, ChallengeMode.ONE_TIME))
        self.assertEqual(ca.certificates, (self.embedded.own,))
        self.assertEqual(ca.capabilities, ("POSTPKIOperation", "AES"))
        self.assertIsNotNone(self.done(self.store.certificate_authority("CORP")))
        self.assertIsNone(self.done(self.store.certificate_authority("NONE")))

    def test_listed(self) -> None:
        """
        It stands at its place in every page.
        """
        pages = {
            ("", 100): ["CORP", EMBEDDED_CA, "WIFI"],
            ("", 2): ["CORP", EMBEDDED_CA],
            ("CORP", 1): [EMBEDDED_CA],
            (EMBEDDED_CA, 5): ["WIFI"],
        }
        for (after, limit), names in pages.items():
            found = self.done(self.store.certificate_authorities(after=after, limit=limit))
            self.assertEqual([ca.name for ca in found], names)
        all_names = self.done(self.store.certificate_authority_names())
        self.assertEqual(all_names, frozenset({"CORP", EMBEDDED_CA, "WIFI"}))

    def test_unreadable(self) -> None:
        """
        When no key opens its own, the list has the others, and who asks for it is told why.
        """
        self.embedded.unreadable = True
        with capturedLogs() as events:
            found = self.done(self.store.certificate_authorities())
        self.assertEqual([ca.name for ca in found], ["CORP", "WIFI"])
        self.assertEqual(len(events), 1)
        asked = Deferred.fromCoroutine(self.store.certificate_authority(EMBEDDED_CA))
        self.failureResultOf(asked, SecretUnreadable)

    def test_not_changed(self) -> None:
        """
        It can't be added, removed or changed, forced or not.
        """
        for work in (
            self.store.remove_certificate_authority(EMBEDDED_CA, ACTIVITY, force=True),
            self.store.add_certificate_authority(authority(EMBEDDED_CA), ACTIVITY),
        ):
            self.failureResultOf(Deferred.fromCoroutine(work), Conflict)
        self.done(self.store.record_check(EMBEDDED_CA, (), (), NOW))
        self.assertEqual(set(self.added.by_name), {"CORP", "WIFI"})

    def test_others(self) -> None:
        """
        What concerns the others goes to their store.
        """
        self.done(self.store.record_check("CORP", (b"new",), ("AES",), NOW))
        self.assertEqual(self.added.by_name["CORP"].certificates, (b"new",))
        self.done(self.store.remove_certificate_authority("CORP", ACTIVITY, force=False))
        self.done(self.store.add_certificate_authority(authority("NEW"), ACTIVITY))
        self.assertEqual(set(self.added.by_name), {"NEW", "WIFI"})
        self.assertIsNone(self.done(self.store.certificate_authority_of_webhook("hook-1")))
