"""
The content ciphers that envelopes may use.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher as BlockCipher
from cryptography.hazmat.primitives.ciphers import algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.padding import PKCS7

from scepd.errors import DecryptionFailed, UnsupportedAlgorithm

UNOPENED = "the envelope could not be opened"
"""
All that a sender is told of an envelope that is broken anywhere.
"""


@dataclass(frozen=True, slots=True)
class Cipher:
    """
    One content cipher.

    :param name: as OpenSSL calls it, in lower case.
    :param oid: dotted.
    :param key_size: octets.
    :param block_size: octets of a block, and of the initialization vector.
    :param authenticated: Galois/Counter mode instead of cipher block chaining.
    """

    name: str
    oid: str
    key_size: int
    block_size: int = 16
    authenticated: bool = False


SINGLE_DES = Cipher("des-cbc", "1.3.14.3.2.7", 8, 8)
TRIPLE_DES = Cipher("des-ede3-cbc", "1.2.840.113549.3.7", 24, 8)
AES_128 = Cipher("aes-128-cbc", "2.16.840.1.101.3.4.1.2", 16)
AES_192 = Cipher("aes-192-cbc", "2.16.840.1.101.3.4.1.22", 24)
AES_256 = Cipher("aes-256-cbc", "2.16.840.1.101.3.4.1.42", 32)
_CIPHERS = (
    SINGLE_DES,
    TRIPLE_DES,
    AES_128,
    AES_192,
    AES_256,
    Cipher("aes-128-gcm", "2.16.840.1.101.3.4.1.6", 16, 16, True),
    Cipher("aes-192-gcm", "2.16.840.1.101.3.4.1.26", 24, 16, True),
    Cipher("aes-256-gcm", "2.16.840.1.101.3.4.1.46", 32, 16, True),
)
_BY_OID = {cipher.oid: cipher for cipher in _CIPHERS}
_BY_NAME = {cipher.name: cipher for cipher in _CIPHERS}


def cipher_by_oid(oid: str, *, allow_des: bool, allow_3des: bool) -> Cipher:
    """
    Return the cipher of an envelope.

    :param oid: dotted.
    :param allow_des: whether single DES will do.
    :param allow_3des: whether triple DES will do.
    :returns: the cipher.
    :raises UnsupportedAlgorithm: an unknown one, or one that is not allowed.
    """
    return _allowed(_BY_OID.get(oid), allow_des=allow_des, allow_3des=allow_3des)


def cipher_by_name(name: str, *, allow_des: bool = False) -> Cipher:
    """
    Return the cipher for an envelope that is to be made: a CBC one, as every client reads these.

    :param name: such as ``aes-128-cbc``.
    :param allow_des: whether single DES will do.
    :returns: the cipher.
    :raises UnsupportedAlgorithm: an unknown or authenticated one, or DES where it is not allowed.
    """
    cipher = _allowed(_BY_NAME.get(name), allow_des=allow_des, allow_3des=True)
    if cipher.authenticated:
        raise UnsupportedAlgorithm("envelopes are made with CBC ciphers only")
    return cipher


def reply_cipher(request_cipher: str) -> str:
    """
    Choose the cipher of an answer: AES-128-CBC, or AES with the request's key size if larger.

    :param request_cipher: the name of the cipher that the request used.
    :returns: the name of a CBC cipher.
    """
    for size in ("256", "192"):
        if request_cipher.startswith(f"aes-{size}-"):
            return f"aes-{size}-cbc"
    return AES_128.name


def encrypt_cbc(cipher: Cipher, key: bytes, vector: bytes, plain: bytes) -> bytes:
    """
    Pad as RFC 5652 section 6.3 says, and encrypt.

    :param cipher: a CBC cipher.
    :param key: ``cipher.key_size`` octets.
    :param vector: ``cipher.block_size`` octets.
    :param plain: any octets.
    :returns: whole blocks.
    """
    missing = cipher.block_size - len(plain) % cipher.block_size
    encryptor = _block_cipher(cipher, key, vector).encryptor()
    return encryptor.update(plain + bytes([missing]) * missing) + encryptor.finalize()


def decrypt_cbc(cipher: Cipher, key: bytes, vector: bytes, data: bytes) -> bytes:
    """
    Decrypt, and take the padding off.

    :param cipher: a CBC cipher.
    :param key: ``cipher.key_size`` octets.
    :param vector: ``cipher.block_size`` octets.
    :param data: whole blocks, at least one.
    :returns: the plain octets.
    :raises DecryptionFailed: anything is wrong; it does not say what.
    """
    unpadder = PKCS7(cipher.block_size * 8).unpadder()
    try:
        decryptor = _block_cipher(cipher, key, vector).decryptor()
        padded = decryptor.update(data) + decryptor.finalize()
        return unpadder.update(padded) + unpadder.finalize()
    except ValueError:
        raise DecryptionFailed(UNOPENED) from None


def decrypt_gcm(key: bytes, nonce: bytes, data: bytes, associated: bytes | None) -> bytes:
    """
    Decrypt and authenticate.

    :param key: 16, 24 or 32 octets.
    :param nonce: 8 to 128 octets.
    :param data: the ciphertext with its 16 octets of tag behind it.
    :param associated: what was authenticated along with it.
    :returns: the plain octets.
    :raises DecryptionFailed: anything is wrong; it does not say what.
    """
    try:
        return AESGCM(key).decrypt(nonce, data, associated)
    except (InvalidTag, ValueError):
        raise DecryptionFailed(UNOPENED) from None


def _allowed(cipher: Cipher | None, *, allow_des: bool, allow_3des: bool) -> Cipher:
    if cipher is None:
        raise UnsupportedAlgorithm("the content encryption algorithm is not accepted")
    if cipher is SINGLE_DES and not allow_des:
        raise UnsupportedAlgorithm("single DES is not accepted")
    if cipher is TRIPLE_DES and not allow_3des:
        raise UnsupportedAlgorithm("triple DES is not accepted")
    return cipher


def _block_cipher(cipher: Cipher, key: bytes, vector: bytes) -> BlockCipher[modes.CBC]:
    if cipher is SINGLE_DES:
        # Three times the same key makes triple DES single; the library has no other.
        return BlockCipher(TripleDES(key * 3), modes.CBC(vector))
    if cipher is TRIPLE_DES:
        return BlockCipher(TripleDES(key), modes.CBC(vector))
    return BlockCipher(algorithms.AES(key), modes.CBC(vector))
