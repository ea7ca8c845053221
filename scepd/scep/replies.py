"""
CertReps, as an authority makes them (RFC 8894 section 3.3.2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from cryptography.hazmat.primitives.asymmetric import rsa

from scepd.pki.ciphers import reply_cipher
from scepd.pki.opening import build_envelope
from scepd.pki.signing import build_certificates_only, build_signed_data
from scepd.scep.attributes import (
    NONCE_SIZE,
    FailInfo,
    MessageType,
    PKIStatus,
    SCEPAttributes,
    encode_scep_attributes,
)
from scepd.scep.messages import MessageHeader, PKIMessage

_LONGEST_TEXT = 1024
# Where there is no envelope there is an empty content: certmonger and openssl do not verify a
# message without any, and so would take a refusal for an authority that is out of reach.
_NO_ENVELOPE = b""


def build_cert_rep_success(
    request: PKIMessage,
    certificate: bytes,
    key: rsa.RSAPrivateKey,
    signer: bytes,
    random: Callable[[int], bytes],
    *,
    request_cipher: str = "aes-128-cbc",
) -> bytes:
    """
    Answer with one certificate, encrypted to the signer of the request.

    The certificate stands alone: with the authority's beside it the order of DER could put that
    one first, and Apple's clients would take it for the device's.

    :param request: the verified request; its signer's key may differ from the certified one.
    :param certificate: the issued or asked-for certificate, DER.
    :param key: the authority's.
    :param signer: the authority's certificate, DER, as GetCACert gives it.
    :param random: gives that many unpredictable octets.
    :param request_cipher: that the request came in; the answer is not weaker, and never DES.
    :returns: the DER of the pkiMessage.
    :raises UnsupportedAlgorithm: the requester's key can't be encrypted to.
    """
    content = build_certificates_only([certificate])
    return _success(request, content, key, signer, random, request_cipher)


def build_cert_rep_crls(
    request: PKIMessage,
    crls: Iterable[bytes],
    key: rsa.RSAPrivateKey,
    signer: bytes,
    random: Callable[[int], bytes],
    *,
    request_cipher: str = "aes-128-cbc",
) -> bytes:
    """
    Answer a GetCRL, encrypted to the signer of the request (RFC 8894 section 3.3.4).

    :param request: the verified request.
    :param crls: the DER of each revocation list.
    :param key: the authority's.
    :param signer: the authority's certificate, DER.
    :param random: gives that many unpredictable octets.
    :param request_cipher: that the request came in.
    :returns: the DER of the pkiMessage.
    :raises UnsupportedAlgorithm: the requester's key can't be encrypted to.
    """
    content = build_certificates_only([], crls)
    return _success(request, content, key, signer, random, request_cipher)


def build_cert_rep_failure(
    request: PKIMessage | MessageHeader,
    fail_info: FailInfo,
    key: rsa.RSAPrivateKey,
    signer: bytes,
    random: Callable[[int], bytes],
    *,
    text: str | None = None,
) -> bytes:
    """
    Refuse a request; there is no envelope.

    :param request: the request, or what ``read_header`` got of one that is broken.
    :param fail_info: why; ``FailInfo(error.fail_info)`` for one of our errors.
    :param key: the authority's.
    :param signer: the authority's certificate, DER.
    :param random: gives that many unpredictable octets.
    :param text: the failInfoText; cut to 1 kB; None for none.
    :returns: the DER of the pkiMessage.
    """
    attributes = _attributes(request, PKIStatus.FAILURE, random, fail_info, _cut(text))
    return _signed(request, _NO_ENVELOPE, attributes, key, signer)


def build_cert_rep_pending(
    request: PKIMessage,
    key: rsa.RSAPrivateKey,
    signer: bytes,
    random: Callable[[int], bytes],
) -> bytes:
    """
    Tell a client to come back with a CertPoll; there is no envelope.

    :param request: the verified request.
    :param key: the authority's.
    :param signer: the authority's certificate, DER.
    :param random: gives that many unpredictable octets.
    :returns: the DER of the pkiMessage.
    """
    attributes = _attributes(request, PKIStatus.PENDING, random)
    return _signed(request, _NO_ENVELOPE, attributes, key, signer)


def reply_digest(request_digest: str) -> str:
    """
    Choose the digest of an answer: SHA-256, or what the request used if stronger.

    :param request_digest: that the request was signed with.
    :returns: ``sha256``, ``sha384`` or ``sha512``.
    """
    return request_digest if request_digest in ("sha384", "sha512") else "sha256"


def _success(
    request: PKIMessage,
    content: bytes,
    key: rsa.RSAPrivateKey,
    signer: bytes,
    random: Callable[[int], bytes],
    request_cipher: str,
) -> bytes:
    envelope = build_envelope(
        content, request.signer_certificate, random, cipher=reply_cipher(request_cipher)
    )
    attributes = _attributes(request, PKIStatus.SUCCESS, random)
    return _signed(request, envelope, attributes, key, signer)


def _attributes(
    request: PKIMessage | MessageHeader,
    status: PKIStatus,
    random: Callable[[int], bytes],
    fail_info: FailInfo | None = None,
    text: str | None = None,
) -> SCEPAttributes:
    return SCEPAttributes(
        MessageType.CERT_REP,
        request.transaction_id,
        random(NONCE_SIZE),
        request.sender_nonce,
        status,
        fail_info,
        text,
    )


def _signed(
    request: PKIMessage | MessageHeader,
    envelope: bytes,
    attributes: SCEPAttributes,
    key: rsa.RSAPrivateKey,
    signer: bytes,
) -> bytes:
    digest = reply_digest(request.digest) if isinstance(request, PKIMessage) else "sha256"
    encoded = encode_scep_attributes(attributes)
    return build_signed_data(envelope, encoded, key, signer, digest=digest)


def _cut(text: str | None) -> str | None:
    if text is None:
        return None
    return text.encode("utf-8")[:_LONGEST_TEXT].decode("utf-8", "ignore")
