"""
The ``Mdm-Signature`` header, by which a device proves who sent a message.

Source: Apple's MDM payload reference, ``SignMessage``: a detached CMS signature over the body.
"""

from __future__ import annotations

import base64
import binascii

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs7

from scepd.errors import EncodingError, LimitExceeded
from scepd.pki.certificates import load_certificate
from scepd.pki.signed_data import parse_signed_data
from scepd.pki.verifying import signer_identity, verify_detached

HEADER = "Mdm-Signature"
"""
The name of the header.
"""
_LONGEST_HEADER = 90_000


def verify_mdm_signature(header: bytes | str, body: bytes) -> bytes:
    """
    Verify that a body was signed by the key of the certificate that comes with it.

    Real devices send BER, SHA-1 or SHA-256, and no signedAttrs. Whether the certificate is one of
    ours is not asked here.

    :param header: the header's value: base64, in which white space counts for nothing; at most
        90,000 characters.
    :param body: the exact octets of the request's body.
    :returns: the DER of the signer's certificate.
    :raises EncodingError: not base64, or not a SignedData (RFC 5652 section 5).
    :raises LimitExceeded: too long.
    :raises SignatureInvalid: not exactly one signer, no certificate for it, or another body.
    :raises UnsupportedAlgorithm: a digest, signature algorithm or key that is not accepted.
    """
    return verify_detached(decoded_signature(header), body)


def named_certificate(header: bytes | str) -> bytes:
    """
    Read who is said to have signed a body that is not there.

    :param header: the header's value, as for :func:`verify_mdm_signature`.
    :returns: the DER of the signer's certificate; neither it nor the signature is verified.
    :raises MessageError: as :func:`verify_mdm_signature`, but for a signature that is wrong.
    """
    return signer_identity(parse_signed_data(decoded_signature(header))).der


def decoded_signature(header: bytes | str) -> bytes:
    """
    Take the CMS out of a header.

    :param header: the header's value: base64, in which white space counts for nothing; at most
        90,000 characters.
    :returns: its octets; what they are is not looked at.
    :raises EncodingError: not base64.
    :raises LimitExceeded: too long.
    """
    if len(header) > _LONGEST_HEADER:
        raise LimitExceeded(f"the {HEADER} header is longer than {_LONGEST_HEADER} characters")
    try:
        # Nearly all that devices send is like this.
        return binascii.a2b_base64(header, strict_mode=True)
    except ValueError:
        return _decoded(header)


def sign_mdm_message(body: bytes, key: rsa.RSAPrivateKey, certificate: bytes) -> bytes:
    """
    Sign a body as a device does: detached, without signedAttrs; SHA-256 and DER.

    :param body: the exact octets of the request's body.
    :param key: the device's identity.
    :param certificate: the DER of the certificate for it.
    :returns: the header's value: base64 in one line.
    :raises EncodingError: the certificate can't be read.
    """
    signature = (
        pkcs7.PKCS7SignatureBuilder()
        .set_data(body)
        .add_signer(load_certificate(certificate), key, hashes.SHA256())
        .sign(
            serialization.Encoding.DER,
            [
                pkcs7.PKCS7Options.Binary,
                pkcs7.PKCS7Options.DetachedSignature,
                pkcs7.PKCS7Options.NoAttributes,
            ],
        )
    )
    return base64.b64encode(signature)


def _decoded(header: bytes | str) -> bytes:
    try:
        octets = header if isinstance(header, bytes) else header.encode("ascii")
        # Padding that was lost on the way is no reason to turn a device away.
        packed = b"".join(octets.split()).rstrip(b"=")
        return base64.b64decode(packed + b"=" * (-len(packed) % 4), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise EncodingError(f"the {HEADER} header is not base64") from None
