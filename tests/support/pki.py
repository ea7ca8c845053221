"""
Keys, certificates and CMS messages made by somebody else: ``cryptography`` and ``openssl``.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from twisted.trial.unittest import SkipTest

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
SCEP_OIDS = {
    "message_type": "2.16.840.1.113733.1.9.2",
    "pki_status": "2.16.840.1.113733.1.9.3",
    "fail_info": "2.16.840.1.113733.1.9.4",
    "sender_nonce": "2.16.840.1.113733.1.9.5",
    "recipient_nonce": "2.16.840.1.113733.1.9.6",
    "transaction_id": "2.16.840.1.113733.1.9.7",
    "fail_info_text": "1.3.6.1.5.5.7.24.1",
}


def require(program: str) -> str:
    """
    Return a program's path; skip the test without it, but fail where CI promised it.
    """
    path = shutil.which(program)
    if path is None and not os.environ.get("CI"):
        raise SkipTest(f"{program} is not installed")
    if path is None:
        raise AssertionError(f"{program} is not installed")
    return path


@dataclass(frozen=True, slots=True)
class Party:
    """
    A key and the self-signed certificate for it.
    """

    key: rsa.RSAPrivateKey
    certificate: bytes

    @property
    def key_pem(self) -> bytes:
        """
        The private key as unencrypted PKCS #8 in PEM.
        """
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    @property
    def certificate_pem(self) -> bytes:
        """
        The certificate in PEM.
        """
        loaded = x509.load_der_x509_certificate(self.certificate)
        return loaded.public_bytes(serialization.Encoding.PEM)

    @property
    def public_key_info(self) -> bytes:
        """
        The DER SubjectPublicKeyInfo.
        """
        return self.key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )


@functools.cache
def rsa_key(number: int = 0, bits: int = 2048) -> rsa.RSAPrivateKey:
    """
    Return a key; the same one for the same arguments in one test process.
    """
    return rsa.generate_private_key(65537, bits)


@functools.cache
def party(
    name: str = "CN=party", number: int = 0, *, bits: int = 2048, usage: str = "", ca: bool = False
) -> Party:
    """
    Return a key and a self-signed certificate; ``usage`` may be ``sign``, ``encipher`` or both.
    """
    key = rsa_key(number, bits)
    subject = x509.Name.from_rfc4514_string(name)
    certificate = issue(key, subject, key, subject, usage=usage, ca=ca)
    return Party(key, certificate)


def issue(
    key: rsa.RSAPrivateKey | CertificatePublicKeyTypes,
    subject: x509.Name,
    issuer_key: rsa.RSAPrivateKey,
    issuer: x509.Name,
    *,
    usage: str = "",
    ca: bool = False,
) -> bytes:
    """
    Issue a certificate with ``cryptography``; the code under test has no part in it.
    """
    public_key = key.public_key() if isinstance(key, rsa.RSAPrivateKey) else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(int.from_bytes(b"\x01" + os.urandom(12), "big"))
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=3650))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), False)
    )
    if ca:
        builder = builder.add_extension(x509.BasicConstraints(True, None), True)
    if usage:
        flags = x509.KeyUsage(
            "sign" in usage, False, "encipher" in usage, False, False, ca, ca, False, False
        )
        builder = builder.add_extension(flags, True)
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def openssl(*arguments: str, stdin: bytes = b"", files: dict[str, bytes] | None = None) -> bytes:
    """
    Run openssl in a folder of its own that holds ``files``, and return what it writes.
    """
    with tempfile.TemporaryDirectory() as folder:
        for name, content in (files or {}).items():
            (Path(folder) / name).write_bytes(content)
        done = subprocess.run(
            ["openssl", *arguments], input=stdin, capture_output=True, cwd=folder, timeout=20
        )
    if done.returncode:
        raise RuntimeError(done.stderr.decode("utf-8", "replace"))
    return done.stdout


def openssl_sign(signer: Party, content: bytes, *options: str) -> bytes:
    """
    Sign content with ``openssl cms -sign``; attached unless the options say otherwise.
    """
    return openssl(
        *("cms", "-sign", "-binary", "-outform", "DER", "-signer", "cert.pem", "-inkey", "key.pem"),
        *options,
        stdin=content,
        files={"cert.pem": signer.certificate_pem, "key.pem": signer.key_pem},
    )


def openssl_encrypt(recipient: Party, content: bytes, *options: str) -> bytes:
    """
    Encrypt content with ``openssl cms -encrypt``; the options name cipher and padding.
    """
    return openssl(
        *("cms", "-encrypt", "-binary", "-outform", "DER", "-recip", "cert.pem"),
        *options,
        stdin=content,
        files={"cert.pem": recipient.certificate_pem},
    )


def openssl_decrypt(recipient: Party, envelope: bytes) -> bytes:
    """
    Decrypt an envelope with ``openssl cms -decrypt``.
    """
    return openssl(
        *("cms", "-decrypt", "-inform", "DER", "-recip", "cert.pem", "-inkey", "key.pem"),
        stdin=envelope,
        files={"cert.pem": recipient.certificate_pem, "key.pem": recipient.key_pem},
    )


def openssl_verify(message: bytes) -> bytes:
    """
    Verify a SignedData with ``openssl cms -verify`` and return its content.
    """
    return openssl("cms", "-verify", "-noverify", "-binary", "-inform", "DER", stdin=message)


def tlv(tag: int, *parts: bytes) -> bytes:
    """
    Encode one ASN.1 element, with a length of its own making.
    """
    body = b"".join(parts)
    if len(body) < 128:
        return bytes([tag, len(body)]) + body
    if len(body) < 256:
        return bytes([tag, 0x81, len(body)]) + body
    if len(body) < 65_536:
        return bytes([tag, 0x82]) + len(body).to_bytes(2, "big") + body
    return bytes([tag, 0x83]) + len(body).to_bytes(3, "big") + body


def oid(dotted: str) -> bytes:
    """
    Encode an object identifier.
    """
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    octets = bytearray()
    for arc in (first * 40 + second, *rest):
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(arc & 0x7F | 0x80)
        octets += bytes(reversed(groups))
    return tlv(0x06, bytes(octets))


def printable(text: str) -> bytes:
    """
    Encode a PrintableString.
    """
    return tlv(0x13, text.encode("ascii"))


def scep_attributes(**values: bytes) -> list[bytes]:
    """
    Encode SCEP attributes; each is named as in ``SCEP_OIDS`` and given as the DER of its value.
    """
    return [tlv(0x30, oid(SCEP_OIDS[name]), tlv(0x31, value)) for name, value in values.items()]


def scep_message(
    signer: Party,
    attributes: Sequence[bytes],
    content: bytes | None = None,
    others: Sequence[bytes] = (),
) -> bytes:
    """
    Sign a SCEP message by hand, with whatever attributes; SHA-256, RSA and an RFC 5652 layout.

    :param others: certificates that are in the bag beside the signer's.
    """
    data = oid("1.2.840.113549.1.7.1")
    digest = tlv(0x04, hashlib.sha256(content or b"").digest())
    standard = [
        tlv(0x30, oid("1.2.840.113549.1.9.3"), tlv(0x31, data)),
        tlv(0x30, oid("1.2.840.113549.1.9.4"), tlv(0x31, digest)),
    ]
    ordered = sorted([*standard, *attributes])
    signature = signer.key.sign(tlv(0x31, *ordered), padding.PKCS1v15(), hashes.SHA256())
    loaded = x509.load_der_x509_certificate(signer.certificate)
    serial = loaded.serial_number.to_bytes(loaded.serial_number.bit_length() // 8 + 1, "big")
    sha256 = tlv(0x30, oid("2.16.840.1.101.3.4.2.1"))
    info = tlv(
        0x30,
        tlv(0x02, b"\x01"),
        tlv(0x30, loaded.issuer.public_bytes(), tlv(0x02, serial)),
        sha256,
        tlv(0xA0, *ordered),
        tlv(0x30, oid("1.2.840.113549.1.1.1"), tlv(0x05)),
        tlv(0x04, signature),
    )
    encapsulated = [data] if content is None else [data, tlv(0xA0, tlv(0x04, content))]
    signed = tlv(
        0x30,
        tlv(0x02, b"\x01"),
        tlv(0x31, sha256),
        tlv(0x30, *encapsulated),
        tlv(0xA0, signer.certificate, *others),
        tlv(0x31, info),
    )
    return tlv(0x30, oid("1.2.840.113549.1.7.2"), tlv(0xA0, signed))


def pkcs_req(signer: Party, envelope: bytes, **changes: bytes) -> bytes:
    """
    Sign a PKCSReq by hand; ``changes`` replace or add attributes.
    """
    values = {
        "message_type": printable("19"),
        "transaction_id": printable("0123456789ABCDEF"),
        "sender_nonce": tlv(0x04, b"n" * 16),
    }
    return scep_message(signer, scep_attributes(**(values | changes)), envelope)
