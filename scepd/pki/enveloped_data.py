"""
EnvelopedData and AuthEnvelopedData: their structure (RFC 5652 section 6, RFC 5083).
"""

from __future__ import annotations

from dataclasses import dataclass

from scepd.errors import EncodingError, LimitExceeded, UnsupportedAlgorithm
from scepd.pki.ber import implicit_octets, to_der
from scepd.pki.decoding import reading
from scepd.pki.der_reader import (
    INTEGER,
    SEQUENCE,
    SET,
    DERReader,
    integer_of,
    octets_of,
    split,
)
from scepd.pki.identity import CertificateReference, read_reference
from scepd.pki.structures import (
    AUTH_ENVELOPED_DATA,
    ENVELOPED_DATA,
    read_algorithm,
    read_content_info,
)

MAX_RECIPIENTS = 8
_ORIGINATOR = 0xA0
_ENCRYPTED_CONTENT = 0x80
_UNPROTECTED_ATTRIBUTES = _AUTHENTICATED_ATTRIBUTES = 0xA1
_UNAUTHENTICATED_ATTRIBUTES = 0xA2
_PASSWORD_RECIPIENT = 0xA3
_KEY_TRANSPORT_RECIPIENT = SEQUENCE


@dataclass(frozen=True, slots=True)
class Recipient:
    """
    One KeyTransRecipientInfo.

    :param reference: names the recipient's certificate.
    :param algorithm: dotted.
    :param parameters: the DER of the algorithm's parameters; empty when absent.
    :param encrypted_key: its octets.
    """

    reference: CertificateReference
    algorithm: str
    parameters: bytes
    encrypted_key: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """
    An envelope that is still closed.

    :param recipients: those with key transport; others can't be for us.
    :param algorithm: of the content encryption, dotted.
    :param parameters: the DER of that algorithm's parameters; empty when absent.
    :param encrypted: the encrypted content; for AuthEnvelopedData with the tag behind it.
    :param authenticated: whether it is AuthEnvelopedData.
    :param associated: the DER of the authenticated attributes, if any.
    """

    recipients: tuple[Recipient, ...]
    algorithm: str
    parameters: bytes
    encrypted: bytes
    authenticated: bool
    associated: bytes | None


def parse_envelope(data: bytes) -> Envelope:
    """
    Read a ContentInfo that holds an EnvelopedData or AuthEnvelopedData, in DER or BER.

    :param data: the ContentInfo, and nothing behind it.
    :returns: its parts.
    :raises EncodingError: anything else.
    :raises LimitExceeded: more than 8 recipients, or too deep.
    :raises UnsupportedAlgorithm: a PasswordRecipientInfo.
    """
    der = to_der(data)
    with reading("the envelope"):
        content_type, content = read_content_info(der)
        if content_type not in (ENVELOPED_DATA, AUTH_ENVELOPED_DATA):
            raise EncodingError("the CMS message is not an envelope")
        enveloped = DERReader(content).enter(SEQUENCE)
        enveloped.skip(INTEGER)
        enveloped.skip_optional(_ORIGINATOR)
        recipients = _recipients(enveloped.enter(SET).remaining())
        algorithm, parameters, encrypted = _encrypted(enveloped.enter(SEQUENCE))
        mac, associated = b"", None
        authenticated = content_type == AUTH_ENVELOPED_DATA
        if authenticated:
            associated = _associated(enveloped)
            mac = enveloped.octets()
            enveloped.skip_optional(_UNAUTHENTICATED_ATTRIBUTES)
        else:
            enveloped.skip_optional(_UNPROTECTED_ATTRIBUTES)
        enveloped.finish()
        return Envelope(
            recipients, algorithm, parameters, encrypted + mac, authenticated, associated
        )


def _encrypted(content: DERReader) -> tuple[str, bytes, bytes]:
    """
    Read an EncryptedContentInfo: the algorithm, its parameters and the encrypted octets.
    """
    content.identifier()
    algorithm, parameters = read_algorithm(content.encoded())
    if not content.tag:
        raise EncodingError("the envelope has no content")
    encrypted = implicit_octets(content.encoded(), _ENCRYPTED_CONTENT)
    content.finish()
    return algorithm, parameters, encrypted


def _associated(enveloped: DERReader) -> bytes | None:
    if enveloped.tag != _AUTHENTICATED_ATTRIBUTES:
        return None
    return b"\x31" + enveloped.encoded()[1:]


def _recipients(infos: list[bytes]) -> tuple[Recipient, ...]:
    if len(infos) > MAX_RECIPIENTS:
        raise LimitExceeded("the envelope has too many recipients")
    # A password that opens the same envelope would stand beside the certificate's key.
    if any(info[0] == _PASSWORD_RECIPIENT for info in infos):
        raise UnsupportedAlgorithm("envelopes with a password recipient are not accepted")
    return tuple(_recipient(info) for info in infos if info[0] == _KEY_TRANSPORT_RECIPIENT)


def _recipient(encoded: bytes) -> Recipient:
    version, reference, algorithm, encrypted_key = split(encoded, SEQUENCE)
    integer_of(version)
    return Recipient(
        read_reference(reference), *read_algorithm(algorithm), octets_of(encrypted_key)
    )
