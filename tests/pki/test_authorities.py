"""
Tests of ``scepd.pki.authorities``.
"""

from __future__ import annotations

import itertools

from cryptography import x509
from twisted.trial.unittest import SynchronousTestCase

from scepd.pki.authorities import certificate_authorities, choose_issuer
from tests.support.pki import issue, party, rsa_key

_name = x509.Name.from_rfc4514_string
_ROOT = party("CN=root", 90, usage="sign", ca=True)
_ISSUING = issue(rsa_key(91), _name("CN=issuing"), _ROOT.key, _name("CN=root"), ca=True)
_RA = issue(rsa_key(92), _name("CN=ra"), rsa_key(91), _name("CN=issuing"), usage="sign encipher")


class IssuerTests(SynchronousTestCase):
    """
    Tests of ``choose_issuer`` and ``certificate_authorities``.
    """

    def test_chain(self) -> None:
        """
        Of a chain with a registration authority the lowest CA is the issuer, in whatever order.
        """
        for ders in itertools.permutations([_ROOT.certificate, _ISSUING, _RA]):
            self.assertEqual(choose_issuer(ders), _ISSUING)
            self.assertEqual(set(certificate_authorities(ders)), {_ROOT.certificate, _ISSUING})

    def test_registration_authority(self) -> None:
        """
        A CA with its registration authority is the issuer, though it issued a certificate.
        """
        self.assertEqual(choose_issuer([_RA, _ISSUING]), _ISSUING)

    def test_alone(self) -> None:
        """
        One certificate is the issuer, even one that does not say that it is a CA.
        """
        for der in (_ROOT.certificate, _RA):
            self.assertEqual(choose_issuer([der]), der)
            self.assertEqual(certificate_authorities([der]), (der,))

    def test_same_name_twice(self) -> None:
        """
        Two certificates of one CA, as around a roll-over: one of them is chosen.
        """
        following = party("CN=root", 93, usage="sign", ca=True).certificate
        self.assertIn(choose_issuer([_ROOT.certificate, following]), (_ROOT.certificate, following))
