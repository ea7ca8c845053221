"""
Tests for the daemon's life, on a reactor whose ports and clock are in memory.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL
from twisted.application.service import Application
from twisted.internet import reactor
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError, ConnectionDone
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.logger import ILogObserver, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from scepd.config import load
from scepd.errors import TemporaryError
from scepd.logs import LogStream
from scepd.tap.daemon import Daemon, StartFailed
from tests.support.apns_certificates import Pair, PushAuthority, new_topic
from tests.tap.folders import KEYRING, make_folder, write_private, write_tls

_TLS = '[listen]\ntls_certificate_file = "tls.crt"\ntls_key_file = "tls.key"\n'


class _Reactor(MemoryReactorClock):
    """
    Ports and time in memory; the way back from threads is the real one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.taken: set[int] = set()

    def callFromThread(self, call: Callable[..., object], *arguments: Any) -> None:
        """
        Call soon.
        """
        reactor.callFromThread(call, *arguments)  # type: ignore[attr-defined]

    def callLater(
        self, delay: float, callable: Callable[..., object], *args: object, **kw: object
    ) -> IDelayedCall:
        """
        Call when the clock was turned that far; without delay, at the end of a real turn.
        """
        if not delay:
            return reactor.callLater(0, callable, *args, **kw)
        return super().callLater(delay, callable, *args, **kw)

    def listenTCP(self, port: int, factory: Any, *options: Any, **named: Any) -> Any:
        """
        Open a port, unless it is taken.
        """
        if port in self.taken:
            raise CannotListenError(None, port, OSError(98, "Address already in use"))
        return super().listenTCP(port, factory, *options, **named)


class _Wire(StringTransport):
    """
    A connection in memory, as far as a web server asks of it.
    """

    def setTcpNoDelay(self, enabled: bool) -> None:
        """
        There is nothing that would be delayed.
        """


def _no_log() -> LogStream:
    raise FileNotFoundError(2, "No such file or directory", "/nowhere/log")


