"""
osquery's TLS API: ``/api/osquery/…`` and ``/api/v1/osquery/…``, on the device listener.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from twisted.logger import Logger
from twisted.web.resource import Resource

from scepd.model import DeviceDetails
from scepd.osquery.distributed import (
    inventory_queries,
    parse_distributed_write,
    queries_answer,
    write_answer,
)
from scepd.osquery.enrollment import (
    config_answer,
    enroll_answer,
    log_answer,
    node_invalid_answer,
    parse_enroll_request,
    parse_node_key,
)
from scepd.ports import Workers
from scepd.services.verification import Verification
from scepd.services.verification_agents import Agents
from scepd.services.verification_osquery import inventory_of
from scepd.web.buffered_endpoint import BufferedEndpoint
from scepd.web.device_root import DeviceRoot

_LARGEST_BODY = 8 * 1024 * 1024

_log = Logger()
_Answer = Callable[[bytes], Awaitable[bytes]]


class OsqueryAPI:
    """
    The answers to agents.
    """

    def __init__(self, agents: Agents, verification: Verification, workers: Workers) -> None:
        self._agents = agents
        self._verification = verification
        self._workers = workers

    def resource(self) -> Resource:
        """
        The tree below ``/api/osquery``; it may be mounted at several places.
        """
        root, distributed = DeviceRoot(), DeviceRoot()
        root.putChild(b"enroll", _endpoint(self.enroll))
        root.putChild(b"config", _endpoint(self.config))
        root.putChild(b"log", _endpoint(self.log))
        root.putChild(b"distributed", distributed)
        distributed.putChild(b"read", _endpoint(self.read))
        distributed.putChild(b"write", _endpoint(self.write))
        return root

    async def enroll(self, body: bytes) -> bytes:
        """
        Give a node key to an agent that knows the enroll secret.
        """
        asked = parse_enroll_request(body)
        details = DeviceDetails(
            # osquery runs on no other devices of Apple's than Macs.
            platform="macos" if asked.os_platform == "darwin" else "",
            serial_number=asked.hardware_serial,
            os_version=asked.os_version,
        )
        node_key = await self._agents.enroll(asked.enroll_secret, asked.hardware_uuid, details)
        return node_invalid_answer() if node_key is None else enroll_answer(node_key)

    async def config(self, body: bytes) -> bytes:
        """
        Nothing is scheduled: inventories come by distributed queries.
        """
        known = await self._agents.host(parse_node_key(body))
        return node_invalid_answer() if known is None else config_answer()

    async def log(self, body: bytes) -> bytes:
        """
        Logs are taken, and dropped.
        """
        key = await self._workers(lambda: parse_node_key(body, max_size=_LARGEST_BODY))
        known = await self._agents.host(key)
        return node_invalid_answer() if known is None else log_answer()

    async def read(self, body: bytes) -> bytes:
        """
        The queries of an inventory, when it is time for one.
        """
        host = await self._agents.host(parse_node_key(body))
        if host is None:
            return node_invalid_answer()
        if not await self._verification.is_due(host):
            return queries_answer({})
        _log.info("The agent of host {host} reads its queries", step="B28", host=host)
        _log.info("Asking host {host} for profiles and certificates", step="B29", host=host)
        return queries_answer(inventory_queries(await self._agents.users(host)))

    async def write(self, body: bytes) -> bytes:
        """
        Take an inventory; what it proves is stored by then.
        """
        write = await self._workers(lambda: parse_distributed_write(body, max_size=_LARGEST_BODY))
        host = await self._agents.host(write.node_key)
        if host is None:
            return node_invalid_answer()
        _log.info("The agent of host {host} writes its inventory", step="B30", host=host)
        inventory = await self._workers(lambda: inventory_of(write))
        await self._verification.take(host, inventory)
        _log.info("Took the inventory of host {host}", step="B32", host=host)
        return write_answer()


def _endpoint(answer: _Answer) -> Resource:
    """
    One path: a POST of JSON, answered with JSON.
    """
    return BufferedEndpoint("POST", "application/json", lambda request, body: answer(body))
