"""
Tests for :mod:`scepd.services.upstream_targets`.
"""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import SecretUnreadable
from scepd.model import client_key_place
from scepd.pki.keyring import Keyring, SealedSecret
from scepd.ports import ClientCredentials, UpstreamTarget
from scepd.services.upstream_targets import UpstreamTargets
from tests.support.proxy import make_ca

KEYRING = Keyring({"k1": bytes(32)})
SECRET = "-----BEGIN PRIVATE KEY-----"


def sealed(name: str = "CORP", text: str = SECRET) -> SealedSecret:
    """
    A key as it is stored.
    """
    return KEYRING.seal(text.encode(), client_key_place(name), lambda count: b"\x05" * count)


class TargetsTests(SynchronousTestCase):
    """
    Tests for UpstreamTargets.
    """

    def setUp(self) -> None:
        """
        Count how often the keyring is asked for.
        """
        self.keyring = KEYRING
        self.asked = 0
        self.targets = UpstreamTargets(self.give)

    def give(self) -> Keyring:
        """
        The keyring of the moment.
        """
        self.asked += 1
        return self.keyring

    def test_without_a_certificate(self) -> None:
        """
        Without a client certificate the keyring is not needed.
        """
        ca = replace(
            make_ca(), trusted_certificates="PEM", pinned_sha256="ab", outgoing_proxy="http://p:1"
        )
        self.assertEqual(
            self.targets.of(ca),
            UpstreamTarget("CORP", "http://ca.example/scep", "PEM", "ab", None, "http://p:1"),
        )
        self.assertEqual(self.asked, 0)

    def test_opened_once(self) -> None:
        """
        A key is opened once for each record, and again when it is another one.
        """
        ca = replace(make_ca(), client_certificate="PEM", client_key=sealed())
        for _ in range(3):
            self.assertEqual(self.targets.of(ca).client, ClientCredentials("PEM", SECRET))
        self.assertEqual(self.asked, 1)
        other = self.targets.of(replace(ca, client_key=sealed(text="other")))
        self.assertEqual(other.client, ClientCredentials("PEM", "other"))
        self.assertEqual(self.asked, 2)
        self.targets.forget("CORP")
        self.targets.of(ca)
        self.assertEqual(self.asked, 3)

    def test_place(self) -> None:
        """
        The key of another certificate authority, or under an unknown key, does not open; nothing
        is kept of that.
        """
        ca = replace(make_ca(), client_certificate="PEM", client_key=sealed("OTHER"))
        self.assertRaises(SecretUnreadable, self.targets.of, ca)
        self.keyring = Keyring({"k2": bytes(32)})
        ca = replace(ca, client_key=sealed())
        error = self.assertRaises(SecretUnreadable, self.targets.of, ca)
        self.assertIn("certificate_authority.client_key of 'CORP'", str(error))
        self.keyring = KEYRING
        self.assertIsNotNone(self.targets.of(ca).client)

    def test_bounded(self) -> None:
        """
        Of many certificate authorities the keys that were not used for longest are forgotten.
        """
        for number in range(70):
            name = f"CA{number}"
            ca = replace(make_ca(), name=name, client_certificate="P", client_key=sealed(name))
            self.targets.of(ca)
        asked = self.asked
        self.targets.of(ca)
        self.assertEqual(self.asked, asked)
        first = replace(ca, name="CA0", client_key=sealed("CA0"))
        self.targets.of(first)
        self.assertEqual(self.asked, asked + 1)

    def test_never_shown(self) -> None:
        """
        No repr shows a key.
        """
        ca = replace(make_ca(), client_certificate="PEM", client_key=sealed())
        self.assertNotIn(SECRET, repr(self.targets.of(ca)))
