"""
Opening and closing envelopes with RSA keys, without telling a sender what went wrong.

A broken RSA block, a broken padding and a wrong tag end in the same error: whoever could tell
them apart could decrypt other messages (RFC 3218; CMS RFC 5652 section 14).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from scepd.errors import DecryptionFailed, EncodingError, UnsupportedAlgorithm
from scepd.pki import der
from scepd.pki.ciphers import (
    UNOPENED,
    Cipher,
    cipher_by_name,
    cipher_by_oid,
    decrypt_cbc,
    decrypt_gcm,
    encrypt_cbc,
)
from scepd.pki.decoding import reading
from scepd.pki.der_reader import OCTET_STRING, SEQUENCE, DERReader, octets_of
from scepd.pki.digests import DIGEST_OIDS, RSA_ENCRYPTION
from scepd.pki.enveloped_data import Envelope, Recipient, parse_envelope
from scepd.pki.identity import identify_der
from scepd.pki.keys import rsa_public_key
from scepd.pki.structures import DATA, ENVELOPED_DATA, read_algorithm

_RSA_OAEP = "1.2.840.113549.1.1.7"
_MASK_GENERATION_1 = "1.2.840.113549.1.1.8"
_PSPECIFIED = "1.2.840.113549.1.1.9"
_SHA1 = "1.3.14.3.2.26"
# Go's library tags the nonce [4] where RFC 5084 has a plain OCTET STRING.
_NONCE_TAGS = (OCTET_STRING, 0x84)
_PKCS1 = padding.PKCS1v15()
_RSA_ALGORITHM = der.sequence(der.object_identifier(RSA_ENCRYPTION), der.NULL)
_OAEP_HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha1": hashes.SHA1(),
    "sha256": hashes.SHA256(),
}


@dataclass(frozen=True, slots=True)
class OpenedEnvelope:
    """
    What was in an envelope.

    :param content: its octets.
    :param cipher: the name of the content cipher, such as ``aes-128-cbc``.
    """

    content: bytes
    cipher: str


def open_envelope(
    data: bytes,
    key: rsa.RSAPrivateKey,
    certificate: bytes,
    random: Callable[[int], bytes],
    *,
    allow_des: bool = False,
    allow_3des: bool = True,
) -> OpenedEnvelope:
    """
    Decrypt an envelope that names our certificate.

    :param data: a ContentInfo with an EnvelopedData or AuthEnvelopedData, in DER or BER.
    :param key: our private key.
    :param certificate: ours, DER.
    :param random: gives that many unpredictable octets.
    :param allow_des: whether single DES will do.
    :param allow_3des: whether triple DES will do.
    :returns: the content, and which cipher it was in.
    :raises EncodingError: not an envelope.
    :raises LimitExceeded: more than 8 recipients, or too deep.
    :raises UnsupportedAlgorithm: an algorithm that is not accepted, or a password recipient.
    :raises DecryptionFailed: it is for somebody else, or broken anywhere.
    """
    envelope = parse_envelope(data)
    cipher = cipher_by_oid(envelope.algorithm, allow_des=allow_des, allow_3des=allow_3des)
    if envelope.authenticated and not cipher.authenticated:
        # The other way round it is what Go's library sends.
        raise UnsupportedAlgorithm("AuthEnvelopedData is accepted with AES-GCM only")
    vector = _initialization_vector(cipher, envelope.parameters)
    recipient = _recipient_for(envelope, certificate)
    content_key = _content_key(recipient, key, cipher.key_size, random)
    if cipher.authenticated:
        content = decrypt_gcm(content_key, vector, envelope.encrypted, envelope.associated)
    else:
        content = decrypt_cbc(cipher, content_key, vector, envelope.encrypted)
    return OpenedEnvelope(content, cipher.name)


def build_envelope(
    content: bytes,
    certificate: bytes,
    random: Callable[[int], bytes],
    *,
    cipher: str = "aes-128-cbc",
    allow_des: bool = False,
) -> bytes:
    """
    Encrypt content for the holder of one certificate.

    :param content: any octets.
    :param certificate: the recipient's, DER.
    :param random: gives that many unpredictable octets.
    :param cipher: the name of a CBC cipher.
    :param allow_des: whether single DES will do.
    :returns: the DER of a ContentInfo with an EnvelopedData.
    :raises UnsupportedAlgorithm: another cipher, or the certificate's key is not a usable RSA key.
    :raises EncodingError: the certificate can't be read.
    """
    chosen = cipher_by_name(cipher, allow_des=allow_des)
    content_key, vector = random(chosen.key_size), random(chosen.block_size)
    identity = identify_der(certificate)
    public_key = rsa_public_key(identity.public_key_info)
    recipient = der.sequence(
        der.integer(0),
        der.sequence(identity.issuer, der.integer(identity.serial_number)),
        _RSA_ALGORITHM,
        der.octet_string(public_key.encrypt(content_key, _PKCS1)),
    )
    encrypted = der.sequence(
        der.object_identifier(DATA),
        der.sequence(der.object_identifier(chosen.oid), der.octet_string(vector)),
        der.implicit_octet_string(0, encrypt_cbc(chosen, content_key, vector, content)),
    )
    enveloped = der.sequence(der.integer(0), der.set_of([recipient]), encrypted)
    return der.sequence(der.object_identifier(ENVELOPED_DATA), der.tagged(0, enveloped))


def _recipient_for(envelope: Envelope, certificate: bytes) -> Recipient:
    identity = identify_der(certificate)
    for recipient in envelope.recipients:
        if recipient.reference.names(identity):
            return recipient
    raise DecryptionFailed(UNOPENED)


def _content_key(
    recipient: Recipient,
    key: rsa.RSAPrivateKey,
    size: int,
    random: Callable[[int], bytes],
) -> bytes:
    scheme = _padding_of(recipient)
    # Drawn in any case, so that a broken block takes the same path as a whole one.
    substitute = random(size)
    try:
        found = key.decrypt(recipient.encrypted_key, scheme)
    except ValueError:
        return substitute
    # The library answers a broken PKCS #1 block with random octets, mostly of another length.
    return found if len(found) == size else substitute


def _padding_of(recipient: Recipient) -> padding.AsymmetricPadding:
    if recipient.algorithm == RSA_ENCRYPTION:
        return _PKCS1
    if recipient.algorithm != _RSA_OAEP:
        raise UnsupportedAlgorithm("the key transport algorithm is not accepted")
    with reading("the RSA-OAEP parameters"):
        digest, mask_digest, label = _oaep_parameters(recipient.parameters)
    name, mask = DIGEST_OIDS.get(digest, ""), DIGEST_OIDS.get(mask_digest, "")
    if name not in _OAEP_HASHES or mask not in _OAEP_HASHES or label:
        raise UnsupportedAlgorithm("the RSA-OAEP parameters are not accepted")
    return padding.OAEP(padding.MGF1(_OAEP_HASHES[mask]), _OAEP_HASHES[name], None)


def _oaep_parameters(encoded: bytes) -> tuple[str, str, bytes]:
    """
    Read the digest, the digest of the mask and the label (RFC 4055 section 4.1); all have defaults.
    """
    digest, mask_digest, label = _SHA1, _SHA1, b""
    if not encoded:
        return digest, mask_digest, label
    fields = DERReader(encoded).enter(SEQUENCE)
    if fields.tag == 0xA0:
        digest, _ = _explicit_algorithm(fields)
    if fields.tag == 0xA1:
        mask, parameters = _explicit_algorithm(fields)
        if mask != _MASK_GENERATION_1:
            raise UnsupportedAlgorithm("the RSA-OAEP parameters are not accepted")
        mask_digest, _ = read_algorithm(parameters)
    if fields.tag == 0xA2:
        source, parameters = _explicit_algorithm(fields)
        if source != _PSPECIFIED:
            raise UnsupportedAlgorithm("the RSA-OAEP parameters are not accepted")
        label = octets_of(parameters) if parameters else b""
    fields.finish()
    return digest, mask_digest, label


def _explicit_algorithm(fields: DERReader) -> tuple[str, bytes]:
    (algorithm,) = fields.enter(fields.tag).remaining()
    return read_algorithm(algorithm)


def _initialization_vector(cipher: Cipher, parameters: bytes) -> bytes:
    with reading("the content encryption parameters"):
        if cipher.authenticated:
            return _nonce(parameters)
        vector = octets_of(parameters)
    if len(vector) != cipher.block_size:
        raise EncodingError("the initialization vector has the wrong length")
    return vector


def _nonce(parameters: bytes) -> bytes:
    fields = DERReader(parameters).enter(SEQUENCE)
    if fields.tag not in _NONCE_TAGS:
        raise EncodingError("the nonce is not well-formed")
    nonce = fields.octets(fields.tag)
    if not 8 <= len(nonce) <= 64:
        raise EncodingError("the nonce is not well-formed")
    return nonce
