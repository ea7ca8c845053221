"""
Tests for what authorities and clocks make of that which a simulated device holds.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from twisted.trial.unittest import SynchronousTestCase

from scepd.simulator.alterations import alter_certificates, alter_clock
from scepd.simulator.identity import Identity
from scepd.simulator.keychain import InstalledProfile, Keychain
from tests.support.pki import party, rsa_key

_NOW = datetime(2026, 6, 1, tzinfo=UTC)


class AlterationTests(SynchronousTestCase):
    """
    Tests for alterations of a keychain with two profiles.
    """

    def setUp(self) -> None:
        """
        Install the profiles.
        """
        self.keychain = Keychain()
        for name in ("one", "two"):
            identity = Identity(rsa_key(), party(f"CN={name}").certificate)
            self.keychain.install(InstalledProfile(name, name, _NOW, (identity,)))

    def certificates(self) -> dict[str, x509.Certificate]:
        """
        The certificate of each profile; they are those of the keychain.
        """
        found = {name: held.identities[0] for name, held in self.keychain.profiles.items()}
        self.assertCountEqual(
            [each.certificate for each in self.keychain.identities],
            [each.certificate for each in found.values()],
        )
        return {name: identity.summary for name, identity in found.items()}

    def test_back_dated(self) -> None:
        """
        A back-dated certificate is the same but for its dates.
        """
        before = self.certificates()
        alter_certificates(self.keychain, "two", earlier=timedelta(minutes=10))
        after = self.certificates()
        self.assertEqual(after["one"], before["one"])
        old, new = before["two"], after["two"]
        self.assertEqual(new.not_valid_before_utc, old.not_valid_before_utc - timedelta(minutes=10))
        self.assertEqual(new.subject, old.subject)
        self.assertEqual(new.issuer, old.issuer)
        self.assertEqual(new.serial_number, old.serial_number)
        self.assertEqual(new.public_key(), old.public_key())

    def test_rewritten(self) -> None:
        """
        A rewritten subject stands in place of the one that was asked for.
        """
        before = self.certificates()
        alter_certificates(self.keychain, "one", subject="CN=another,O=Example")
        after = self.certificates()
        self.assertEqual(after["one"].subject.rfc4514_string(), "CN=another,O=Example")
        self.assertEqual(after["one"].not_valid_before_utc, before["one"].not_valid_before_utc)

    def test_clock(self) -> None:
        """
        A wrong clock shows in the time of installation.
        """
        alter_clock(self.keychain, "one", timedelta(days=-1))
        times = {name: held.installed_at for name, held in self.keychain.profiles.items()}
        self.assertEqual(times, {"one": _NOW - timedelta(days=1), "two": _NOW})
