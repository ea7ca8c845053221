"""
Where a device's keys come from: made when they are needed, or before.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

Keys: TypeAlias = Callable[[int], rsa.RSAPrivateKey]
"""
Gives an RSA key of so many bits.
"""


def fresh_key(bits: int) -> rsa.RSAPrivateKey:
    """
    Make a key that nobody had before.

    :param bits: of the key.
    :returns: the key.
    """
    return rsa.generate_private_key(65537, bits)


class KeyFolder:
    """
    Keys in files, one each: making one takes a hundred times as long as reading it.

    They are worth nothing: whoever simulates devices has them all.

    :param path: the folder; made with the first key.
    :param bits: of each key.
    """

    def __init__(self, path: Path, bits: int = 2048) -> None:
        self._path = path
        self._bits = bits

    def missing(self, count: int) -> list[int]:
        """
        Tell which of the first keys are not there yet.

        :param count: how many keys are wanted.
        :returns: the number of each missing one, from 0 on.
        """
        return [number for number in range(count) if not self._file(number).exists()]

    def make(self, number: int) -> None:
        """
        Make a key and keep it; one of the same number stays.

        :param number: of the key.
        """
        der = fresh_key(self._bits).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Another process may make the same one: each file appears whole, and only once.
        handle, name = tempfile.mkstemp(dir=self._path, prefix=".new-")
        with os.fdopen(handle, "wb") as file:
            file.write(der)
        try:
            os.link(name, self._file(number))
        except FileExistsError:
            pass
        finally:
            os.unlink(name)

    def read(self, number: int) -> rsa.RSAPrivateKey:
        """
        Read a key, and make it before, when there is none.

        :param number: of the key.
        :returns: the key.
        :raises ValueError: the file holds something else.
        """
        file = self._file(number)
        if not file.exists():
            self.make(number)
        # What was written here is not checked again: that would take as long as a signature.
        key = load_der_private_key(file.read_bytes(), None, unsafe_skip_rsa_key_validation=True)
        if not isinstance(key, rsa.RSAPrivateKey) or key.key_size != self._bits:
            raise ValueError(f"{file}: not an RSA key of {self._bits} bits; delete it")
        return key

    def _file(self, number: int) -> Path:
        return self._path / f"rsa{self._bits}-{number:05d}.der"


class KeySupply:
    """
    The keys of one device: the kept one for its identity and for its first profile, fresh ones
    then, as a device makes a new key for each try.

    :param folder: where the kept one is.
    :param number: of the device.
    :param uses: how often the kept one is given.
    """

    def __init__(self, folder: KeyFolder, number: int, uses: int = 2) -> None:
        self._folder = folder
        self._number = number
        self._left = uses

    def __call__(self, bits: int) -> rsa.RSAPrivateKey:
        """
        Give a key.

        :param bits: of the key.
        :returns: the kept one, while it may be used and has that size; else a fresh one.
        """
        if self._left > 0:
            kept = self._folder.read(self._number)
            if kept.key_size == bits:
                self._left -= 1
                return kept
        return fresh_key(bits)
