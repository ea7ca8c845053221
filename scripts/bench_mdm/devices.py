"""
Enrolled devices: their identities, and the polls that they have signed.
"""

from __future__ import annotations

import base64
import plistlib
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from rich.progress import Progress
from sqlalchemy import Connection, Table, insert

from scepd.mdm.signature import HEADER, sign_mdm_message
from scepd.storage.tables import device_identity, enrollment, host, issued_certificate

# A key takes as long as a hundred certificates; what is verified is another for each device.
_KEYS = 8
_KEY_BITS = 2048
_PATH = "/mdm/connect"


@dataclass(frozen=True, slots=True)
class Device:
    """
    One device.

    :param udid: names it.
    :param certificate: the DER of its identity.
    :param request: its poll, signed, as HTTP has it.
    """

    udid: str
    certificate: bytes
    request: bytes


def make_devices(count: int, progress: Progress, encoding: str = "ber") -> list[Device]:
    """
    Make devices, with identities of one CA.

    :param encoding: of the signatures: ``ber`` with indefinite lengths, as devices send them, or
        ``der``.
    """
    keys = [rsa.generate_private_key(65537, _KEY_BITS) for _ in range(_KEYS)]
    return make_devices_of(keys, count, progress, encoding)


def make_devices_of(
    keys: Sequence[rsa.RSAPrivateKey],
    count: int,
    progress: Progress,
    encoding: str = "ber",
    now: datetime | None = None,
) -> list[Device]:
    """
    Make devices that have these keys in turn.

    :param now: when their certificates are issued; None: now.
    """
    authority = rsa.generate_private_key(65537, _KEY_BITS)
    now = now or datetime.now(UTC)
    task = progress.add_task(f"{count} devices", total=count)
    found = []
    for number in range(count):
        key = keys[number % len(keys)]
        udid = str(uuid.uuid4()).upper()
        certificate = _certificate(udid, key.public_key(), authority, now)
        found.append(Device(udid, certificate, _request(udid, key, certificate, encoding)))
        progress.advance(task)
    progress.remove_task(task)
    return found


def enroll(connection: Connection, devices: list[Device], now: datetime | None = None) -> None:
    """
    Store devices as enrolled ones.

    :param now: when they enrolled; None: now.
    """
    for table, rows in _rows(devices, now or datetime.now(UTC)):
        connection.execute(insert(table), [complete(table, row) for row in rows])


def complete(table: Table, row: dict[str, Any]) -> dict[str, Any]:
    """
    With 0 or an empty text in columns that need something and are of no interest here.
    """
    for column in table.columns:
        if not column.nullable and column.name not in row and column.default is None:
            row[column.name] = column.type.python_type()
    return row


def idle(udid: str) -> bytes:
    """
    What a device sends that has nothing to report.
    """
    return plistlib.dumps({"Status": "Idle", "UDID": udid})


def _rows(devices: list[Device], now: datetime) -> Iterator[tuple[Table, list[dict[str, Any]]]]:
    udids = [one.udid for one in devices]
    yield (
        host,
        [
            {"uuid": one, "folded_uuid": one.lower(), "serial_number": one, "platform": "macos"}
            | {"facts": {}}
            for one in udids
        ],
    )
    yield (
        enrollment,
        [
            {"id": one, "host_uuid": one, "kind": "device", "enabled": True, "enrolled_at": now}
            for one in udids
        ],
    )
    yield (
        issued_certificate,
        [
            {
                "serial": str(uuid.uuid4()),
                "certificate": one.certificate,
                "sha256": sha256(one.certificate).hexdigest(),
                "purpose": "enroll",
                "request_sha256": str(uuid.uuid4()),
                "not_after": now + timedelta(days=365),
                "issued_at": now,
            }
            for one in devices
        ],
    )
    yield (
        device_identity,
        [
            {
                "certificate_sha256": sha256(one.certificate).hexdigest(),
                "enrollment_id": one.udid,
                "pinned_at": now,
                "confirmed_at": now,
                "not_after": now + timedelta(days=365),
                "look_at": now + timedelta(days=300),
            }
            for one in devices
        ],
    )


def _certificate(
    udid: str, key: rsa.RSAPublicKey, authority: rsa.RSAPrivateKey, now: datetime
) -> bytes:
    """
    As the embedded CA issues them.
    """
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name.from_rfc4514_string(f"CN={udid},O=scepd"))
        .issuer_name(x509.Name.from_rfc4514_string("CN=scepd CA,O=scepd"))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=365))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()),
            critical=False,
        )
    )
    return builder.sign(authority, hashes.SHA256()).public_bytes(Encoding.DER)


def _request(udid: str, key: rsa.RSAPrivateKey, certificate: bytes, encoding: str) -> bytes:
    body = idle(udid)
    signature = sign_mdm_message(body, key, certificate)
    if encoding == "ber":
        signature = base64.b64encode(as_indefinite(base64.b64decode(signature)))
    # What Apple's client sends, but for the host's name.
    head = (
        f"PUT {_PATH} HTTP/1.1\r\nHost: mdm.example.com\r\n"
        "Content-Type: application/x-apple-aspen-mdm; charset=UTF-8\r\n"
        f"{HEADER}: {signature.decode('ascii')}\r\n"
        "Accept: */*\r\nAccept-Language: en-us\r\nAccept-Encoding: gzip, deflate\r\n"
        "User-Agent: MDM-OSX/1.0 mdmclient/1670\r\nConnection: keep-alive\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode("ascii") + body


def as_indefinite(der: bytes) -> bytes:
    """
    A ContentInfo with a SignedData as devices write it: with indefinite lengths outside, and DER
    inside the set of signers and the certificates.
    """
    content_type, explicit = _children(der)
    (signed,) = _children(explicit)
    fields = _children(signed)
    return _open(0x30, content_type, _open(0xA0, _open(0x30, *fields)))


def _open(tag: int, *children: bytes) -> bytes:
    return bytes([tag, 0x80]) + b"".join(children) + b"\0\0"


def _children(element: bytes) -> list[bytes]:
    at, found = _body(element, 0)[0], []
    while at < len(element):
        body, length = _body(element, at)
        found.append(element[at : body + length])
        at = body + length
    return found


def _body(data: bytes, at: int) -> tuple[int, int]:
    """
    The offset of an element's contents, and their length.
    """
    first = data[at + 1]
    if first < 0x80:
        return at + 2, first
    octets = first & 0x7F
    return at + 2 + octets, int.from_bytes(data[at + 2 : at + 2 + octets], "big")
