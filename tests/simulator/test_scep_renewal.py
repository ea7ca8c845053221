"""
Tests for the renewal of a SCEP client's certificate.
"""

from __future__ import annotations

from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID

from scepd.scep.attributes import MessageType
from scepd.simulator.identity import Identity
from scepd.simulator.scep_failures import SCEPRefused
from tests.simulator.scep_case import SUBJECT, SCEPClientCase
from tests.support.pki import NOW, rsa_key


class RenewalTests(SCEPClientCase):
    """
    Tests for SCEPClient.renew.
    """

    def test_renewal_req(self) -> None:
        """
        The old certificate signs a RenewalReq; the new one is for the new key and the same name.
        """
        old = self.enrolled()
        new = self.client().renew(old, rsa_key(8))
        (received,) = self.authority.received
        self.assertEqual((received.message_type, received.signer), ("17", old.certificate))
        csr = x509.load_der_x509_csr(received.content)
        self.assertEqual((csr.subject, csr.public_key()), (SUBJECT, rsa_key(8).public_key()))
        self.assertEqual(list(csr.attributes), [])
        self.assertEqual(new.certificate, self.authority.issued[1])
        self.assertEqual(new.summary.public_key(), rsa_key(8).public_key())

    def test_without_the_word(self) -> None:
        """
        Who does not offer Renewal gets a PKCSReq that the old certificate signed, as Apple's
        clients send it.
        """
        old = self.enrolled()
        self.server.capabilities = b"AES\nSHA-256\nPOSTPKIOperation\n"
        self.client().renew(old, rsa_key(8))
        (received,) = self.authority.received
        self.assertEqual((received.message_type, received.signer), ("19", old.certificate))

    def test_chosen(self) -> None:
        """
        Either message can be asked for, whatever is offered.
        """
        old = self.enrolled()
        self.client().renew(old, rsa_key(8), message_type=MessageType.PKCS_REQ)
        self.server.capabilities = b"AES\nPOSTPKIOperation\n"
        self.client().renew(old, rsa_key(8), message_type=MessageType.RENEWAL_REQ)
        self.assertEqual(self.types, ["19", "17"])

    def test_same_key(self) -> None:
        """
        The old key will do, and so will a challenge.
        """
        old = self.enrolled()
        new = self.client().renew(old, old.key, challenge="once more")
        csr = x509.load_der_x509_csr(self.authority.received[0].content)
        self.assertEqual([each.value for each in csr.attributes], [b"once more"])
        self.assertNotEqual(new.certificate, old.certificate)

    def test_alternative_names(self) -> None:
        """
        The names of the old certificate are asked for again.
        """
        names = x509.SubjectAlternativeName([x509.DNSName("a.example"), x509.RFC822Name("a@b.c")])
        old = self.enrolled()
        held = Identity(old.key, _with_names(old, names))
        self.client().renew(held, rsa_key(8))
        csr = x509.load_der_x509_csr(self.authority.received[0].content)
        found = csr.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME)
        self.assertEqual(found.value, names)

    def test_refused(self) -> None:
        """
        A refusal is told, and by the authority's own words apart.
        """
        old = self.enrolled()
        self.authority.refusal = ("3", "expired")
        error = self.assertRaises(SCEPRefused, self.client().renew, old, rsa_key(8))
        self.assertEqual((error.fail_info, error.text), ("badTime", "expired"))

    def test_renewed_again(self) -> None:
        """
        The renewed identity renews in its turn.
        """
        new = self.client().renew(self.enrolled(), rsa_key(8))
        newer = self.client().renew(new, rsa_key(9))
        self.assertEqual(self.authority.received[1].signer, new.certificate)
        self.assertEqual(newer.summary.public_key(), rsa_key(9).public_key())


def _with_names(identity: Identity, names: x509.SubjectAlternativeName) -> bytes:
    builder = (
        x509.CertificateBuilder()
        .subject_name(SUBJECT)
        .issuer_name(x509.Name.from_rfc4514_string("CN=ca,O=Double"))
        .public_key(identity.key.public_key())
        .serial_number(7)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1))
        .add_extension(names, False)
    )
    return builder.sign(identity.key, hashes.SHA256()).public_bytes(Encoding.DER)
