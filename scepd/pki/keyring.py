"""
Encryption at rest: AES-256-GCM under the keys of a keyring file.

A keyring file holds ``id:base64(32 bytes)`` a line; the first key encrypts, all of them decrypt.
The additional data binds each secret to its place: ``table|column|row key|key id``, so that a value
moved to another row does not open.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from scepd.errors import KeyringError, SecretUnreadable

_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NONCE_BYTES = 12
_KEY_BYTES = 32

RandomBytes = Callable[[int], bytes]
"""
A source of that many random bytes: ``os.urandom`` in the daemon, a fixed one in tests.
"""


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """
    An encrypted value as it is stored.

    :param key_id: the key of the keyring that it was sealed with.
    :param data: 12 bytes of nonce, the ciphertext, 16 bytes of tag.
    """

    key_id: str
    data: bytes


@dataclass(frozen=True, slots=True)
class SecretPlace:
    """
    Where a secret is stored; a sealed secret opens only at its own place.
    """

    table: str
    column: str
    row: str

    def additional_data(self, key_id: str) -> bytes:
        """
        The additional data of AES-GCM for a secret at this place under the key ``key_id``.
        """
        return "|".join((self.table, self.column, self.row, key_id)).encode()


@dataclass(frozen=True, slots=True)
class Keyring:
    """
    The keys that open stored secrets, the first of which seals new ones.

    :param keys: key id → 32 bytes, in the file's order.
    """

    keys: Mapping[str, bytes] = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Keyring:
        """
        Read a keyring file's text; blank lines and lines that begin with ``#`` are passed over.

        :raises KeyringError: a line has another form, an id is doubled, or there is no key at all;
            the text names the line's number and never its content.
        """
        keys: dict[str, bytes] = {}
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            key_id, key = _parse_line(number, line.strip())
            if key_id in keys:
                raise KeyringError(f"line {number}: the key id {key_id!r} stands there twice")
            keys[key_id] = key
        if not keys:
            raise KeyringError("it holds no key; a line is `id:base64(32 bytes)`")
        return cls(keys)

    def seal(self, plaintext: bytes, place: SecretPlace, random: RandomBytes) -> SealedSecret:
        """
        Encrypt ``plaintext`` for ``place`` with the first key.
        """
        key_id, key = next(iter(self.keys.items()))
        nonce = random(_NONCE_BYTES)
        sealed = AESGCM(key).encrypt(nonce, plaintext, place.additional_data(key_id))
        return SealedSecret(key_id, nonce + sealed)

    def open(self, secret: SealedSecret, place: SecretPlace) -> bytes:
        """
        Decrypt ``secret``, which was stored at ``place``.

        :raises SecretUnreadable: its key is not in the keyring, or the bytes were altered or moved;
            the text names table, row and key id.
        """
        key = self.keys.get(secret.key_id)
        where = f"{place.table}.{place.column} of {place.row!r}"
        if key is None:
            raise SecretUnreadable(f"{where}: the keyring has no key {secret.key_id!r}")
        nonce, sealed = secret.data[:_NONCE_BYTES], secret.data[_NONCE_BYTES:]
        try:
            return AESGCM(key).decrypt(nonce, sealed, place.additional_data(secret.key_id))
        except (InvalidTag, ValueError):
            raise SecretUnreadable(
                f"{where}: does not open with the key {secret.key_id!r}; "
                "it was altered, or sealed for another row"
            ) from None


def new_keyring_line(key_id: str, random: RandomBytes) -> str:
    """
    A keyring file's line with a fresh key.
    """
    return f"{key_id}:{base64.b64encode(random(_KEY_BYTES)).decode()}"


def _parse_line(number: int, line: str) -> tuple[str, bytes]:
    key_id, colon, encoded = line.partition(":")
    # What stands before the colon is not shown: it may be the key, with the two swapped.
    if not colon or not _KEY_ID.fullmatch(key_id):
        raise KeyringError(f"line {number}: a key id is 1 to 64 of A-Z a-z 0-9 _ -, then a colon")
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise KeyringError(f"line {number}: the key is not base64") from None
    if len(key) != _KEY_BYTES:
        raise KeyringError(f"line {number}: the key has {len(key)} bytes; 32 are needed")
    return key_id, key
