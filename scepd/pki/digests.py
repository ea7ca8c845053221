"""
The digests that are accepted, and the RSA signature algorithms that go with them.
"""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives import hashes

from scepd.errors import SignatureInvalid, UnsupportedAlgorithm

DIGEST_OIDS = {
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
_OIDS = {name: oid for oid, name in DIGEST_OIDS.items()}
RSA_ENCRYPTION = "1.2.840.113549.1.1.1"
_RSA_SIGNATURE_OIDS = {
    "1.2.840.113549.1.1.5": "sha1",
    "1.2.840.113549.1.1.11": "sha256",
    "1.2.840.113549.1.1.12": "sha384",
    "1.2.840.113549.1.1.13": "sha512",
}
_ALGORITHMS: dict[str, hashes.HashAlgorithm] = {
    "sha1": hashes.SHA1(),
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
_HASHES = {
    "sha1": hashlib.sha1,
    "sha256": hashlib.sha256,
    "sha384": hashlib.sha384,
    "sha512": hashlib.sha512,
}


def digest_for(oid: str, *, allow_sha1: bool) -> str:
    """
    Name the digest of an algorithm identifier.

    :param oid: dotted.
    :param allow_sha1: whether SHA-1 will do.
    :returns: ``sha1``, ``sha256``, ``sha384`` or ``sha512``.
    :raises UnsupportedAlgorithm: MD5, anything else, or SHA-1 where it is not allowed.
    """
    name = DIGEST_OIDS.get(oid)
    if name is None:
        raise UnsupportedAlgorithm("the digest algorithm is not accepted")
    return checked_digest(name, allow_sha1=allow_sha1)


def checked_digest(name: str, *, allow_sha1: bool) -> str:
    """
    Return the name of a digest that is accepted.

    :param name: in lower case, without a hyphen.
    :param allow_sha1: whether SHA-1 will do.
    :returns: the same name.
    :raises UnsupportedAlgorithm: any other digest.
    """
    if name not in _ALGORITHMS:
        raise UnsupportedAlgorithm("the digest algorithm is not accepted")
    if name == "sha1" and not allow_sha1:
        raise UnsupportedAlgorithm("SHA-1 is not accepted")
    return name


def check_signature_algorithm(oid: str, digest: str) -> None:
    """
    Check that a SignerInfo's signature algorithm is RSA and fits its digest.

    :param oid: dotted; plain ``rsaEncryption`` leaves the digest to its own field.
    :param digest: a name that ``digest_for`` gave.
    :raises UnsupportedAlgorithm: not RSA with PKCS #1 v1.5 padding.
    :raises SignatureInvalid: an RSA algorithm made for another digest.
    """
    if oid == RSA_ENCRYPTION:
        return
    if oid not in _RSA_SIGNATURE_OIDS:
        raise UnsupportedAlgorithm("the signature algorithm is not accepted")
    if _RSA_SIGNATURE_OIDS[oid] != digest:
        raise SignatureInvalid("the signature algorithm and the digest do not fit together")


def signature_digest(oid: str) -> str:
    """
    Name the digest of an RSA PKCS #1 v1.5 signature algorithm, as certificates and requests use.

    :param oid: dotted.
    :returns: ``sha1``, ``sha256``, ``sha384`` or ``sha512``.
    :raises UnsupportedAlgorithm: MD5, or another algorithm.
    """
    if oid not in _RSA_SIGNATURE_OIDS:
        raise UnsupportedAlgorithm("the signature algorithm is not accepted")
    return _RSA_SIGNATURE_OIDS[oid]


def hash_algorithm(digest: str) -> hashes.HashAlgorithm:
    """
    Return a digest as ``cryptography`` wants it.

    :param digest: an accepted name.
    :returns: the hash algorithm.
    :raises UnsupportedAlgorithm: another name.
    """
    checked_digest(digest, allow_sha1=True)
    return _ALGORITHMS[digest]


def digest_of(digest: str, data: bytes) -> bytes:
    """
    Compute a digest.

    :param digest: an accepted name.
    :param data: any octets.
    :returns: the digest's octets.
    """
    return _HASHES[digest](data).digest()


def digest_oid(digest: str) -> str:
    """
    Return the dotted object identifier of an accepted digest.

    :param digest: an accepted name.
    :returns: the object identifier.
    :raises UnsupportedAlgorithm: another name.
    """
    checked_digest(digest, allow_sha1=True)
    return _OIDS[digest]
