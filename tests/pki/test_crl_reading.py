"""
Tests of ``scepd.pki.crl_reading``.
"""

from __future__ import annotations

from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import EncodingError, MessageError, SignatureInvalid
from scepd.pki.crl_reading import read_revocation_list
from tests.support.mutations import mutated
from tests.support.pki import NOW, openssl, party, require
from tests.support.scep_answers import revocation_list

_MANY = settings(max_examples=200, deadline=None, derandomize=True, database=None)
_CA = party("CN=ca", 99, usage="sign encipher", ca=True)
_LIST = revocation_list(_CA, [1, 2**127 + 5])
_CONFIGURATION = b"""
[ca]
default_ca = it
[it]
database = index.txt
default_md = sha512
default_crl_days = 3
crlnumber = number.txt
"""
_INDEX = b"R\t351231235959Z\t260101000000Z,superseded\t0A0B\tunknown\t/CN=gone\n"


class ReadTests(SynchronousTestCase):
    """
    Tests of ``read_revocation_list``.
    """

    def test_content(self) -> None:
        """
        Numbers and times are those that were put in.
        """
        found = read_revocation_list(_LIST, [_CA.certificate])
        self.assertEqual(found.serial_numbers, {1, 2**127 + 5})
        self.assertEqual((found.issuer, found.this_update), ("CN=ca", NOW))
        self.assertEqual(found.next_update, NOW + timedelta(days=1))
        self.assertEqual(found.der, _LIST)

    def test_openssl(self) -> None:
        """
        A list of ``openssl ca``, with extensions of the list and of its entry.
        """
        require("openssl")
        files = {
            "ca.cnf": _CONFIGURATION,
            "index.txt": _INDEX,
            "number.txt": b"07\n",
            "cert.pem": _CA.certificate_pem,
            "key.pem": _CA.key_pem,
        }
        options = ("-config", "ca.cnf", "-gencrl", "-cert", "cert.pem", "-keyfile", "key.pem")
        pem = openssl("ca", *options, files=files)
        der = openssl("crl", "-outform", "DER", stdin=pem)
        found = read_revocation_list(der, [_CA.certificate])
        self.assertEqual(found.serial_numbers, {0x0A0B})

    def test_one_of_several(self) -> None:
        """
        One of several authorities is enough, an EC one too.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name.from_rfc4514_string("CN=curve")
        certificate = (
            x509.CertificateBuilder(name, name, key.public_key(), 5)
            .not_valid_before(NOW)
            .not_valid_after(NOW + timedelta(days=1))
            .sign(key, hashes.SHA256())
        )
        builder = x509.CertificateRevocationListBuilder(name, NOW, NOW + timedelta(days=1))
        der = builder.sign(key, hashes.SHA384()).public_bytes(Encoding.DER)
        authorities = [_CA.certificate, certificate.public_bytes(Encoding.DER)]
        self.assertEqual(read_revocation_list(der, authorities).serial_numbers, frozenset())

    def test_another_signer(self) -> None:
        """
        A list of another key, of another name, or that nobody is trusted for, is refused.
        """
        of_another_key = party("CN=ca", 98, ca=True).certificate
        of_another_name = party("CN=cb", 99, ca=True).certificate
        for authorities in ([of_another_key], [of_another_name], []):
            self.assertRaises(SignatureInvalid, read_revocation_list, _LIST, authorities)
        number = (2**127 + 5).to_bytes(16, "big")
        changed = _LIST.replace(number, number[:-1] + b"\x06")
        self.assertNotEqual(changed, _LIST)
        self.assertRaises(SignatureInvalid, read_revocation_list, changed, [_CA.certificate])

    def test_refused(self) -> None:
        """
        Anything else is no list.
        """
        for data in (b"", b"\x30\x00", _CA.certificate, _LIST[:-1], _LIST + b"\x00"):
            self.assertRaises(EncodingError, read_revocation_list, data, [_CA.certificate])
        self.assertRaises(EncodingError, read_revocation_list, _LIST, [b"\x30\x00"])

    @_MANY
    @given(mutated(_LIST))
    def test_hostile(self, data: bytes) -> None:
        """
        Whatever comes, only the list itself is believed.
        """
        try:
            found = read_revocation_list(data, [_CA.certificate])
        except MessageError:
            return
        self.assertEqual(found.der, _LIST)