class DaemonTests(TestCase):
    """
    Tests of start, reload and stop.
    """

    def setUp(self) -> None:
        """
        Keep the signals' handlers.
        """
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            self.addCleanup(signal.signal, number, signal.getsignal(number))
        self.reactor = _Reactor()
        self.log = StringIO()

    def make(self, configuration: str = "", *, tls: bool = False) -> Daemon:
        """
        Make a daemon that logs into ``self.log``.
        """
        self.path = make_folder(Path(self.mktemp()).absolute(), configuration)
        if tls:
            self.certificate = write_tls(self.path.parent)
        daemon = Daemon(load(self.path), self.path, self.reactor, lambda: self.log)
        application = Application("scepd")
        daemon.setServiceParent(application)
        observer = application.getComponent(ILogObserver)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        return daemon

    def start(self, configuration: str = "", *, tls: bool = False) -> Daemon:
        """
        Start a daemon; it is stopped after the test.
        """
        daemon = self.make(configuration, tls=tls)
        daemon.privilegedStartService()
        daemon.startService()
        self.addCleanup(lambda: daemon.stopService() if daemon.running else None)
        return daemon

    def served_certificate(self) -> bytes:
        """
        The certificate, in DER, that a new connection to the first listener would be shown.
        """
        address = IPv4Address("TCP", "127.0.0.1", 40_000)
        server = self.reactor.tcpServers[0][1].buildProtocol(address)
        assert server is not None
        wire = _Wire(hostAddress=address, peerAddress=address)
        server.makeConnection(wire)
        client = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD))
        client.set_connect_state()
        while (certificate := client.get_peer_certificate(as_cryptography=True)) is None:
            with contextlib.suppress(SSL.WantReadError):
                client.do_handshake()
            server.dataReceived(client.bio_read(65_536))
            client.bio_write(wire.value())
            wire.clear()
            with contextlib.suppress(SSL.WantReadError):
                client.do_handshake()
        server.connectionLost(Failure(ConnectionDone()))
        return certificate.public_bytes(Encoding.DER)

    def test_order(self) -> None:
        """
        Ports are opened with privileges, which are shed before the database is opened.
        """
        threads = set(threading.enumerate())
        daemon = self.make()
        self.assertEqual(self.reactor.tcpServers, [])
        daemon.privilegedStartService()
        self.assertEqual([server[0] for server in self.reactor.tcpServers], [8080, 8081])
        self.assertEqual(set(threading.enumerate()), threads)
        self.assertFalse((self.path.parent / "scepd.sqlite").exists())
        daemon.startService()
        self.addCleanup(daemon.stopService)
        self.assertTrue((self.path.parent / "scepd.sqlite").exists())
        self.assertIn("scepd 0.1.0 is ready", self.log.getvalue())

    def test_port_in_use(self) -> None:
        """
        A port that is taken ends the process with status 1 and one line.
        """
        self.reactor.taken = {8081}
        daemon = self.make()
        end = self.assertRaises(StartFailed, daemon.privilegedStartService)
        self.assertEqual(end.code, 1)
        (line,) = self.log.getvalue().splitlines()
        self.assertTrue(
            line.endswith(
                "Not started: [listen] admin: can't listen on tcp:8081:interface=127.0.0.1: "
                "Address already in use"
            ),
            line,
        )

    def test_database(self) -> None:
        """
        So does a database that can't be opened.
        """
        daemon = self.make()
        (self.path.parent / "scepd.sqlite").mkdir()
        daemon.privilegedStartService()
        end = self.assertRaises(StartFailed, daemon.startService)
        self.assertEqual(end.code, 1)
        self.assertIn("critical [scepd.tap.daemon] Not started: the database", self.log.getvalue())

    def test_end_of_the_background_process(self) -> None:
        """
        twistd's parent process hears of exceptions only: of any other end it would never hear.
        """
        self.assertTrue(issubclass(StartFailed, Exception))
        self.assertEqual(str(StartFailed("no port")), "no port")

    def test_log_file(self) -> None:
        """
        A log file that can't be opened is one line, too.
        """
        path = make_folder(Path(self.mktemp()).absolute())
        daemon = Daemon(load(path), path, self.reactor, _no_log)
        end = self.assertRaises(SystemExit, daemon.setServiceParent, Application("scepd"))
        self.assertEqual(end.code, "scepd: /nowhere/log: No such file or directory")

    def test_reload(self) -> None:
        """
        Keyring, TLS files and log level are read again.
        """
        daemon = self.start(_TLS, tls=True)
        write_private(self.path.parent / "keyring", KEYRING.replace("k1", "k2") + KEYRING)
        renewed = write_tls(self.path.parent, 1)
        self.assertNotEqual(self.served_certificate(), renewed)
        self.path.write_text(_TLS + '[log]\nlevel = "debug"')
        daemon.reload()
        daemon.reload()
        self.assertEqual(list(daemon.keyring.keys), ["k2", "k1"])
        self.assertEqual(self.served_certificate(), renewed)
        self.assertEqual(self.log.getvalue().count("Reloaded keyring, TLS files, push"), 2)

    def test_changes_that_wait(self) -> None:
        """
        What was changed and needs a restart is named, and nothing that does not.
        """
        daemon = self.start(_TLS, tls=True)
        unused = "[apns]\naccept_new_topic = 'com.example'\n[log]\nlevel = 'info'\n"
        self.path.write_text(_TLS + unused)
        daemon.reload()
        self.assertNotIn("restart", self.log.getvalue())
        self.path.write_text(_TLS + unused + "format = 'json'\n[profiles]\ntick = 7\nwindow = 3600")
        daemon.reload()
        told = "Changed, but not used before a restart: [profiles] tick, [log] format"
        self.assertIn(f"warn  [scepd.tap.daemon] {told}\n", self.log.getvalue())

    def test_failed_reload(self) -> None:
        """
        When one of them can't be read, all stay as they were.
        """
        faults: tuple[Callable[[Path], object], ...] = (
            lambda folder: os.chmod(folder / "keyring", 0o644),
            lambda folder: (folder / "tls.key").write_text("none"),
            lambda folder: (folder / "scepd.toml").write_text("[log"),
        )
        for spoil in faults:
            self.log.truncate(0)
            self.reactor = _Reactor()
            daemon = self.start(_TLS, tls=True)
            folder = self.path.parent
            write_private(folder / "keyring", KEYRING.replace("k1", "k2"))
            write_tls(folder, 1)
            self.path.write_text(_TLS + '[log]\nlevel = "error"')
            spoil(folder)
            daemon.reload()
            self.assertIn("error [scepd.tap.daemon] Not reloaded: ", self.log.getvalue())
            self.assertEqual(list(daemon.keyring.keys), ["k1"])
            self.assertEqual(self.served_certificate(), self.certificate)
            # The level is as it was, too: this is told at info.
            write_private(folder / "keyring", KEYRING)
            self.path.write_text(_TLS)
            write_tls(folder)
            daemon.reload()
            self.assertIn("Reloaded", self.log.getvalue())

    def test_reload_of_push_credentials(self) -> None:
        """
        A push certificate that the file names now is used; a bad one, or one of another topic,
        leaves the old one in use, and all else as it was.
        """
        daemon = self.start()
        pushing, folder = daemon.parts.management.pushing, self.path.parent
        authority = PushAuthority()
        text = '[apns]\nhost = "127.0.0.1"\ncertificate_file = "push.pem"\n'
        first, second = new_topic(), new_topic()
        topics: list[str | None] = []
        for more, content in (
            ("", authority.push(first)),
            ("", authority.push(second)),
            ("", Pair(b"junk", b"")),
            ("", authority.push(first)),
            (f'accept_new_topic = "{second}"\n', authority.push(second)),
        ):
            (folder / "push.pem").write_bytes(content.certificate + content.key)
            self.path.write_text(text + more)
            daemon.reload()
            topics.append(pushing.topic)
        self.assertEqual(topics, [first, first, first, first, second])
        lines = self.log.getvalue().splitlines()
        refused = [line for line in lines if "Not reloaded: " in line]
        self.assertEqual(len(refused), 2)
        self.assertIn(f"topic is {second}; devices are enrolled with {first}", refused[0])
        self.assertIn("push.pem: the push key holds no private key in PEM", refused[1])

    async def test_hangup(self) -> None:
        """
        SIGHUP reloads.
        """
        self.start()
        os.kill(os.getpid(), signal.SIGHUP)
        await self.turn()
        self.assertIn("Reloaded", self.log.getvalue())

    async def test_stop(self) -> None:
        """
        A stop waits for what is under way, with ports closed and nobody let in any more.
        """
        daemon = self.start()
        exchange = object()
        daemon.parts.proxy.exchange_began(exchange)
        stopped = daemon.stopService()
        self.assertRaises(TemporaryError, daemon.parts.proxy.check_accepting)
        self.reactor.advance(29)
        self.assertNoResult(stopped)
        daemon.parts.proxy.exchange_ended(exchange)
        await stopped
        self.assertEqual(
            [line.rpartition("] ")[2] for line in self.log.getvalue().splitlines()[1:]],
            ["Stopping", "Stopped"],
        )
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    async def test_stop_timeout(self) -> None:
        """
        It waits no longer than ``stop_timeout``.
        """
        daemon = self.start("[limits]\nstop_timeout = 7")
        daemon.parts.proxy.exchange_began(object())
        stopped = daemon.stopService()
        self.reactor.advance(6.9)
        self.assertNoResult(stopped)
        self.reactor.advance(0.2)
        await stopped
        self.assertIn("warn  [scepd.tap.daemon] Stopping with work", self.log.getvalue())

    async def test_second_signal(self) -> None:
        """
        A second SIGTERM ends the waiting; a third one changes nothing.
        """
        daemon = self.start()
        daemon.parts.proxy.exchange_began(object())
        stopped = daemon.stopService()
        self.assertNoResult(stopped)
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        await stopped
        daemon.hurry()
        self.assertIn("Stopped", self.log.getvalue())

    async def turn(self) -> None:
        """
        Let the real reactor turn once or twice.
        """
        for _ in range(2):
            turned: Deferred[None] = Deferred()
            reactor.callLater(0, turned.callback, None)
            await turned
