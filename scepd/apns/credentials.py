"""
The MDM push certificate and its key.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import NameOID

from scepd.errors import ConfigurationError

_TOPIC_PREFIX = "com.apple.mgmt."
_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion)


@dataclass(frozen=True, slots=True)
class PushCredentials:
    """
    What Apple knows us by.

    :param certificates: the DER of the push certificate, then of its chain, if it came along.
    :param private_key: the DER of the key (PKCS #8, not encrypted).
    :param topic: the certificate's subject UID; pushes reach only devices that enrolled with it.
    :param not_after: when the certificate expires (aware, UTC).
    """

    certificates: tuple[bytes, ...] = field(repr=False)
    private_key: bytes = field(repr=False)
    topic: str
    not_after: datetime


def load_credentials(certificate_pem: bytes, key_pem: bytes) -> PushCredentials:
    """
    Read the push certificate and its key.

    :param certificate_pem: the certificate, and its chain if there is one.
    :param key_pem: its private key, not encrypted; may be the same text.
    :raises ConfigurationError: one can't be read, they don't belong together, or the certificate is
        not for MDM.
    """
    key = _load_key(key_pem)
    try:
        certificates = x509.load_pem_x509_certificates(certificate_pem)
        leaf = certificates[0]
        fits = leaf.public_key() == key.public_key()
        topics = [str(uid.value) for uid in leaf.subject.get_attributes_for_oid(NameOID.USER_ID)]
    except _UNREADABLE:
        raise ConfigurationError("the push certificate holds no certificate in PEM") from None
    if not fits:
        raise ConfigurationError("the push key does not belong to the push certificate")
    return PushCredentials(
        tuple(one.public_bytes(serialization.Encoding.DER) for one in certificates),
        key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
        _check_topic(topics),
        leaf.not_valid_after_utc,
    )


def _load_key(pem: bytes) -> PrivateKeyTypes:
    if b"ENCRYPTED" in pem:
        raise ConfigurationError("the push key is encrypted; a key without a passphrase is needed")
    try:
        return serialization.load_pem_private_key(pem, None)
    except _UNREADABLE:
        raise ConfigurationError("the push key holds no private key in PEM") from None


def _check_topic(topics: list[str]) -> str:
    if len(topics) != 1:
        raise ConfigurationError(
            "the push certificate names no topic: "
            f"its subject has {len(topics)} UIDs (0.9.2342.19200300.100.1.1) instead of one"
        )
    if not topics[0].startswith(_TOPIC_PREFIX):
        raise ConfigurationError(
            f"the push certificate is not for MDM: its topic is {topics[0]}, "
            f"which does not begin with {_TOPIC_PREFIX}"
        )
    return topics[0]
