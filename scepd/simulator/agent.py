"""
The osquery agent of a simulated device.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from scepd.simulator.device import SimulatedDevice
from scepd.simulator.failures import DeviceError
from scepd.simulator.http import DeviceHTTP
from scepd.simulator.inventory import common_name
from scepd.simulator.keychain import Keychain


class OsqueryAgent:
    """
    An agent that answers distributed queries from the device's keychain.

    :param base_url: of the server, without a trailing slash.
    :param secret: the enroll secret.
    """

    def __init__(
        self, device: SimulatedDevice, http: DeviceHTTP, base_url: str, secret: str
    ) -> None:
        self._device = device
        self._http = http
        self._base = f"{base_url}/api/osquery"
        self._secret = secret
        self._node_key = ""

    def enroll(self) -> None:
        """
        Get a node key.

        :raises DeviceError: the server does not know the host, or the secret is wrong.
        """
        answer = self._post(
            "/enroll",
            {
                "enroll_secret": self._secret,
                "host_identifier": self._device.hardware.udid,
                "host_details": {"system_info": {"uuid": self._device.hardware.udid}},
            },
        )
        key = answer.get("node_key")
        if answer.get("node_invalid") or not isinstance(key, str):
            raise DeviceError("osquery: the server does not take this host")
        self._node_key = key

    def poll(self) -> int:
        """
        Read queries and write their results.

        :returns: how many queries there were.
        """
        if not self._node_key:
            self.enroll()
        answer = self._post("/distributed/read", {"node_key": self._node_key})
        if answer.get("node_invalid"):
            self._node_key = ""
            return 0
        queries = answer.get("queries") or {}
        assert isinstance(queries, Mapping)
        if queries:
            self._write(queries)
        return len(queries)

    def _write(self, queries: Mapping[str, object]) -> None:
        rows = {name: self._rows(str(sql)) for name, sql in queries.items()}
        self._post(
            "/distributed/write",
            {
                "node_key": self._node_key,
                "queries": {name: found or [] for name, found in rows.items()},
                "statuses": {name: 0 if found is not None else 1 for name, found in rows.items()},
            },
        )

    def _rows(self, sql: str) -> list[dict[str, str]] | None:
        tables: Mapping[str, Callable[[Keychain], list[dict[str, str]]]] = {
            "macos_profiles": profile_rows,
            "certificates": certificate_rows,
        }
        for table, rows in tables.items():
            if f" FROM {table} " in f"{sql} ":
                return rows(self._device.keychain)
        return None

    def _post(self, path: str, message: Mapping[str, object]) -> dict[str, object]:
        body = self._http.expect(
            "POST",
            self._base + path,
            content=json.dumps(message).encode(),
            headers={"Content-Type": "application/json"},
        )
        answer = json.loads(body or b"{}")
        return answer if isinstance(answer, dict) else {}


def profile_rows(keychain: Keychain) -> list[dict[str, str]]:
    """
    The rows of ``macos_profiles``.
    """
    return [
        {
            "display_name": held.display_name,
            "identifier": held.identifier,
            "install_date": held.installed_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S +0000"),
        }
        for held in keychain.profiles.values()
    ]


def certificate_rows(keychain: Keychain) -> list[dict[str, str]]:
    """
    The rows of ``certificates``.
    """
    return [_certificate_row(identity.summary) for identity in keychain.identities]


def _certificate_row(certificate: x509.Certificate) -> dict[str, str]:
    return {
        "common_name": common_name(certificate),
        "subject": _slashed(certificate.subject),
        "issuer": _slashed(certificate.issuer),
        "subject2": _listed(certificate.subject),
        "issuer2": _listed(certificate.issuer),
        "serial": f"{certificate.serial_number:X}",
        "sha1": certificate.fingerprint(hashes.SHA1()).hex(),
        "not_valid_before": _epoch(certificate.not_valid_before_utc),
        "not_valid_after": _epoch(certificate.not_valid_after_utc),
        "path": "/Library/Keychains/System.keychain",
    }


def _slashed(name: x509.Name) -> str:
    return "".join(f"/{kind}={value}" for kind, value in _pairs(name))


def _listed(name: x509.Name) -> str:
    return ", ".join(f"{kind} = {value}" for kind, value in _pairs(name))


def _pairs(name: x509.Name) -> list[tuple[str, str]]:
    return [(attribute.rfc4514_attribute_name, str(attribute.value)) for attribute in name]


def _epoch(at: datetime) -> str:
    return str(int(at.timestamp()))
