"""
The extensions that a request to the embedded certificate authority may ask for.

None of them but the alternative names gets into a certificate by being asked for.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from scepd.errors import EncodingError

# RFC 5280 sections 4.2.1.5, 10, 11 and 14: only certificates of authorities have them.
_OF_AUTHORITIES = {
    ExtensionOID.POLICY_MAPPINGS,
    ExtensionOID.NAME_CONSTRAINTS,
    ExtensionOID.POLICY_CONSTRAINTS,
    ExtensionOID.INHIBIT_ANY_POLICY,
}
_ISSUED = {
    ExtensionOID.BASIC_CONSTRAINTS,
    ExtensionOID.KEY_USAGE,
    ExtensionOID.EXTENDED_KEY_USAGE,
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    ExtensionOID.SUBJECT_KEY_IDENTIFIER,
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
}


def check_extensions(extensions: x509.Extensions) -> None:
    """
    Check that a request asks for no power that is not given; call it inside ``reading``.

    Of alternative names only the criticality is looked at.

    :param extensions: of the request.
    :raises EncodingError: it asks to be an authority, for more than clientAuth, not to be checked
        for revocation, or for a critical extension that is not issued.
    """
    # Left out silently, they would be missed only when the certificate is used. Usages of the key
    # that are not given are: clients ask for more of them than they use.
    for extension in extensions:
        match extension.value:
            case x509.BasicConstraints(ca=True):
                raise EncodingError("the request asks for a certificate authority's")
            case x509.KeyUsage(key_cert_sign=True) | x509.KeyUsage(crl_sign=True):
                raise EncodingError("the request asks for a certificate authority's")
            case x509.ExtendedKeyUsage() as usages:
                if set(usages) - {ExtendedKeyUsageOID.CLIENT_AUTH}:
                    raise EncodingError("the request asks for more than clientAuth")
            case x509.OCSPNoCheck():
                raise EncodingError("the request asks not to be checked for revocation")
        _check_type(extension.oid, critical=extension.critical)


def _check_type(oid: x509.ObjectIdentifier, *, critical: bool) -> None:
    if oid in _OF_AUTHORITIES:
        raise EncodingError("the request asks for a certificate authority's")
    if critical and oid not in _ISSUED:
        raise EncodingError(
            "the request marks an extension as critical that is not issued; basicConstraints,"
            " keyUsage, extendedKeyUsage, subjectAltName and key identifiers may be"
        )
