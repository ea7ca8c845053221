"""
Tests of ``scepd.pki.certificates_only`` and ``scepd.pki.pem``.
"""

from __future__ import annotations

from hypothesis import given, settings
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import EncodingError, LimitExceeded, MessageError
from scepd.pki.certificates_only import (
    CertificatesOnly,
    parse_certificates_only,
)
from scepd.pki.pem import encode_pem
from tests.support.mutations import mutated
from tests.support.pki import openssl_encrypt, openssl_sign, party, require, tlv
from tests.support.scep_answers import (
    certificates_only,
    openssl_certificates_only,
    pem_of,
    revocation_list,
)

_MANY = settings(max_examples=200, deadline=None, derandomize=True, database=None)
_CA = party("CN=ca", 99, usage="sign encipher", ca=True)
_ONE, _OTHER = party("CN=one", 1).certificate, party("CN=other", 2).certificate


class ParseTests(SynchronousTestCase):
    """
    Tests of ``parse_certificates_only``.
    """

    def test_openssl(self) -> None:
        """
        What openssl puts together is taken apart: certificates and a list, or only one of them.
        """
        require("openssl")
        crl = revocation_list(_CA, [1, 2])
        for certificates, crls in (([_ONE], [crl]), ([_ONE], []), ([_OTHER, _ONE], [crl])):
            data = openssl_certificates_only(certificates, crls[0] if crls else None)
            found = parse_certificates_only(data)
            self.assertEqual(set(found.certificates), set(certificates))
            self.assertEqual(found.crls, tuple(crls))
        found = parse_certificates_only(openssl_certificates_only([], crl))
        self.assertEqual(found, CertificatesOnly((), (crl,)))

    def test_order(self) -> None:
        """
        The order in which they came is kept.
        """
        for certificates in ([_ONE, _OTHER], [_OTHER, _ONE]):
            found = parse_certificates_only(certificates_only(certificates))
            self.assertEqual(found.certificates, tuple(certificates))

    def test_nothing(self) -> None:
        """
        There may be nothing in it.
        """
        found = parse_certificates_only(certificates_only([]))
        self.assertEqual(found, CertificatesOnly((), ()))

    def test_signed(self) -> None:
        """
        A SignedData that somebody signed will do, with what is in its bag.
        """
        found = parse_certificates_only(openssl_sign(_CA, b"content", "-nodetach"))
        self.assertEqual(found.certificates, (_CA.certificate,))

    def test_other_choices(self) -> None:
        """
        Attribute certificates and other kinds of revocation information are left out.
        """
        data = certificates_only([tlv(0xA2, b"\x05\x00"), _ONE], [tlv(0xA1, b"\x05\x00")])
        self.assertEqual(parse_certificates_only(data), CertificatesOnly((_ONE,), ()))

    def test_refused(self) -> None:
        """
        Other messages, and too many of something, are refused.
        """
        refused: list[tuple[type[MessageError], bytes]] = [
            (EncodingError, b""),
            (EncodingError, _ONE),
            (EncodingError, certificates_only([_ONE])[:-1]),
            (EncodingError, certificates_only([_ONE]) + b"\x00"),
            (EncodingError, openssl_encrypt(_CA, b"content", "-aes128")),
            (LimitExceeded, certificates_only([tlv(0x30)] * 17)),
            (LimitExceeded, certificates_only([], [tlv(0x30)] * 17)),
        ]
        for error, data in refused:
            self.assertRaises(error, parse_certificates_only, data)
        crl = revocation_list(_CA, range(1, 100))
        data = certificates_only([], [crl])
        self.assertRaises(LimitExceeded, parse_certificates_only, data, max_elements=100)

    @_MANY
    @given(mutated(certificates_only([_ONE], [revocation_list(_CA, [7])])))
    def test_hostile(self, data: bytes) -> None:
        """
        Whatever comes, it is read or refused.
        """
        try:
            found = parse_certificates_only(data)
        except MessageError:
            return
        self.assertTrue(all(each[0] == 0x30 for each in found.certificates + found.crls))


class PEMTests(SynchronousTestCase):
    """
    Tests of ``encode_pem``.
    """

    def test_same_as_others(self) -> None:
        """
        A certificate is written as ``cryptography`` writes it.
        """
        self.assertEqual(encode_pem("CERTIFICATE", _ONE), pem_of(_ONE))
