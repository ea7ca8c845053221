"""
What asn1crypto reads in the same bytes: a second opinion on the reader of our own.

Its classes are looser than they seem: they decode only what is asked for, and accept more fields
than there are. ``_whole`` asks for everything and accepts no more.
"""

# The library has no types, and its declarations are class attributes that nobody changes.
# mypy: disable-error-code="misc"
# ruff: noqa: RUF012

from __future__ import annotations

from asn1crypto import core, parser

_UNIVERSAL_CONSTRUCTED = (0x28, 0x2B, 0x30, 0x31)
_SUBJECT_KEY_IDENTIFIER = "2.5.29.14"


def is_plain_der(data: bytes, *, max_depth: int = 32) -> bool:
    """
    Tell whether the header of each element is the one that asn1crypto would write; short tags only.
    """
    try:
        return _plain(data, max_depth)
    except ValueError:
        return False


def signed_data(der: bytes) -> object:
    """
    Return the parts of a SignedData that ``parse_signed_data`` returns, as tuples.
    """
    signed = _content(der, SignedData)
    encapsulated = _whole(signed["encap_content_info"])
    return (
        _oid(encapsulated["content_type"]),
        encapsulated["content"].native,
        tuple(raw(each) for each in _items(signed["certificates"]) if raw(each)[0] == 0x30),
        tuple(_signer(info) for info in signed["signer_infos"]),
    )


def envelope(der: bytes) -> object:
    """
    Return the parts of an EnvelopedData or AuthEnvelopedData, as tuples.
    """
    enveloped = _content(der, EnvelopedData, AuthEnvelopedData)
    content = _whole(enveloped["encrypted_content_info"])
    _oid(content["content_type"])
    mac, associated = b"", None
    if isinstance(enveloped, AuthEnvelopedData):
        mac, found = enveloped["mac"].native, enveloped["auth_attrs"]
        associated = b"\x31" + raw(found)[1:] if raw(found) else None
    infos = [raw(info) for info in enveloped["recipient_infos"]]
    return (
        tuple(_recipient(info) for info in infos if info[0] == 0x30),
        *_algorithm(content["content_encryption_algorithm"]),
        content["encrypted_content"].native + mac,
        isinstance(enveloped, AuthEnvelopedData),
        associated,
    )


def identity(der: bytes) -> tuple[bytes, bytes, int, bytes, bytes, bytes | None]:
    """
    Return the parts of a certificate that ``identify`` returns, as a tuple.
    """
    certificate = _whole(_whole(Certificate.load(der, strict=True))["tbs_certificate"])
    return (
        der,
        raw(certificate["issuer"]),
        _integer(certificate["serial_number"]),
        raw(certificate["subject"]),
        raw(certificate["subject_public_key_info"]),
        _key_identifier(certificate["extensions"]),
    )


def raw(value: core.Asn1Value) -> bytes:
    """
    Return an element as it came, which ``dump`` does not always do; an absent field is empty.
    """
    if isinstance(value, core.Void):
        return b""
    contents = value._contents if hasattr(value, "_contents") else value.contents
    return bytes(value._header + contents + value._trailer)


def _plain(data: bytes, depth: int) -> bool:
    class_, constructed, tag, _, contents, trailer = parser.parse(data, strict=True)
    first = data[0]
    if tag >= 31:
        return False
    if depth == 0 or trailer or parser.emit(class_, constructed, tag, contents) != data:
        return False
    if class_ == 0 and constructed and first not in _UNIVERSAL_CONSTRUCTED:
        return False
    if first == 0x00 or (first == 0x06 and len(contents) > 64):
        return False
    if not constructed:
        return True
    while contents:
        size = parser.peek(contents)
        if not _plain(contents[:size], depth - 1):
            return False
        contents = contents[size:]
    return True


def _whole(parsed: core.Asn1Value) -> core.Asn1Value:
    for name, *_ in parsed._fields:
        value = parsed[name]
        if value.explicit and len(value._header + value.contents) != _explicit_length(value):
            raise ValueError("more than one element in an explicit tag")
    if len(parsed.children) != len(parsed._fields):
        raise ValueError("more fields than there are")
    return parsed


def _explicit_length(value: core.Asn1Value) -> int:
    _, _, _, header, _, _ = parser.parse(value._header + value.contents, strict=False)
    return len(header) + int(parser.peek(value._header[len(header) :] + value.contents))


