"""
What Apple would issue for the APNs double: a CA, a server certificate and an MDM push certificate.
"""

from __future__ import annotations

import ipaddress
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_DAY = timedelta(days=1)
_USED_ALTERNATIVES = [
    x509.DNSName("localhost"),
    x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
]

Key = ec.EllipticCurvePrivateKey


def new_topic() -> str:
    """
    A topic as Apple assigns it.
    """
    return f"com.apple.mgmt.External.{uuid.uuid4()}"


@dataclass(frozen=True, slots=True)
class Pair:
    """
    A certificate and its key, both as PEM.
    """

    certificate: bytes
    key: bytes


class PushAuthority:
    """
    A CA of its own that issues server and push certificates.
    """

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("Pretended Apple CA")
        self._certificate = self._issue(self._name, self._key, [], ca=True)

    @property
    def certificate(self) -> bytes:
        """
        The CA's certificate as PEM.
        """
        return self._certificate.public_bytes(Encoding.PEM)

    def server(self) -> Pair:
        """
        A certificate for localhost and 127.0.0.1.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        return _pair(self._issue(_name("localhost"), key, _USED_ALTERNATIVES), key)

    def push(self, topic: str | None, *, lifetime: timedelta = 365 * _DAY) -> Pair:
        """
        A push certificate; its topic is the subject's UID, as Apple has it.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        return _pair(self._issue(_name("APSP:pretended", topic), key, [], lifetime=lifetime), key)

    def _issue(
        self,
        subject: x509.Name,
        key: Key,
        alternatives: list[x509.GeneralName],
        *,
        ca: bool = False,
        lifetime: timedelta = 365 * _DAY,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _DAY)
            .not_valid_after(now + lifetime)
            .add_extension(x509.BasicConstraints(ca, None), critical=True)
        )
        if alternatives:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), False)
        return builder.sign(self._key, hashes.SHA256())


def _name(common_name: str, uid: str | None = None) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if uid is not None:
        attributes.insert(0, x509.NameAttribute(NameOID.USER_ID, uid))
    return x509.Name(attributes)


def _pair(certificate: x509.Certificate, key: Key) -> Pair:
    return Pair(
        certificate.public_bytes(Encoding.PEM),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )


@dataclass(frozen=True, slots=True)
class PushFiles:
    """
    The PEM files of a folder.
    """

    folder: Path

    @property
    def paths(self) -> dict[str, Path]:
        """
        All of them, by what they are.
        """
        names = ("ca", "server_certificate", "server_key", "push_certificate", "push_key")
        return {name: self.folder / f"{name}.pem" for name in names}

    def ensure(self, authority: PushAuthority | None = None) -> None:
        """
        Make them, unless they are all there: a restarted double stays the same to its clients.

        :param authority: that issues them; None: a new one.
        """
        if all(path.exists() for path in self.paths.values()):
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        authority = authority or PushAuthority()
        server, push = authority.server(), authority.push(new_topic())
        pems = (authority.certificate, server.certificate, server.key, push.certificate, push.key)
        for path, pem in zip(self.paths.values(), pems, strict=True):
            path.touch(mode=0o600)
            path.write_bytes(pem)

    def read(self, name: str) -> bytes:
        """
        The content of one, named as in :attr:`paths`.
        """
        return self.paths[name].read_bytes()
