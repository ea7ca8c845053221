"""
Two daemons on one PostgreSQL database, behind one address, and devices that know only that.
"""

from __future__ import annotations

import shutil
from itertools import count

import httpx
import psycopg
from twisted.internet import reactor
from twisted.internet.defer import gatherResults
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Protocol
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from tests.support.daemon import Daemon
from tests.support.fleet import Fleet
from tests.support.postgresql_server import the_server
from tests.support.tcp_gate import TCPGate

DATABASE = "two_nodes"

# Hosts that enrolled long ago and never come.
_ABSENT = (
    """
    INSERT INTO host (uuid, serial_number, platform, facts)
    SELECT 'ABSENT-' || i, 'S' || i, 'macos', '{}' FROM generate_series(1, %s) i
    """,
    """
    INSERT INTO enrollment (id, host_uuid, kind, enabled, enrolled_at)
    SELECT uuid, uuid, 'device', true, 0 FROM host WHERE uuid LIKE 'ABSENT-%'
    """,
)
_VERIFIED = "SELECT count(*) FROM host_profile WHERE status = 'verified'"


class Balancer(TCPGate):
    """
    A port whose connections go to one of several ports, in turn.

    :ivar ports: where they go.
    """

    def __init__(self, ports: list[int]) -> None:
        super().__init__(ports[0])
        self.ports = ports
        self._turns = count()

    def buildProtocol(self, addr: IAddress) -> Protocol | None:  # type: ignore[override]
        """
        A connection to the next port.
        """
        self.port = self.ports[next(self._turns) % len(self.ports)]
        return super().buildProtocol(addr)


class TwoNodes(Fleet):
    """
    A fleet with a second daemon.

    :ivar other: the daemon that operators don't talk to.
    """

    def __init__(self, settings: dict[str, str]) -> None:
        self.balancer = Balancer([0])
        self.balancer.open()
        self.nodes: list[Daemon] = []
        super().__init__(
            {
                "storage.url": f'"{the_server().create(DATABASE)}"',
                "server.external_url": f'"http://127.0.0.1:{self.balancer.listens_on}"',
                **settings,
            }
        )

    async def start(self) -> None:
        """
        Start the push service and both daemons, which have the same keys.
        """
        await super().start()
        other = await deferToThread(Daemon, self.folder / "other", self.all_settings)
        shutil.copy(self.daemon.folder / "keyring", other.folder / "keyring")
        self.nodes = [self.daemon, other]
        await deferToThread(other.start)
        self.balancer.ports = [node.device_port for node in self.nodes]
        # That is where devices and agents go.
        self.daemon.device_port = self.balancer.listens_on

    async def stop(self) -> None:
        """
        End everything.
        """
        for node in self.nodes:
            await deferToThread(node.stop)
        await self.balancer.close()
        await super().stop()

    async def kill(self, node: Daemon) -> None:
        """
        End one of the daemons by SIGKILL; operators and devices turn to the other one.
        """
        index = self.nodes.index(node)
        del self.nodes[index], self.balancer.ports[index]
        await deferToThread(node.kill)
        (self.daemon,) = self.nodes

    def add_absent(self, count: int) -> None:
        """
        Add hosts that are enrolled and never come.
        """
        with psycopg.connect(the_server().url(DATABASE)) as connection:
            connection.execute(_ABSENT[0], [count])
            connection.execute(_ABSENT[1])

    def remove_absent(self) -> None:
        """
        Forget those hosts.
        """
        with psycopg.connect(the_server().url(DATABASE)) as connection:
            connection.execute("DELETE FROM host WHERE uuid LIKE 'ABSENT-%'")

    def readiness(self) -> int:
        """
        The status of what the daemon says of itself.
        """
        return httpx.get(f"{self.daemon.admin_url}/readyz", trust_env=False).status_code

    async def until_verified_by_all(self, profiles: int, patience: float = 60.0) -> None:
        """
        Wait until every device that comes has proved so many profiles; agents look meanwhile.

        :raises AssertionError: the time passed before.
        """
        deadline = reactor.seconds() + patience
        while await deferToThread(self.count, _VERIFIED) < profiles * len(self.devices):
            if reactor.seconds() > deadline:
                raise AssertionError(f"failures {[polled.failures for polled in self.devices]}")
            await gatherResults([polled.look() for polled in self.devices])
            await deferLater(reactor, 0.2)

    def count(self, query: str) -> int:
        """
        The one number that a query of the database gives.
        """
        with psycopg.connect(the_server().url(DATABASE)) as connection:
            row = connection.execute(query.encode()).fetchone()
        assert row is not None
        found: int = row[0]
        return found