def _content(der: bytes, *specs: type[core.Sequence]) -> core.Asn1Value:
    info = _whole(ContentInfo.load(der, strict=True))
    _oid(info["content_type"])
    if not isinstance(info["content"], specs):
        raise ValueError("content of another type")
    return _whole(info["content"])


def _items(found: core.Asn1Value) -> list[core.Asn1Value]:
    return [] if isinstance(found, core.Void) else list(found)


def _oid(value: core.ObjectIdentifier) -> str:
    if core.ObjectIdentifier(value.dotted).contents != value.contents:
        raise ValueError("an object identifier that is written otherwise")
    return str(value.dotted)


def _integer(value: core.Integer) -> int:
    if not value.contents:
        raise ValueError("an empty INTEGER")
    return int(value.native)


def _algorithm(algorithm: core.Asn1Value) -> tuple[str, bytes]:
    _whole(algorithm)
    return _oid(algorithm["algorithm"]), raw(algorithm["parameters"])


def _reference(chosen: core.Asn1Value) -> object:
    if isinstance(chosen, core.OctetString):
        return None, None, chosen.native
    _whole(chosen)
    return raw(chosen["issuer"]), _integer(chosen["serial_number"]), None


def _signer(info: core.Asn1Value) -> object:
    _whole(info)
    found = info["signed_attrs"]
    return (
        _reference(info["sid"].chosen),
        _algorithm(info["digest_algorithm"])[0],
        _algorithm(info["signature_algorithm"])[0],
        b"\x31" + raw(found)[1:] if raw(found) else None,
        tuple(
            (_oid(_whole(each)["type"]), tuple(raw(value) for value in each["values"]))
            for each in _items(found)
        ),
        info["signature"].native,
    )


def _recipient(encoded: bytes) -> object:
    info = _whole(KeyTransRecipientInfo.load(encoded, strict=True))
    return (
        _reference(info["rid"].chosen),
        *_algorithm(info["key_encryption_algorithm"]),
        info["encrypted_key"].native,
    )


def _key_identifier(extensions: core.Asn1Value) -> bytes | None:
    if isinstance(extensions, core.Void):
        return None
    # One by one: what is behind the one that is looked for stays unread.
    for extension in extensions:
        if extension["extn_id"].dotted == _SUBJECT_KEY_IDENTIFIER:
            value = _whole(extension)["extn_value"].native
            return bytes(core.OctetString.load(value, strict=True).native)
    return None


class AlgorithmIdentifier(core.Sequence):
    """
    RFC 5280 section 4.1.1.2.
    """

    _fields = [
        ("algorithm", core.ObjectIdentifier),
        ("parameters", core.Any, {"optional": True}),
    ]


class AlgorithmIdentifiers(core.SetOf):
    """
    The digestAlgorithms of a SignedData.
    """

    _child_spec = AlgorithmIdentifier


class AnySet(core.SetOf):
    """
    A SET of elements that are kept as they are.
    """

    _child_spec = core.Any


class Attribute(core.Sequence):
    """
    RFC 5652 section 5.3.
    """

    _fields = [("type", core.ObjectIdentifier), ("values", AnySet)]


class Attributes(core.SetOf):
    """
    The signedAttrs of a SignerInfo.
    """

    _child_spec = Attribute


class EncapsulatedContentInfo(core.Sequence):
    """
    RFC 5652 section 5.2.
    """

    _fields = [
        ("content_type", core.ObjectIdentifier),
        ("content", core.OctetString, {"explicit": 0, "optional": True}),
    ]


class IssuerAndSerialNumber(core.Sequence):
    """
    RFC 5652 section 10.2.4.
    """

    _fields = [("issuer", core.Any), ("serial_number", core.Integer)]


class CertificateIdentifier(core.Choice):
    """
    RFC 5652 sections 5.3 and 6.2.1.
    """

    _alternatives = [
        ("issuer_and_serial_number", IssuerAndSerialNumber),
        ("subject_key_identifier", core.OctetString, {"implicit": 0}),
    ]


class SignerInfo(core.Sequence):
    """
    RFC 5652 section 5.3.
    """

    _fields = [
        ("version", core.Integer),
        ("sid", CertificateIdentifier),
        ("digest_algorithm", AlgorithmIdentifier),
        ("signed_attrs", Attributes, {"implicit": 0, "optional": True}),
        ("signature_algorithm", AlgorithmIdentifier),
        ("signature", core.OctetString),
        ("unsigned_attrs", AnySet, {"implicit": 1, "optional": True}),
    ]


