"""
Certification requests: PKCS #10, RFC 2986, with the challengePassword of RFC 2985.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import AttributeOID

from scepd.errors import EncodingError, LimitExceeded, SignatureInvalid
from scepd.pki.alternative_names import name_texts
from scepd.pki.ber import contents_of, to_der
from scepd.pki.decoding import reading
from scepd.pki.der import sequence, tagged
from scepd.pki.der_reader import BIT_STRING, INTEGER, SEQUENCE, DERReader, split
from scepd.pki.digests import checked_digest, hash_algorithm, signature_digest
from scepd.pki.keys import public_key_sha256, rsa_public_key
from scepd.pki.signed_data import Attribute, read_attributes, single_value

_CHALLENGE_PASSWORD = AttributeOID.CHALLENGE_PASSWORD.dotted_string
# RFC 2985 section 5.4.1 says 255 characters; some authorities hand out longer ones.
_LONGEST_CHALLENGE = 2048
_ATTRIBUTES = 0xA0
_NO_ATTRIBUTES = b"\x31\x00"
_MD5_WITH_RSA = "1.2.840.113549.1.1.4"
_PKCS1 = padding.PKCS1v15()
_STRING_ENCODINGS = {
    0x0C: "utf-8",
    0x13: "ascii",
    0x14: "latin-1",
    0x16: "ascii",
    0x1C: "utf-32-be",
    0x1E: "utf-16-be",
}


@dataclass(frozen=True, slots=True)
class RequestedExtension:
    """
    One extension that a request asks for (RFC 2985 section 5.4.2).

    :param oid: dotted.
    :param critical: whether it is marked so.
    :param value: the DER of the extension's value.
    """

    oid: str
    critical: bool
    value: bytes


@dataclass(frozen=True, slots=True)
class CertificationRequest:
    """
    A request whose own signature, key and form have been checked.

    :param der: the request as it came; never shown by ``repr``, as the challenge is in it.
    :param subject: RFC 4514 text; empty for an empty name.
    :param subject_der: the DER of the name.
    :param public_key_info: the DER SubjectPublicKeyInfo; an RSA key.
    :param key_bits: the size of its modulus.
    :param digest: of the request's own signature.
    :param challenge_password: if there is one; never shown by ``repr``.
    :param alternative_names: such as ``dns:host.example``, in order (see ``name_texts``).
    :param extensions: all that were asked for, the alternative names among them.
    """

    der: bytes = field(repr=False)
    subject: str
    subject_der: bytes
    public_key_info: bytes
    key_bits: int
    digest: str
    challenge_password: str | None = field(repr=False)
    alternative_names: tuple[str, ...]
    extensions: tuple[RequestedExtension, ...]

    @property
    def public_key_sha256(self) -> str:
        """
        SHA-256 of the SubjectPublicKeyInfo as 64 lower-case hexadecimal digits.
        """
        return public_key_sha256(self.public_key_info)


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """
    A request that was signed with its own key; nothing else of it is judged.

    :param der: the request as it came; never shown by ``repr``, as a challenge may be in it.
    :param loaded: the request of ``cryptography``; its properties may still raise ValueError.
    :param key: its RSA key, of any size.
    :param subject_der: the DER of the name.
    :param public_key_info: the DER SubjectPublicKeyInfo.
    :param attributes: the DER of the SET OF Attribute.
    """

    der: bytes = field(repr=False)
    loaded: x509.CertificateSigningRequest = field(repr=False)
    key: rsa.RSAPublicKey
    subject_der: bytes
    public_key_info: bytes
    attributes: bytes = field(repr=False)


def parse_request(
    der: bytes, *, minimum_key_bits: int = 2048, allow_sha1: bool = False
) -> CertificationRequest:
    """
    Read a certification request, and check all that can be checked without knowing the sender.

    :param der: the request, in DER.
    :param minimum_key_bits: the smallest RSA modulus; the largest has 8192 bits.
    :param allow_sha1: whether the request's own signature may use SHA-1.
    :returns: the request.
    :raises EncodingError: not a request, neither subject nor alternative name, or an attribute
        that is doubled, has several values or the wrong type.
    :raises LimitExceeded: too deep, or a challenge above 2048 octets.
    :raises UnsupportedAlgorithm: a digest, key type or key that is not accepted.
    :raises SignatureInvalid: its signature was not made with its key.
    """
    signed = verify_request(der)
    return check_request(signed, minimum_key_bits=minimum_key_bits, allow_sha1=allow_sha1)


def verify_request(der: bytes) -> SignedRequest:
    """
    Read a certification request as far as its own signature needs it, and verify that.

    What fails here may be somebody else's request that was altered; what is wrong after this is the
    doing of who made the request.

    :param der: the request, in DER.
    :returns: the request; its algorithms and the size of its key are still to be judged, MD5 and
        the smallest keys among them.
    :raises EncodingError: not a request.
    :raises LimitExceeded: too deep.
    :raises UnsupportedAlgorithm: not an RSA key and signature, or a key that no sound one can be.
    :raises SignatureInvalid: its signature was not made with its key.
    """
    loaded = load_request(der)
    with reading("the certification request"):
        subject_der, key_info, attributes = _parts(der)
        key = rsa_public_key(key_info, minimum_bits=0)
        _check_signature(loaded, der, key)
        return SignedRequest(der, loaded, key, subject_der, key_info, attributes)


def check_request(
    signed: SignedRequest, *, minimum_key_bits: int, allow_sha1: bool
) -> CertificationRequest:
    """
    Do the checks of ``parse_request`` on a request whose signature is right.

    :param signed: what ``verify_request`` returned.
    :param minimum_key_bits: as for ``parse_request``.
    :param allow_sha1: as for ``parse_request``.
    :returns: the request.
    :raises MessageError: as for ``parse_request``.
    """
    with reading("the certification request"):
        request = signed.loaded
        digest = signature_digest(request.signature_algorithm_oid.dotted_string)
        checked_digest(digest, allow_sha1=allow_sha1)
        rsa_public_key(signed.public_key_info, minimum_bits=minimum_key_bits)
        attributes = _read_attributes(signed.attributes)
        extensions, subject = request.extensions, request.subject
        names = name_texts(extensions)
        if not names and not list(subject):
            raise EncodingError("the certification request has neither subject nor other name")
        return CertificationRequest(
            signed.der,
            subject.rfc4514_string(),
            signed.subject_der,
            signed.public_key_info,
            signed.key.key_size,
            digest,
            _challenge(attributes),
            names,
            _extensions(extensions),
        )


def load_request(der: bytes) -> x509.CertificateSigningRequest:
    """
    Load a certification request and look no further than its outer form.

    :param der: the request, in DER.
    :returns: the request of ``cryptography``; its properties may still raise ValueError.
    :raises EncodingError: not a request.
    :raises LimitExceeded: too deep.
    """
    if to_der(der) != der:
        raise EncodingError("the certification request is not in DER")
    return load_checked_request(der)


def load_checked_request(der: bytes) -> x509.CertificateSigningRequest:
    """
    Load a certification request that is known to be in DER, but for the order of its attributes:
    strongSwan writes them in another one than DER does.

    :param der: the request.
    :returns: the request of ``cryptography``, its attributes sorted.
    :raises EncodingError: not a request.
    """
    with reading("the certification request"):
        try:
            return x509.load_der_x509_csr(der)
        except ValueError:
            return x509.load_der_x509_csr(_with_sorted_attributes(der))


def _with_sorted_attributes(der: bytes) -> bytes:
    request = DERReader(der).enter(SEQUENCE)
    *before, attributes = request.enter(SEQUENCE).remaining()
    if attributes[0] != _ATTRIBUTES:
        raise ValueError("the request has no attributes")
    in_order = sorted(DERReader(attributes).enter(_ATTRIBUTES).remaining())
    return sequence(sequence(*before, tagged(0, *in_order)), *request.remaining())


def build_request(
    private_key: rsa.RSAPrivateKey,
    subject: x509.Name,
    challenge: str | None,
    *,
    alternative_names: Sequence[x509.GeneralName] = (),
    digest: str = "sha256",
) -> bytes:
    """
    Make a certification request, as a device or client does.

    :param private_key: the key to be certified.
    :param subject: the name asked for.
    :param challenge: the challengePassword; None for none.
    :param alternative_names: the subjectAltName asked for.
    :param digest: of the request's own signature.
    :returns: the DER of the request.
    :raises UnsupportedAlgorithm: another digest.
    """
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if challenge is not None:
        builder = builder.add_attribute(AttributeOID.CHALLENGE_PASSWORD, challenge.encode("utf-8"))
    if alternative_names:
        extension = x509.SubjectAlternativeName(alternative_names)
        builder = builder.add_extension(extension, critical=False)
    algorithm = hash_algorithm(digest)
    request = builder.sign(private_key, algorithm)  # type: ignore[arg-type]
    return request.public_bytes(serialization.Encoding.DER)


def _check_signature(
    request: x509.CertificateSigningRequest, der: bytes, key: rsa.RSAPublicKey
) -> None:
    # The library's own is_signature_valid says no to every SHA-1, and to sorted attributes.
    signed = DERReader(der).enter(SEQUENCE).encoded(SEQUENCE)
    algorithm = _signature_hash(request.signature_algorithm_oid.dotted_string)
    try:
        key.verify(request.signature, signed, _PKCS1, algorithm)
    except InvalidSignature:
        raise SignatureInvalid("the certification request's signature is wrong") from None


def _signature_hash(oid: str) -> hashes.HashAlgorithm:
    # Whoever made a request with MD5 is to be told that it is this which is refused.
    if oid == _MD5_WITH_RSA:
        return hashes.MD5()
    return hash_algorithm(signature_digest(oid))


def _parts(der: bytes) -> tuple[bytes, bytes, bytes]:
    info, algorithm, signature = split(der, SEQUENCE)
    version, subject, key_info, *others = split(info, SEQUENCE)
    if version[0] != INTEGER or signature[0] != BIT_STRING:
        raise ValueError("a field of the request has another type")
    if [each[0] for each in (algorithm, subject, key_info)] != [SEQUENCE] * 3:
        raise ValueError("a field of the request has another type")
    attributes = _NO_ATTRIBUTES
    # Some leave the empty SET out.
    if others and others[0][0] == _ATTRIBUTES:
        attributes = b"\x31" + others.pop(0)[1:]
    if others:
        raise ValueError("the request has more fields than it may have")
    return subject, key_info, attributes


def _read_attributes(encoded: bytes) -> tuple[Attribute, ...]:
    attributes = read_attributes(encoded)
    if len({attribute.oid for attribute in attributes}) != len(attributes):
        raise EncodingError("the certification request has a doubled attribute")
    return attributes


def _challenge(attributes: tuple[Attribute, ...]) -> str | None:
    encoded = single_value(attributes, _CHALLENGE_PASSWORD)
    if encoded is None:
        return None
    if len(encoded) > _LONGEST_CHALLENGE:
        raise LimitExceeded("the challengePassword is too long")
    if encoded[0] not in _STRING_ENCODINGS:
        raise EncodingError("the challengePassword is not a character string")
    return str(contents_of(encoded), _STRING_ENCODINGS[encoded[0]])


def _extensions(extensions: x509.Extensions) -> tuple[RequestedExtension, ...]:
    return tuple(
        RequestedExtension(each.oid.dotted_string, each.critical, each.value.public_bytes())
        for each in extensions
    )
