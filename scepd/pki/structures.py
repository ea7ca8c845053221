"""
The ASN.1 of CMS, X.509 and PKCS#10, as far as it is looked into; the rest is kept as it came.

asn1crypto's own classes also decode extensions, algorithm parameters and names. Less is decoded
here: what nobody reads can't be used against us, and stays byte for byte as it was signed.
"""

# The library has no types, and its declarations are class attributes that nobody changes.
# mypy: disable-error-code="misc"
# ruff: noqa: RUF012

from __future__ import annotations

from asn1crypto import core

DATA = "1.2.840.113549.1.7.1"
SIGNED_DATA = "1.2.840.113549.1.7.2"
ENVELOPED_DATA = "1.2.840.113549.1.7.3"
AUTH_ENVELOPED_DATA = "1.2.840.113549.1.9.16.1.23"


def raw(value: core.Asn1Value) -> bytes:
    """
    Return an element of a structure as it came, whatever its tag.

    The library's own ``dump`` first tries to understand an ``Any``, and fails for tags such as
    ``[0]``; so its parts are put together again here.

    :param value: a field or item of a structure; an absent field is empty.
    :returns: the element's octets.
    """
    if isinstance(value, core.Any):
        return bytes(value._header + value.contents + value._trailer)
    return bytes(value.dump())


class AlgorithmIdentifier(core.Sequence):
    """
    RFC 5280 section 4.1.1.2; the parameters may be absent, NULL or anything.
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


class AnySequence(core.SequenceOf):
    """
    A SEQUENCE of elements that are kept as they are.
    """

    _child_spec = core.Any


class Attribute(core.Sequence):
    """
    RFC 5652 section 5.3.
    """

    _fields = [("type", core.ObjectIdentifier), ("values", AnySet)]


class Attributes(core.SetOf):
    """
    The signedAttrs of a SignerInfo, or the attributes of a certification request.
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
    SignerIdentifier and RecipientIdentifier (RFC 5652 sections 5.3 and 6.2.1).
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
        ("unsigned_attrs", Attributes, {"implicit": 1, "optional": True}),
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
    RFC 5652 section 6.1; the encrypted content is ``[0]``, whole or in segments.
    """

    _fields = [
        ("content_type", core.ObjectIdentifier),
        ("content_encryption_algorithm", AlgorithmIdentifier),
        ("encrypted_content", core.Any, {"optional": True}),
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
    RFC 5652 section 3; the content is one of the three types above, or something unread.
    """

    _fields = [
        ("content_type", core.ObjectIdentifier),
        ("content", core.Any, {"explicit": 0, "optional": True}),
    ]
    _oid_pair = ("content_type", "content")
    _oid_specs = {
        SIGNED_DATA: SignedData,
        ENVELOPED_DATA: EnvelopedData,
        AUTH_ENVELOPED_DATA: AuthEnvelopedData,
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
    The extensions of a certificate or of a certification request.
    """

    _child_spec = Extension


class TBSCertificate(core.Sequence):
    """
    RFC 5280 section 4.1.
    """

    _fields = [
        ("version", core.Integer, {"explicit": 0, "default": 0}),
        ("serial_number", core.Integer),
        ("signature", core.Any),
        ("issuer", core.Any),
        ("validity", core.Any),
        ("subject", core.Any),
        ("subject_public_key_info", core.Any),
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
        ("signature_algorithm", core.Any),
        ("signature", core.Any),
    ]


class CertificationRequestInfo(core.Sequence):
    """
    RFC 2986 section 4.1.
    """

    _fields = [
        ("version", core.Integer),
        ("subject", core.Any),
        ("subject_public_key_info", core.Any),
        ("attributes", Attributes, {"implicit": 0, "optional": True}),
    ]


class CertificationRequest(core.Sequence):
    """
    RFC 2986 section 4.2.
    """

    _fields = [
        ("certification_request_info", CertificationRequestInfo),
        ("signature_algorithm", core.Any),
        ("signature", core.Any),
    ]
