"""
EnvelopedData and AuthEnvelopedData: their structure (RFC 5652 section 6, RFC 5083).
"""

from __future__ import annotations

from dataclasses import dataclass

from asn1crypto import core

from scepd.errors import EncodingError, LimitExceeded, UnsupportedAlgorithm
from scepd.pki import structures
from scepd.pki.ber import implicit_octets, to_der
from scepd.pki.decoding import reading
from scepd.pki.identity import CertificateReference, reference_of
from scepd.pki.structures import raw

MAX_RECIPIENTS = 8
_PASSWORD_RECIPIENT = 0xA3
_KEY_TRANSPORT_RECIPIENT = 0x30


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
    :param associated: the DER of the authenticated attributes, if any.
    """

    recipients: tuple[Recipient, ...]
    algorithm: str
    parameters: bytes
    encrypted: bytes
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
        content = structures.ContentInfo.load(der, strict=True)["content"]
        if isinstance(content, structures.EnvelopedData):
            return _envelope(content, b"", None)
        if isinstance(content, structures.AuthEnvelopedData):
            return _envelope(content, content["mac"].native, _associated(content["auth_attrs"]))
        raise EncodingError("the CMS message is not an envelope")


def _envelope(parsed: core.Asn1Value, mac: bytes, associated: bytes | None) -> Envelope:
    content = parsed["encrypted_content_info"]
    algorithm = content["content_encryption_algorithm"]
    encrypted = content["encrypted_content"]
    if isinstance(encrypted, core.Void):
        raise EncodingError("the envelope has no content")
    return Envelope(
        _recipients(parsed["recipient_infos"]),
        algorithm["algorithm"].native,
        raw(algorithm["parameters"]),
        implicit_octets(raw(encrypted), 0x80) + mac,
        associated,
    )


def _associated(attributes: core.Asn1Value) -> bytes | None:
    if isinstance(attributes, core.Void):
        return None
    return b"\x31" + raw(attributes)[1:]


def _recipients(infos: core.Asn1Value) -> tuple[Recipient, ...]:
    if len(infos) > MAX_RECIPIENTS:
        raise LimitExceeded("the envelope has too many recipients")
    encoded = [raw(info) for info in infos]
    # A password that opens the same envelope would stand beside the certificate's key.
    if any(element[0] == _PASSWORD_RECIPIENT for element in encoded):
        raise UnsupportedAlgorithm("envelopes with a password recipient are not accepted")
    return tuple(_recipient(each) for each in encoded if each[0] == _KEY_TRANSPORT_RECIPIENT)


def _recipient(encoded: bytes) -> Recipient:
    info = structures.KeyTransRecipientInfo.load(encoded, strict=True)
    algorithm = info["key_encryption_algorithm"]
    return Recipient(
        reference_of(info["rid"].chosen),
        algorithm["algorithm"].native,
        raw(algorithm["parameters"]),
        info["encrypted_key"].native,
    )
