"""
Two daemons on one database: what one of them leaves undone when it dies the other one does, once.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from tests.support.apns_double import Silence
from tests.support.daemon import SAMPLE_PROFILE, Daemon
from tests.support.postgresql_server import the_server
from tests.support.two_nodes import TwoNodes

_DEVICES = 6
_ABSENT = 1500
_LEASE = 2.0
_PATIENCE = 60.0
_OK, _UNAVAILABLE = 200, 503
_SETTINGS = {
    "profiles.deliveries_per_tick": "0",
    "profiles.tick": "0.5",
    "storage.lease": str(_LEASE),
    "apns.answer_timeout": "2.0",
    "log.level": '"info"',
}
_QUEUED = "SELECT count(*) FROM command WHERE request_type = 'InstallProfile'"
_HOSTS = "SELECT count(DISTINCT host_uuid) FROM command WHERE request_type = 'InstallProfile'"
_REFERRED = """
    SELECT count(*) FROM host_profile JOIN command ON command.uuid = host_profile.command_uuid
    WHERE host_profile.host_uuid = command.host_uuid
    """


class TwoNodesTests(TestCase):
    """
    Simulated devices whose connections go to both daemons in turn; a crowd that never comes.
    """

    timeout = 240

    async def test_one_dies(self) -> None:
        """
        The daemon that has the tick is killed while it queues deliveries and its pushes are not
        answered. All that is due is queued once, each push is taken once, and each device gets the
        profile once and proves it. Then the database server crashes and comes back: the daemon goes
        on by itself.
        """
        nodes = TwoNodes(_SETTINGS)
        self.addCleanup(nodes.stop)
        await self._kill_one(nodes)
        await self._crash_server(nodes)

    async def _kill_one(self, nodes: TwoNodes) -> None:
        await nodes.start()
        await nodes.add_embedded()
        await nodes.enroll(_DEVICES)
        await deferToThread(nodes.add_absent, _ABSENT)
        nodes.double.behaviour.always = Silence()
        before = len(nodes.double.requests)
        await nodes.add_profile()
        await nodes.double.until(lambda: len(nodes.double.requests) >= before + _DEVICES)
        victim = next(node for node in nodes.nodes if "deliveries are due" in _output(node))
        await nodes.kill(victim)
        killed_at = time.monotonic()
        unanswered = nodes.double.requests[before:]
        nodes.double.behaviour.always = None
        self.assertLess(nodes.count(_QUEUED), _ABSENT)
        await self._until(lambda: "deliveries are due" in _output(nodes.daemon))
        self.assertLess(time.monotonic() - killed_at, _LEASE + 8)
        await nodes.until_verified_by_all(1)
        await self._until(lambda: nodes.count(_QUEUED) >= _ABSENT + _DEVICES)
        self._assert_once(nodes)
        accepted = Counter(one.apns_id for one in nodes.double.accepted)
        self.assertEqual({accepted[one.apns_id] for one in unanswered}, {1})
        self.assertEqual(set(accepted.values()), {1})
        self.assertNotIn("Traceback", _output(nodes.daemon))

    async def _crash_server(self, nodes: TwoNodes) -> None:
        await deferToThread(nodes.remove_absent)
        the_server().stop(at_once=True)
        await self._until(lambda: nodes.readiness() == _UNAVAILABLE)
        # In this thread: the server is told to end with the thread that started it.
        the_server().start()
        await self._until(lambda: nodes.readiness() == _OK)
        await nodes.add_profile(_other_profile())
        await nodes.until_verified_by_all(2)

    def _assert_once(self, nodes: TwoNodes) -> None:
        """
        No host got two commands or the profile twice, and none was left out.
        """
        for query in (_QUEUED, _HOSTS, _REFERRED):
            self.assertEqual(nodes.count(query), _ABSENT + _DEVICES, query)
        # B12: a device got the profile.
        self.assertEqual(nodes.device_steps.count("B12"), _DEVICES)

    async def _until(self, reached: Callable[[], bool]) -> None:
        end = reactor.seconds() + _PATIENCE
        while not await deferToThread(reached):
            self.assertLess(reactor.seconds(), end, "it did not come")
            await deferLater(reactor, 0.05)


def _other_profile() -> bytes:
    content = SAMPLE_PROFILE.read_bytes()
    for old, new in ((b"Fleet.custom", b"Other.custom"), (b"WIFI", b"VPN"), (b"9DCC", b"9DCD")):
        content = content.replace(old, new)
    return content


def _output(node: Daemon) -> str:
    return node.running_program.output
