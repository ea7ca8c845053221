"""
The osquery agent of a simulated device.

Source: osquery's documentation, "Remote settings".
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from scepd.errors import EncodingError
from scepd.simulator.device import SimulatedDevice
from scepd.simulator.failures import DeviceError
from scepd.simulator.http import DeviceHTTP
from scepd.simulator.osquery_tables import Row, query


class OsqueryAgent:
    """
    An agent that answers distributed queries from the device's tables; of the device's thread.

    :param device: that it runs on.
    :param http: its connection, which ``close`` ends.
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

    def close(self) -> None:
        """
        End the agent's connection.
        """
        self._http.close()

    def enroll(self) -> None:
        """
        Get a node key.

        :raises DeviceError: the server does not know the host, or the secret is wrong.
        """
        answer = self._post("/enroll", self._enroll_request())
        key = answer.get("node_key")
        if answer.get("node_invalid") or not isinstance(key, str) or not key:
            raise DeviceError("osquery: the server does not take this host")
        self._node_key = key

    def poll(self) -> int:
        """
        Read queries and write their results; enroll before, when there is no node key.

        :returns: how many queries there were; none when the server forgot the node key.
        :raises DeviceError: no answer came, or one that makes no sense.
        """
        if not self._node_key:
            self.enroll()
        answer = self._post("/distributed/read", {"node_key": self._node_key})
        if self._is_forgotten(answer):
            return 0
        queries = answer.get("queries") or {}
        if not isinstance(queries, dict):
            raise DeviceError("osquery: the server's queries are not an object")
        if queries:
            self._write(queries)
        return len(queries)

    def _write(self, queries: Mapping[str, object]) -> None:
        rows: dict[str, list[Row]] = {}
        messages: dict[str, str] = {}
        for name, sql in queries.items():
            try:
                rows[name] = query(self._device, str(sql))
            except EncodingError as error:
                rows[name], messages[name] = [], str(error)
        statuses = {name: int(name in messages) for name in rows}
        told = {"queries": rows, "statuses": statuses, "messages": messages}
        self._is_forgotten(
            self._post("/distributed/write", {"node_key": self._node_key, **told}),
        )

    def _is_forgotten(self, answer: Mapping[str, object]) -> bool:
        """
        Forget the node key too when the server did.
        """
        invalid = bool(answer.get("node_invalid"))
        if invalid:
            self._node_key = ""
        return invalid

    def _enroll_request(self) -> Mapping[str, object]:
        hardware = self._device.hardware
        system = {
            "uuid": hardware.udid,
            "computer_name": hardware.name,
            "hardware_model": hardware.model,
            "hardware_serial": hardware.serial_number,
        }
        return {
            "enroll_secret": self._secret,
            "host_identifier": hardware.udid,
            "host_details": {
                "system_info": system,
                "os_version": {"platform": "darwin", "version": hardware.os_version},
            },
        }

    def _post(self, path: str, message: Mapping[str, object]) -> dict[str, object]:
        body = self._http.expect(
            "POST",
            self._base + path,
            content=json.dumps(message).encode("utf-8"),
            headers={"Content-Type": "application/json"},
        )
        try:
            answer = json.loads(body or b"{}")
        except (ValueError, RecursionError):
            raise DeviceError("osquery: the answer is not JSON") from None
        if not isinstance(answer, dict):
            raise DeviceError("osquery: the answer is not a JSON object")
        return answer
