"""
An authority's side of SCEP by other builders: asn1crypto reads requests, ``cryptography`` encrypts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from asn1crypto import cms
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from tests.support.pki import (
    NOW,
    SCEP_OIDS,
    Party,
    oid,
    openssl,
    openssl_sign,
    printable,
    scep_attributes,
    scep_message,
    tlv,
)

SUCCESS, FAILURE, PENDING = "0", "2", "3"


@dataclass(frozen=True, slots=True)
class Received:
    """
    A request that arrived, its signature verified and its envelope opened.
    """

    message_type: str
    transaction_id: str
    sender_nonce: bytes
    signer: bytes
    content: bytes


def receive(message: bytes, recipient: Party) -> Received:
    """
    Read a request; fail when anything about it is wrong.
    """
    signed = cms.ContentInfo.load(message, strict=True)["content"]
    (info,), (bag,) = signed["signer_infos"], signed["certificates"]
    signer = x509.load_der_x509_certificate(bag.dump())
    content = signed["encap_content_info"]["content"].native
    _verify(info, signer, content)
    values = {each["type"].dotted: each["values"][0].native for each in info["signed_attrs"]}
    certificate = x509.load_der_x509_certificate(recipient.certificate)
    return Received(
        values[SCEP_OIDS["message_type"]],
        values[SCEP_OIDS["transaction_id"]],
        values[SCEP_OIDS["sender_nonce"]],
        bag.dump(),
        pkcs7.pkcs7_decrypt_der(content, certificate, recipient.key, []),
    )


def _verify(info: cms.SignerInfo, signer: x509.Certificate, content: bytes) -> None:
    key = signer.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    names = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256()}
    algorithm = names[info["digest_algorithm"]["algorithm"].native]
    digest = hashes.Hash(algorithm)
    digest.update(content)
    attributes = {each["type"].native: each["values"][0].native for each in info["signed_attrs"]}
    assert attributes["message_digest"] == digest.finalize()
    octets = info["signed_attrs"].untag().dump()
    key.verify(info["signature"].native, octets, padding.PKCS1v15(), algorithm)


def cert_rep(
    received: Received, signer: Party, status: str, envelope: bytes | None = None, **more: bytes
) -> bytes:
    """
    Sign a CertRep; ``more`` replaces or adds attributes.
    """
    values = {
        "message_type": printable("3"),
        "transaction_id": printable(received.transaction_id),
        "sender_nonce": tlv(0x04, b"a" * 16),
        "recipient_nonce": tlv(0x04, received.sender_nonce),
        "pki_status": printable(status),
    }
    return scep_message(signer, scep_attributes(**(values | more)), envelope)


def success(received: Received, signer: Party, content: bytes) -> bytes:
    """
    Answer with content that is encrypted to the signer of the request, by AES-256.
    """
    return cert_rep(received, signer, SUCCESS, encrypt(received.signer, content))


def failure(received: Received, signer: Party, number: str, text: str | None = None) -> bytes:
    """
    Refuse a request.
    """
    more = {} if text is None else {"fail_info_text": tlv(0x0C, text.encode("utf-8"))}
    return cert_rep(received, signer, FAILURE, fail_info=printable(number), **more)


def encrypt(certificate: bytes, content: bytes) -> bytes:
    """
    Put content into an envelope.
    """
    return (
        pkcs7.PKCS7EnvelopeBuilder()
        .set_data(content)
        .set_content_encryption_algorithm(algorithms.AES256)
        .add_recipient(x509.load_der_x509_certificate(certificate))
        .encrypt(Encoding.DER, [pkcs7.PKCS7Options.Binary])
    )


def certificates_only(certificates: Sequence[bytes], crls: Sequence[bytes] = ()) -> bytes:
    """
    Put certificates and revocation lists into a degenerate SignedData, in this order.
    """
    bags = [tlv(tag, *ders) for tag, ders in ((0xA0, certificates), (0xA1, crls)) if ders]
    data = tlv(0x30, oid("1.2.840.113549.1.7.1"))
    signed = tlv(0x30, tlv(0x02, b"\x01"), tlv(0x31), data, *bags, tlv(0x31))
    return tlv(0x30, oid("1.2.840.113549.1.7.2"), tlv(0xA0, signed))


def openssl_certificates_only(certificates: Sequence[bytes], crl: bytes | None = None) -> bytes:
    """
    Let ``openssl crl2pkcs7`` do the same.
    """
    files = {"certs.pem": b"".join(pem_of(each) for each in certificates)}
    options = ["-certfile", "certs.pem"] if certificates else []
    if crl is None:
        options.append("-nocrl")
    else:
        files["crl.der"] = crl
        options += ["-in", "crl.der", "-inform", "DER"]
    return openssl("crl2pkcs7", *options, "-outform", "DER", files=files)


def next_ca_answer(current: Party, certificates: Sequence[bytes], *options: str) -> bytes:
    """
    Let ``openssl cms`` answer a GetNextCACert.
    """
    return openssl_sign(current, certificates_only(certificates), "-nodetach", *options)


def revocation_list(authority: Party, serial_numbers: Iterable[int]) -> bytes:
    """
    Let ``cryptography`` sign a revocation list.
    """
    issuer = x509.load_der_x509_certificate(authority.certificate).subject
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer)
    builder = builder.last_update(NOW).next_update(NOW + timedelta(days=1))
    for number in serial_numbers:
        entry = x509.RevokedCertificateBuilder().serial_number(number).revocation_date(NOW)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(authority.key, hashes.SHA256()).public_bytes(Encoding.DER)


def pem_of(certificate: bytes) -> bytes:
    """
    Write a certificate in PEM.
    """
    return x509.load_der_x509_certificate(certificate).public_bytes(Encoding.PEM)
