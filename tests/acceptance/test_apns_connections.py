"""
Connections to the push service that end or stall, over real TLS.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from random import Random
from typing import Any

from twisted.internet import reactor as installed_reactor
from twisted.internet.task import LoopingCall
from twisted.trial.unittest import TestCase

from scepd.apns.credentials import load_credentials
from scepd.apns.outcome import GatewayState, OutcomeKind
from scepd.network.apns_client import APNsClient
from scepd.network.apns_limits import APNsLimits
from scepd.network.apns_route import APNsRoute
from tests.apns.notifications import notification
from tests.support.apns_certificates import PushAuthority, PushFiles
from tests.support.apns_double import APNsConnectionDouble, APNsDouble, End, Held
from tests.support.apns_faults import go_away_in_a_burst
from tests.support.apns_requests import Reply
from tests.support.apns_sender import Sender, as_deferred
from tests.support.apns_server import tls_options

reactor: Any = installed_reactor
PATIENCE = 30
_COUNT = 100
_LIMITS = APNsLimits(push_timeout=10.0, ping_after=0.5, ping_timeout=0.5, close_timeout=0.5)


class ConnectionTests(TestCase):
    """
    Tests with real sockets.
    """

    timeout = 120

    def setUp(self) -> None:
        """
        Listen, and make a client and a sender in a hurry.
        """
        files = PushFiles(Path(self.mktemp()).absolute())
        self.authority = PushAuthority()
        files.ensure(self.authority)
        self.double = APNsDouble()
        self.behaviour = self.double.behaviour
        port = reactor.listenSSL(0, self.double, tls_options(files), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        pair = files.read("push_certificate"), files.read("push_key")
        self.credentials = load_credentials(*pair)
        route = APNsRoute(reactor, "localhost", port.getHost().port, files.read("ca"))
        self.client = APNsClient(reactor, route, self.credentials, _LIMITS, Random(1).random)
        self.addCleanup(self.close)
        self.numbers = itertools.count(step=20)
        self.sender = Sender(reactor, self.client, hurry=0.01)

    async def close(self) -> None:
        """
        The client ends; so do connections that the double has frozen.
        """
        await as_deferred(self.client.close()).addTimeout(PATIENCE, reactor)
        await self.double.until(lambda: all(one.lost for one in self.double.connections))

    def push(self, first: int = 0, count: int = _COUNT) -> None:
        """
        Push to ``count`` devices.
        """
        for number in range(first, first + count):
            self.sender.push(notification(number, topic=self.credentials.topic))

    async def finish(self) -> None:
        """
        Wait until nothing is left, and compare the books.
        """
        await self.sender.finished().addTimeout(PATIENCE, reactor)
        self.double.ledger.assert_accounted(self.sender.outcomes)
        kinds = {told[-1].kind for told in self.sender.outcomes.values() if told[-1] is not None}
        self.assertEqual(kinds, {OutcomeKind.DONE})

    async def all_held(self) -> APNsConnectionDouble:
        """
        Push, and wait until all pushes are in flight; later ones are answered.
        """
        self.behaviour.always = Held()
        self.push()
        held = self.double.until(
            lambda: sum(len(one.held) for one in self.double.connections) == _COUNT
        )
        await held.addTimeout(PATIENCE, reactor)
        self.behaviour.always = None
        return next(one for one in self.double.connections if one.held)

    async def ends(self, how: End) -> None:
        """
        The connection ends with all answers due.
        """
        connection = await self.all_held()
        connection.end(how)
        await self.finish()
        self.assertEqual({len(told) for told in self.sender.outcomes.values()}, {2})
        self.assertGreater(len(self.double.connections), 1)

    async def test_rst(self) -> None:
        """
        TCP RST.
        """
        await self.ends(End.RST)

    async def test_fin(self) -> None:
        """
        TCP FIN without TLS's goodbye.
        """
        await self.ends(End.FIN)

    async def test_tls_close(self) -> None:
        """
        TLS says goodbye, then TCP.
        """
        await self.ends(End.TLS_CLOSE)

    async def test_half_close(self) -> None:
        """
        The way to us is closed, the other is not.
        """
        await self.ends(End.HALF_CLOSE)

    async def test_frozen(self) -> None:
        """
        Nothing comes from an open connection any more.
        """
        connection = await self.all_held()
        connection.frozen = True
        connection.held.clear()
        await self.finish()
        self.assertGreater(len(self.double.connections), 1)

    async def test_go_away(self) -> None:
        """
        Several GOAWAY, with answers after them: no push is repeated by its sender.
        """
        connection = await self.all_held()
        go_away_in_a_burst(connection, Random(3))
        replaced = self.double.until(lambda: len(self.double.connections) > 1)
        await replaced.addTimeout(PATIENCE, reactor)
        connection.release()
        await self.finish()
        self.assertEqual({len(told) for told in self.sender.outcomes.values()}, {1})

    async def test_late_settings(self) -> None:
        """
        SETTINGS come late; nothing is sent before.
        """
        self.behaviour.send_settings = False
        self.push()
        opened = self.double.until(lambda: bool(self.double.connections))
        await opened.addTimeout(PATIENCE, reactor)
        self.behaviour.send_settings = True
        self.assertEqual(self.double.requests, [])
        self.double.connections[0].send_settings()
        await self.finish()

    async def test_single_bytes_and_small_windows(self) -> None:
        """
        Long errors in single octets, and bodies in pieces.
        """
        self.behaviour.piece, self.behaviour.window = 1, 7
        for number in range(_COUNT):
            reply = Reply(503, "ServiceUnavailable", filler=100)
            token = notification(number).token.hex()
            self.behaviour.answers[token] = [reply]
        self.push()
        await self.finish()

    async def test_refused_certificate(self) -> None:
        """
        Refused from one moment on, then replaced.
        """
        self.push()
        await self.finish()
        self.behaviour.always = Reply(403, "BadCertificate")
        self.push(first=_COUNT)
        refused = self.double.until(lambda: len(self.double.requests) > _COUNT)
        await refused.addTimeout(PATIENCE, reactor)
        await self.double.until(lambda: self.client.state is GatewayState.SUSPENDED)
        self.behaviour.always = None
        self.client.use_credentials(self.credentials)
        await self.finish()

    async def accepted(self, number: int) -> None:
        """
        Wait until so many pushes were taken.
        """
        reached = self.double.until(lambda: len(self.double.accepted) >= number)
        await reached.addTimeout(PATIENCE, reactor)

    async def connected(self, number: int) -> None:
        """
        Wait until so many connections were made.
        """
        reached = self.double.until(lambda: len(self.double.connections) >= number)
        await reached.addTimeout(PATIENCE, reactor)

    async def test_replaced_certificate(self) -> None:
        """
        The certificate is replaced under load: no push fails, and none waits for long.
        """
        load = LoopingCall(lambda: self.push(first=next(self.numbers), count=20))
        load.clock = reactor
        loading = load.start(0.02)
        for number in range(1, 4):
            await self.accepted(400 * number)
            renewed = self.authority.push(self.credentials.topic)
            self.client.use_credentials(load_credentials(renewed.certificate, renewed.key))
            # One that came before it is connected would take its place.
            await self.connected(number + 1)
        load.stop()
        await loading
        await self.finish()
        self.assertEqual({len(told) for told in self.sender.outcomes.values()}, {1})
        self.assertLess(self.sender.slowest, 5)
