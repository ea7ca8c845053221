"""
What Apple's push service knows us by: the MDM push certificate and its key, or a provider token.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from scepd.apns.provider_token import ProviderToken, load_token_key
from scepd.errors import ConfigurationError

_TOPIC_PREFIX = "com.apple.mgmt."
_TOPIC = re.compile("[!-~]{1,255}", re.ASCII)
_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion)


@dataclass(frozen=True, slots=True)
class PushCredentials:
    """
    What Apple knows us by. Two of them are equal when nothing changes from one to the other.

    :param certificates: the DER of the push certificate, then of its chain, if it came along; empty
        with a provider token.
    :param private_key: the DER of its key (PKCS #8, not encrypted).
    :param topic: the certificate's subject UID; pushes reach only devices that enrolled with it.
    :param not_after: when the certificate expires (aware, UTC); None: a provider token does not.
    """

    certificates: tuple[bytes, ...] = field(repr=False)
    private_key: bytes = field(repr=False)
    topic: str
    not_after: datetime | None
    provider_token: ProviderToken | None = field(default=None, repr=False)

    def authorization(self) -> bytes | None:
        """
        The value of the ``authorization`` header of each push, constant between renewals; None with
        a certificate.
        """
        return None if self.provider_token is None else self.provider_token.authorization()

    def renew_token(self) -> bool:
        """
        Apple says ExpiredProviderToken: let :meth:`authorization` give another one, for new
        connections.

        :returns: False when that would not help: with a certificate, or as the token is so young
            that the machine's clock has to be wrong.
        """
        return self.provider_token is not None and self.provider_token.renew()


def load_credentials(
    certificate_pem: bytes, key_pem: bytes, password: bytes | None = None
) -> PushCredentials:
    """
    Read the push certificate and its key.

    :param certificate_pem: the certificate, and its chain if there is one.
    :param key_pem: its private key; may be the same text.
    :param password: of an encrypted key.
    :raises ConfigurationError: one can't be read, they don't belong together, or the certificate is
        not for MDM.
    """
    key = _load_key(key_pem, password)
    try:
        certificates = x509.load_pem_x509_certificates(certificate_pem)
    except _UNREADABLE:
        raise ConfigurationError("the push certificate holds no certificate in PEM") from None
    return _credentials(certificates, key)


def load_pkcs12(data: bytes, password: bytes | None) -> PushCredentials:
    """
    Read certificate, key and chain from one PKCS #12 file (.p12), as Keychain Access exports it.

    :param password: of the file; None: it has none.
    :raises ConfigurationError: as :func:`load_credentials`.
    """
    try:
        content = pkcs12.load_pkcs12(data, password)
    except _UNREADABLE:
        raise ConfigurationError(
            "the PKCS #12 file can't be read: it is none, or its password is another one"
        ) from None
    if content.key is None or content.cert is None:
        raise ConfigurationError("the PKCS #12 file does not hold both a certificate and its key")
    chain = [one.certificate for one in content.additional_certs]
    return _credentials([content.cert.certificate, *chain], content.key)


def load_provider_token(
    pem: bytes, key_id: str, team_id: str, topic: str, clock: Callable[[], float]
) -> PushCredentials:
    """
    Read the key of provider tokens.

    :param pem: of Apple's .p8 file.
    :param topic: of the pushes, as no certificate says it.
    :param clock: gives epoch seconds.
    :raises ConfigurationError: the key can't be used, or an id or the topic is none.
    """
    key = load_token_key(pem, key_id, team_id)
    if not _TOPIC.fullmatch(topic):
        raise ConfigurationError("the topic of provider tokens is 1 to 255 ASCII characters")
    return PushCredentials((), b"", topic, None, ProviderToken(key, clock))


def _credentials(certificates: Sequence[x509.Certificate], key: PrivateKeyTypes) -> PushCredentials:
    try:
        leaf = certificates[0]
        fits = leaf.public_key() == key.public_key()
        topics = [str(uid.value) for uid in leaf.subject.get_attributes_for_oid(NameOID.USER_ID)]
    except _UNREADABLE:
        raise ConfigurationError("the push certificate can't be read") from None
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


def _load_key(pem: bytes, password: bytes | None) -> PrivateKeyTypes:
    encrypted = b"ENCRYPTED" in pem
    if encrypted and password is None:
        raise ConfigurationError("the push key is encrypted, and no password_file is given")
    try:
        # A password for a key that has none is refused by the library, and harms nobody.
        return serialization.load_pem_private_key(pem, password if encrypted else None)
    except _UNREADABLE:
        if encrypted:
            raise ConfigurationError("the password does not open the push key") from None
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
