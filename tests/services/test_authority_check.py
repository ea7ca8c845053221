"""
Tests for what a certificate authority must answer to GetCACert and GetCACaps.
"""

from __future__ import annotations

from datetime import timedelta

from tests.services.ca_certificates import (
    NOW,
    bag,
    certificate,
    der,
    ec_key,
    rsa_key,
    sha256,
    strange_key,
)
from tests.services.test_authorities import CAPS, AuthoritiesCase


class GetCACertTests(AuthoritiesCase):
    """
    Tests for what an answer to GetCACert must be.
    """

    def test_not_scep(self) -> None:
        """
        An answer that is no certificate is refused with a question about the URL.
        """
        for body in (b"", b"<html>It works!</html>", der(certificate())[:-10], b"\x30\x80"):
            self.assertIn(
                "Its answer to GetCACert is not a certificate; is this the URL of a SCEP service?",
                self.refusal(body),
            )

    def test_expired(self) -> None:
        """
        An expired certificate is refused, with the time of its end.
        """
        made = certificate(not_before=NOW - timedelta(days=9), not_after=NOW)
        self.assertEqual(
            self.refusal(der(made)),
            "Its certificate CN=Test CA expired at 2026-06-01T12:00:00+00:00.",
        )

    def test_not_yet_valid(self) -> None:
        """
        A certificate of the future is refused; five minutes are left to clocks that differ.
        """
        made = certificate(not_before=NOW + timedelta(minutes=6))
        self.assertEqual(
            self.refusal(der(made)),
            "Its certificate CN=Test CA is not valid before 2026-06-01T12:06:00+00:00.",
        )
        self.answer(der(certificate(not_before=NOW + timedelta(minutes=5))))
        self.add()

    def test_ecdsa_only(self) -> None:
        """
        A certificate authority without an RSA key is refused, with the reason.
        """
        self.assertEqual(
            self.refusal(der(certificate(key=ec_key()))),
            "Its certificate has a key of the type EC; "
            "SCEP encrypts to the certificate authority, which needs an RSA key.",
        )

    def test_small_key(self) -> None:
        """
        An RSA key of 1024 bits is a warning.
        """
        self.answer(der(certificate(key=rsa_key(1024))))
        self.assertEqual(
            self.add().warnings, ("Its RSA key has only 1024 bits; 2048 or more are advised.",)
        )

    def test_expires_soon(self) -> None:
        """
        A certificate that expires within 30 days is a warning.
        """
        end = NOW + timedelta(days=29)
        self.answer(der(certificate(not_after=end)))
        self.assertEqual(
            self.add().warnings, (f"Its certificate expires soon, at {end.isoformat()}.",)
        )

    def test_chain(self) -> None:
        """
        Of a chain the issuing certificate authority's certificate is reported, with a warning.
        """
        root = certificate("Root")
        issuing = certificate("Issuing", issuer="Root", serial=2)
        for body in (bag(root, issuing), bag(issuing, root)):
            self.store.by_name.clear()
            self.answer(body)
            report = self.add()
            self.assertEqual(report.certificates.authority.sha256, sha256(issuing))
            self.assertEqual(
                report.warnings, ("It answered GetCACert with a chain of 2 certificates.",)
            )

    def test_registration_authority(self) -> None:
        """
        With a registration authority the certificate authority's own certificate is reported, even
        with an EC key, and an expired one of either is refused.
        """
        issuer = certificate("CA", key=ec_key())
        old = certificate("RA", issuer="CA", is_ca=False, serial=2, not_after=NOW)
        self.assertIn("CN=RA expired at", self.refusal(bag(issuer, old)))
        agent = certificate("RA", issuer="CA", signer=ec_key(), is_ca=False, serial=2)
        self.answer(bag(issuer, agent))
        report = self.add()
        self.assertEqual(report.certificates.authority.subject, "CN=CA")
        self.assertEqual(
            report.warnings, ("It answered GetCACert with a chain of 2 certificates.",)
        )

    def test_stranger(self) -> None:
        """
        Whoever devices may encrypt to has to be the certificate authority, or somebody whom it
        vouches for: another one is a warning, also when it only says that the authority issued it.
        """
        own = certificate("CA")
        for strange in (
            certificate("RA", issuer="CA", key=strange_key(), is_ca=False, serial=2),
            certificate("RA", issuer="Evil", key=strange_key(), is_ca=False, serial=2),
            certificate("Evil", key=strange_key(), serial=2),
        ):
            self.store.by_name.clear()
            self.answer(bag(own, strange))
            report = self.add()
            self.assertEqual(report.certificates.authority.sha256, sha256(own))
            (_, warning) = report.warnings
            self.assertEqual(
                warning,
                f"Devices may encrypt to {strange.subject.rfc4514_string()} ({sha256(strange)}), "
                "which is neither the certificate authority's own certificate nor issued by it: "
                "whoever has its key reads the challenge.",
            )

    def test_agent_of_a_chain(self) -> None:
        """
        Somebody whom an authority above the issuing one vouches for is no stranger.
        """
        root = certificate("Root", key=strange_key())
        issuing = certificate("Issuing", issuer="Root", signer=strange_key(), serial=2)
        for issuer, signer in (("Root", strange_key()), ("Issuing", rsa_key())):
            self.store.by_name.clear()
            key = rsa_key(3072)
            agent = certificate("RA", issuer=issuer, key=key, signer=signer, is_ca=False, serial=3)
            self.answer(bag(agent, root, issuing))
            self.assertEqual(
                self.add().warnings, ("It answered GetCACert with a chain of 3 certificates.",)
            )

    def test_no_ca(self) -> None:
        """
        A single certificate that is no CA's is taken, with a warning.
        """
        self.answer(der(certificate(is_ca=False)))
        self.assertEqual(
            self.add().warnings,
            ("None of its certificates says that it is a certificate authority's.",),
        )


class GetCACapsTests(AuthoritiesCase):
    """
    Tests for what an answer to GetCACaps brings.
    """

    def warnings(self, capabilities: bytes) -> tuple[str, ...]:
        """
        The warnings for capabilities.
        """
        self.answer(der(certificate()), capabilities)
        return self.add().warnings

    def test_missing(self) -> None:
        """
        A certificate authority without GetCACaps has no capabilities; that is a warning.
        """
        del self.upstream.answers[CAPS]
        report = self.add()
        self.assertEqual(report.capabilities, ())
        self.assertEqual(
            report.warnings,
            ("It gave no capabilities (GetCACaps): it answered with status 404",),
        )

    def test_not_capabilities(self) -> None:
        """
        A page of HTML, or too much of anything, counts as no capabilities.
        """
        for body in (b"<html><body>Sorry</body></html>", b"a " * 101, b"x" * 9000):
            self.store.by_name.clear()
            (warning,) = self.warnings(body)
            self.assertIn("Its answer to GetCACaps is not one: ", warning)
            self.assertEqual(self.store.by_name["Test_SCEP"].capabilities, ())

    def test_single_des_only(self) -> None:
        """
        Single DES only is a warning.
        """
        self.assertIn("single DES only", " ".join(self.warnings(b"POSTPKIOperation\nSHA-256")))

    def test_sha1_only(self) -> None:
        """
        SHA-1 only is a warning.
        """
        self.assertIn("SHA-1", " ".join(self.warnings(b"POSTPKIOperation\nAES\nSHA-1")))

    def test_no_post(self) -> None:
        """
        No POST is a warning.
        """
        self.assertIn("by GET only", " ".join(self.warnings(b"AES\nSHA-256")))
