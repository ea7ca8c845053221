"""
Tests for pushes over real TLS, with client certificates on both sides.
"""

from __future__ import annotations

import json
import random
import sys
import uuid
from pathlib import Path
from typing import Any

from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase, TestCase

from scepd.apns.credentials import PushCredentials, load_credentials
from scepd.apns.notification import Notification
from scepd.apns.outcome import GatewayState, OutcomeKind, PushOutcome
from scepd.errors import ConfigurationError
from scepd.network.apns_client import APNsClient, APNsLimits
from scepd.network.apns_route import APNsRoute
from tests.support.apns_certificates import PushAuthority, PushFiles
from tests.support.apns_double import APNsDouble
from tests.support.apns_requests import Reply
from tests.support.apns_server import tls_options
from tests.support.processes import RunningProgram

reactor: Any = installed_reactor
PATIENCE = 10


class TLSTests(TestCase):
    """
    Tests for the client against the double, on loopback.
    """

    def setUp(self) -> None:
        """
        Listen.
        """
        self.files = PushFiles(Path(self.mktemp()).absolute())
        self.files.ensure()
        self.double = APNsDouble()
        port = reactor.listenSSL(0, self.double, tls_options(self.files), interface="127.0.0.1")
        self.port = port.getHost().port
        self.addCleanup(port.stopListening)
        pair = self.files.read("push_certificate"), self.files.read("push_key")
        self.credentials = load_credentials(*pair)

    def client(
        self, credentials: PushCredentials | None = None, trust: bytes | None = None
    ) -> APNsClient:
        """
        Make a client, which is closed in the end.
        """
        trust = trust or self.files.read("ca")
        route = APNsRoute(reactor, "127.0.0.1", self.port, trust)
        limits = APNsLimits(queue_timeout=2)
        used = credentials or self.credentials
        client = APNsClient(reactor, route, used, limits, random.random)
        self.addCleanup(lambda: Deferred.fromCoroutine(client.close()))
        return client

    def push(self, client: APNsClient, number: int = 0) -> Deferred[PushOutcome]:
        """
        Push to device ``number``.
        """
        token = number.to_bytes(32, "big")
        push_id = str(uuid.uuid4())
        notification = Notification(token, client.topic, f"magic {number}", push_id, 2**31)
        return client.push(notification).addTimeout(PATIENCE, reactor)

    async def test_pushes(self) -> None:
        """
        Many pushes share one connection, and each gets its own answer.
        """
        client = self.client()
        dead = Reply(410, "Unregistered", 1_700_000_000_000)
        self.double.behaviour.answers[(7).to_bytes(32, "big").hex()] = dead
        outcomes = await gatherResults([self.push(client, number) for number in range(200)])
        kinds = [outcome.kind for outcome in outcomes]
        self.assertIs(kinds.pop(7), OutcomeKind.TOKEN_DEAD)
        self.assertEqual(set(kinds), {OutcomeKind.DONE})
        self.assertEqual(len(self.double.connections), 1)
        self.assertIs(client.state, GatewayState.CONNECTED)
        magics = {request.push_magic for request in self.double.requests}
        self.assertEqual(magics, {f"magic {number}" for number in range(200)})

    async def test_close_waits(self) -> None:
        """
        A stop waits for answers that are due, and leaves no connection behind.
        """
        client = self.client()
        pushed = self.push(client)
        await self.double.until(lambda: bool(self.double.requests))
        await Deferred.fromCoroutine(client.close()).addTimeout(PATIENCE, reactor)
        self.assertIs((await pushed).kind, OutcomeKind.DONE)
        self.assertIs(client.state, GatewayState.CLOSED)

    async def test_untrusted_server(self) -> None:
        """
        Nothing is sent to a server whose certificate is not trusted.
        """
        client = self.client(trust=PushAuthority().certificate)
        outcome = await self.push(client)
        self.assertIs(outcome.kind, OutcomeKind.RETRY)
        self.assertFalse(outcome.sent)
        self.assertIn("certificate verify failed", outcome.reason)
        self.assertEqual(self.double.requests, [])

    async def test_refused_certificate(self) -> None:
        """
        A push certificate that the server does not accept is the complaint that operators see.
        """
        stranger = PushAuthority().push(self.credentials.topic)
        client = self.client(load_credentials(stranger.certificate, stranger.key))
        outcome = await self.push(client)
        self.assertIs(outcome.kind, OutcomeKind.RETRY)
        self.assertIn("it does not accept our client certificate", outcome.reason)

    async def test_double_as_program(self) -> None:
        """
        The double also runs as a program, which prints each push.
        """
        folder = Path(self.mktemp()).absolute()
        argv = [sys.executable, "-m", "tests.support.apns_server", "--directory", str(folder)]
        running = RunningProgram(argv, Path(__file__).parents[2])
        self.addCleanup(running.stop)
        ready = await next_line(running, "port")
        self.port = int(str(ready["port"]))
        pems = [Path(str(ready[name])).read_bytes() for name in ("push_certificate", "push_key")]
        client = self.client(load_credentials(*pems), Path(str(ready["ca"])).read_bytes())
        outcome = await self.push(client, 5)
        self.assertIs(outcome.kind, OutcomeKind.DONE)
        line = await next_line(running, "push")
        self.assertEqual(line["push"], (5).to_bytes(32, "big").hex())
        self.assertEqual(line["topic"], client.topic)
        self.assertEqual(line["push_magic"], "magic 5")
        self.assertEqual(line["apns_id"], outcome.apns_id)


class RouteTests(SynchronousTestCase):
    """
    Tests for what the way to the push service needs.
    """

    def test_unusable(self) -> None:
        """
        A wrong host or wrong roots are a matter of configuration.
        """
        for host, trust in (("a b", None), ("", None), ("b\xfcro.example", None), ("ok", b"junk")):
            with self.assertRaises(ConfigurationError):
                APNsRoute(reactor, host, 443, trust)


def next_line(running: RunningProgram, key: str) -> Deferred[dict[str, object]]:
    """
    The first line of a program's output that has a key.
    """

    def wait() -> dict[str, object]:
        line = running.wait_for(lambda line: f'{{"{key}"' in line, key)
        content: dict[str, object] = json.loads(line)
        return content

    return deferToThread(wait)
