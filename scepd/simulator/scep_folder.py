"""
The folder where the SCEP program keeps keys and certificates, in PEM.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from scepd.errors import MessageError
from scepd.pki.certificates import parse_ca_certificates
from scepd.pki.decoding import reading
from scepd.pki.pem import encode_pem
from scepd.scep.requesting import transaction_id_for
from scepd.simulator.failures import DeviceError
from scepd.simulator.identity import Identity
from scepd.simulator.scep_failures import PendingRequest

_LARGEST_FILE = 1024 * 1024
_PENDING = ("pending-key.pem", "pending-signer-key.pem", "pending-signer.pem")


class SCEPFolder:
    """
    ``key.pem``, ``certificate.pem``, ``ca.pem``, and what belongs to a request that is pending.

    :param path: of the folder; made when something is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    # -- identities --------------------------------------------------------------------------------

    def read_identity(self) -> Identity:
        """
        Read ``key.pem`` and ``certificate.pem``.

        :returns: the identity.
        :raises DeviceError: a file is missing or can't be read.
        """
        return Identity(self._key("key.pem"), self.read_certificates("certificate.pem")[0])

    def write_identity(self, identity: Identity) -> None:
        """
        Write ``key.pem`` and ``certificate.pem``, and forget a pending request.

        :param identity: replaces the one that was there.
        :raises DeviceError: a file can't be written.
        """
        self._write_key("key.pem", identity.key)
        self.write_pem("certificate.pem", "CERTIFICATE", [identity.certificate])
        for name in _PENDING:
            with contextlib.suppress(FileNotFoundError):
                (self.path / name).unlink()

    # -- pending requests --------------------------------------------------------------------------

    def read_pending(self) -> PendingRequest:
        """
        Read the request that is pending.

        :returns: the request.
        :raises DeviceError: there is none, or it can't be read.
        """
        key_file, signer_key_file, signer_file = _PENDING
        if not (self.path / key_file).exists():
            raise DeviceError(f"there is no pending request in {self.path}")
        key = self._key(key_file)
        signer = Identity(self._key(signer_key_file), self.read_certificates(signer_file)[0])
        with self._reading(signer_file):
            # Enrollment and renewal alike: the signer bears the name that is asked for.
            subject = signer.summary.subject
        return PendingRequest(key, signer, subject, transaction_id_for(key))

    def write_pending(self, request: PendingRequest) -> None:
        """
        Keep a request that is pending.

        :param request: replaces one that was there.
        :raises DeviceError: a file can't be written.
        """
        key_file, signer_key_file, signer_file = _PENDING
        self._write_key(signer_key_file, request.signer.key)
        self.write_pem(signer_file, "CERTIFICATE", [request.signer.certificate])
        self._write_key(key_file, request.key)

    # -- files -------------------------------------------------------------------------------------

    def read_certificates(self, name: str) -> tuple[bytes, ...]:
        """
        Read a file of certificates.

        :param name: of the file.
        :returns: the DER of each, at least one.
        :raises DeviceError: the file is missing or can't be read.
        """
        content = self._content(name)
        with self._reading(name):
            return parse_ca_certificates(content)

    def write_pem(self, name: str, label: str, ders: Iterable[bytes]) -> None:
        """
        Write a file.

        :param name: of the file.
        :param label: such as ``CERTIFICATE``.
        :param ders: what goes into it.
        :raises DeviceError: it can't be written.
        """
        self._write(name, b"".join(encode_pem(label, der) for der in ders), 0o644)

    def _key(self, name: str) -> rsa.RSAPrivateKey:
        content = self._content(name)
        with self._reading(name), reading("the key"):
            key = serialization.load_pem_private_key(content, None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise DeviceError(f"{self.path / name}: the key is not an RSA key")
        return key

    def _write_key(self, name: str, key: rsa.RSAPrivateKey) -> None:
        content = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        self._write(name, content, 0o600)

    def _content(self, name: str) -> bytes:
        path = self.path / name
        try:
            with path.open("rb") as file:
                return file.read(_LARGEST_FILE)
        except OSError as error:
            raise DeviceError(f"{path}: {error.strerror}") from None

    def _write(self, name: str, content: bytes, mode: int) -> None:
        path, fresh = self.path / name, self.path / f"{name}.new"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            fresh.unlink(missing_ok=True)
            with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
                file.write(content)
            fresh.replace(path)
        except OSError as error:
            raise DeviceError(f"{path}: {error.strerror}") from None

    @contextlib.contextmanager
    def _reading(self, name: str) -> Iterator[None]:
        try:
            yield
        except MessageError as error:
            raise DeviceError(f"{self.path / name}: {error}") from error