class SignerInfos(core.SetOf):
    """
    The signerInfos of a SignedData.
    """

    _child_spec = SignerInfo


class SignedData(core.Sequence):
    """
    RFC 5652 section 5.1.
    """

    _fields = [
        ("version", core.Integer),
        ("digest_algorithms", AlgorithmIdentifiers),
        ("encap_content_info", EncapsulatedContentInfo),
        ("certificates", AnySet, {"implicit": 0, "optional": True}),
        ("crls", AnySet, {"implicit": 1, "optional": True}),
        ("signer_infos", SignerInfos),
    ]


class KeyTransRecipientInfo(core.Sequence):
    """
    RFC 5652 section 6.2.1.
    """

    _fields = [
        ("version", core.Integer),
        ("rid", CertificateIdentifier),
        ("key_encryption_algorithm", AlgorithmIdentifier),
        ("encrypted_key", core.OctetString),
    ]


class EncryptedContentInfo(core.Sequence):
    """
    RFC 5652 section 6.1; the encrypted content is whole, as in the tests' messages.
    """

    _fields = [
        ("content_type", core.ObjectIdentifier),
        ("content_encryption_algorithm", AlgorithmIdentifier),
        ("encrypted_content", core.OctetString, {"implicit": 0}),
    ]


class EnvelopedData(core.Sequence):
    """
    RFC 5652 section 6.1.
    """

    _fields = [
        ("version", core.Integer),
        ("originator_info", core.Sequence, {"implicit": 0, "optional": True}),
        ("recipient_infos", AnySet),
        ("encrypted_content_info", EncryptedContentInfo),
        ("unprotected_attrs", AnySet, {"implicit": 1, "optional": True}),
    ]


class AuthEnvelopedData(core.Sequence):
    """
    RFC 5083 section 2.1.
    """

    _fields = [
        ("version", core.Integer),
        ("originator_info", core.Sequence, {"implicit": 0, "optional": True}),
        ("recipient_infos", AnySet),
        ("encrypted_content_info", EncryptedContentInfo),
        ("auth_attrs", AnySet, {"implicit": 1, "optional": True}),
        ("mac", core.OctetString),
        ("unauth_attrs", AnySet, {"implicit": 2, "optional": True}),
    ]


class ContentInfo(core.Sequence):
    """
    RFC 5652 section 3.
    """

    _fields = [
        ("content_type", core.ObjectIdentifier),
        ("content", core.Any, {"explicit": 0, "optional": True}),
    ]
    _oid_pair = ("content_type", "content")
    _oid_specs = {
        "1.2.840.113549.1.7.2": SignedData,
        "1.2.840.113549.1.7.3": EnvelopedData,
        "1.2.840.113549.1.9.16.1.23": AuthEnvelopedData,
    }


class Extension(core.Sequence):
    """
    RFC 5280 section 4.1.
    """

    _fields = [
        ("extn_id", core.ObjectIdentifier),
        ("critical", core.Boolean, {"default": False}),
        ("extn_value", core.OctetString),
    ]


class Extensions(core.SequenceOf):
    """
    The extensions of a certificate.
    """

    _child_spec = Extension


class TBSCertificate(core.Sequence):
    """
    RFC 5280 section 4.1.
    """

    _fields = [
        # Whatever is in it: nobody asks.
        ("version", core.Sequence, {"implicit": 0, "optional": True}),
        ("serial_number", core.Integer),
        ("signature", core.Sequence),
        ("issuer", core.Sequence),
        ("validity", core.Sequence),
        ("subject", core.Sequence),
        ("subject_public_key_info", core.Sequence),
        ("issuer_unique_id", core.BitString, {"implicit": 1, "optional": True}),
        ("subject_unique_id", core.BitString, {"implicit": 2, "optional": True}),
        ("extensions", Extensions, {"explicit": 3, "optional": True}),
    ]


class Certificate(core.Sequence):
    """
    RFC 5280 section 4.1.
    """

    _fields = [
        ("tbs_certificate", TBSCertificate),
        ("signature_algorithm", core.Sequence),
        ("signature", core.BitString),
    ]
