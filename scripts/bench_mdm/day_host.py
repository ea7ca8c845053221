"""
A host of the simulated fleet: what its MDM client and its osquery agent say in a day, as scripts
that yield requests and are sent the answers' bodies.
"""

from __future__ import annotations

import itertools
import json
import plistlib
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from scepd.mdm.signature import HEADER, sign_mdm_message
from scepd.simulator.openssl_names import listed, slashed
from scripts.bench_mdm.devices import Device

Script = Generator[bytes, bytes, None]
_ISSUER = x509.Name.from_rfc4514_string("CN=bench CA")
_OIDS = {"CN": NameOID.COMMON_NAME, "OU": NameOID.ORGANIZATIONAL_UNIT_NAME}
_serials = itertools.count(1)

Row = dict[str, str]


@dataclass(slots=True)
class FleetHost:
    """
    One host.

    :param clock: seconds since 1970.
    :param validity: of the certificates that it gets.
    :param secret: osquery's enroll secret.
    """

    device: Device
    key: rsa.RSAPrivateKey
    clock: Callable[[], float]
    validity: timedelta
    secret: str
    installed: dict[str, datetime] = field(default_factory=dict)
    certificates: list[Row] = field(default_factory=list)
    deliveries: int = 0
    inventories: int = 0
    node_key: str = ""

    def poll(self) -> Script:
        """
        Ask for commands until there are no more, and do what they say.
        """
        answer = yield self.device.request
        while answer:
            command = plistlib.loads(answer)
            self._obey(command["Command"])
            said = {"Status": "Acknowledged", "UDID": self.device.udid}
            answer = yield self._signed(said | {"CommandUUID": command["CommandUUID"]})

    def tell(self) -> Script:
        """
        Let the osquery agent read its queries, and write what it finds.
        """
        if not self.node_key:
            system = {"uuid": self.device.udid}
            asked = {"enroll_secret": self.secret, "host_details": {"system_info": system}}
            enrolled = json.loads((yield _json("enroll", asked)))
            self.node_key = enrolled["node_key"]
        key = {"node_key": self.node_key}
        queries = json.loads((yield _json("distributed/read", key))).get("queries") or {}
        if not queries:
            return
        self.inventories += 1
        tables = {name: self._rows(sql) for name, sql in queries.items()}
        statuses = dict.fromkeys(tables, 0)
        yield _json("distributed/write", {**key, "queries": tables, "statuses": statuses})

    def _obey(self, command: dict[str, object]) -> None:
        if command["RequestType"] != "InstallProfile":
            return
        content = command["Payload"]
        assert isinstance(content, bytes)
        profile = plistlib.loads(content)
        self.deliveries += 1
        self.installed[profile["PayloadIdentifier"]] = self._now
        for payload in profile["PayloadContent"]:
            # Takes the place of the SCEP exchange, which is the proxy's bench.
            self.certificates.append(self._certificate(payload["PayloadContent"]["Subject"]))

    def _certificate(self, subject: list[list[list[str]]]) -> Row:
        number, now = next(_serials), int(self.clock())
        name = x509.Name(
            [x509.NameAttribute(_OIDS[key], value) for ((key, value),) in subject if value]
        )
        return {
            "common_name": self.device.udid,
            "subject": slashed(name),
            "issuer": slashed(_ISSUER),
            "subject2": listed(name),
            "issuer2": listed(_ISSUER),
            "serial": f"{number:016X}",
            "sha1": f"{number:040x}",
            "not_valid_before": str(now - 300),
            "not_valid_after": str(now + int(self.validity.total_seconds())),
            "path": "/Library/Keychains/System.keychain",
        }

    def _rows(self, sql: str) -> list[Row]:
        if "macos_user_profiles" in sql:
            return []
        if "macos_profiles" in sql:
            return [
                {
                    "display_name": "Bench",
                    "identifier": identifier,
                    "install_date": at.strftime("%Y-%m-%d %H:%M:%S +0000"),
                }
                for identifier, at in self.installed.items()
            ]
        return self.certificates

    @property
    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.clock(), UTC)

    def _signed(self, said: dict[str, str]) -> bytes:
        body = plistlib.dumps(said)
        signature = sign_mdm_message(body, self.key, self.device.certificate)
        head = f"{HEADER}: {signature.decode('ascii')}\r\n"
        return _request("PUT", "/mdm/connect", body, head)


def _json(path: str, message: dict[str, object]) -> bytes:
    return _request("POST", f"/api/osquery/{path}", json.dumps(message).encode())


def _request(method: str, path: str, body: bytes, more: str = "") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: bench\r\n{more}Content-Length: {len(body)}\r\n\r\n"
    return head.encode("ascii") + body
