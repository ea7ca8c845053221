"""
SCEP messages of an attacker: well-made but for the one thing that is wrong, and made without any of
the code under test.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.x509.oid import AttributeOID

from tests.support.pki import (
    Party,
    oid,
    openssl_encrypt,
    party,
    printable,
    rsa_key,
    scep_attributes,
    tlv,
)

_DATA = oid("1.2.840.113549.1.7.1")
_DIGESTS: dict[str, tuple[str, hashes.HashAlgorithm]] = {
    "md5": ("1.2.840.113549.2.5", hashes.MD5()),
    "sha1": ("1.3.14.3.2.26", hashes.SHA1()),
    "sha256": ("2.16.840.1.101.3.4.2.1", hashes.SHA256()),
}


def certification_request(
    sender: Party,
    subject: str,
    challenge: str | None,
    extensions: Sequence[x509.ExtensionType] = (),
) -> bytes:
    """
    A request for the key of ``sender``, made by ``cryptography``.
    """
    name = x509.Name.from_rfc4514_string(subject)
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    if challenge is not None:
        builder = builder.add_attribute(AttributeOID.CHALLENGE_PASSWORD, challenge.encode())
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(sender.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def sealed(content: bytes, authority: bytes, *options: str) -> bytes:
    """
    An envelope for the authority, made by openssl.

    :param authority: the DER of its certificate.
    :param options: such as ``-aes-128-cbc``, which it is without any.
    """
    recipient = Party(rsa_key(), authority)
    return openssl_encrypt(recipient, content, *(options or ("-aes-128-cbc",)))


@dataclass(frozen=True)
class Message:
    """
    A SCEP message.

    :param signers: who signs it; each certificate goes into the bag.
    :param changes: replace or add SCEP attributes, as DER.
    """

    envelope: bytes = field(repr=False)
    signers: tuple[Party, ...] = field(default_factory=lambda: (party("CN=attacker", 40),))
    transaction_id: str = "0123456789abcdef"
    message_type: str = "19"
    digest: str = "sha256"
    signed_attributes: bool = True
    changes: dict[str, bytes] = field(default_factory=dict)

    def encode(self) -> bytes:
        """
        The DER of it.
        """
        algorithm = tlv(0x30, oid(_DIGESTS[self.digest][0]))
        signed = tlv(
            0x30,
            tlv(0x02, b"\x01"),
            tlv(0x31, algorithm),
            tlv(0x30, _DATA, tlv(0xA0, tlv(0x04, self.envelope))),
            tlv(0xA0, *(each.certificate for each in self.signers)),
            tlv(0x31, *(self._signer_info(each, algorithm) for each in self.signers)),
        )
        return tlv(0x30, oid("1.2.840.113549.1.7.2"), tlv(0xA0, signed))

    def _signer_info(self, signer: Party, algorithm: bytes) -> bytes:
        loaded = x509.load_der_x509_certificate(signer.certificate)
        size = loaded.serial_number.bit_length() // 8 + 1
        serial = tlv(0x02, loaded.serial_number.to_bytes(size, "big"))
        attributes = self._attributes()
        octets = tlv(0x31, *attributes) if self.signed_attributes else self.envelope
        signature = signer.key.sign(octets, padding.PKCS1v15(), _DIGESTS[self.digest][1])
        return tlv(
            0x30,
            tlv(0x02, b"\x01"),
            tlv(0x30, loaded.issuer.public_bytes(), serial),
            algorithm,
            *((tlv(0xA0, *attributes),) if self.signed_attributes else ()),
            tlv(0x30, oid("1.2.840.113549.1.1.1"), tlv(0x05)),
            tlv(0x04, signature),
        )

    def _attributes(self) -> list[bytes]:
        digest = hashlib.new(self.digest, self.envelope).digest()
        values = {
            "message_type": printable(self.message_type),
            "transaction_id": printable(self.transaction_id),
            "sender_nonce": tlv(0x04, b"n" * 16),
            **self.changes,
        }
        standard = [
            tlv(0x30, oid("1.2.840.113549.1.9.3"), tlv(0x31, _DATA)),
            tlv(0x30, oid("1.2.840.113549.1.9.4"), tlv(0x31, tlv(0x04, digest))),
        ]
        return sorted([*standard, *scep_attributes(**values)])
