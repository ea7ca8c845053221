"""
The daemon's life: its start, its reload, its stop.
"""

from __future__ import annotations

import gc
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import ILogObserver, Logger
from twisted.python.components import Componentized

from scepd import __version__
from scepd.config import Configuration, load, push_credentials, waiting_changes
from scepd.errors import ScepdError
from scepd.logs import LogStream, LogWriter
from scepd.tap.composition import Composition
from scepd.tap.files import device_secrets, mtls, read_keyring, server_tls
from scepd.tap.listeners import Listeners
from scepd.tap.reactor_delay import ReactorDelay

_log = Logger()
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Daemon(MultiService):
    """
    Everything that runs, in the order of its start.

    :param path: the configuration's file, read again by :meth:`reload`.
    :param reactor: the reactor, handed to whatever needs time, sockets or threads.
    :param log_stream: opens what log lines are written to.

    ``keyring`` and ``parts`` are there from :meth:`privilegedStartService` on.
    """

    def __init__(
        self,
        configuration: Configuration,
        path: Path,
        reactor: Any,
        log_stream: Callable[[], LogStream],
    ) -> None:
        super().__init__()
        self._configuration = configuration
        self._path = path
        self._reactor = reactor
        self._log_stream = log_stream
        self._listeners = Listeners(configuration, reactor)
        self._draining: Deferred[None] | None = None

    def setServiceParent(self, parent: Any) -> None:
        """
        Log in our own format, for as long as the application runs.
        """
        settings = self._configuration.log
        try:
            stream = self._log_stream()
        except OSError as error:
            raise SystemExit(f"scepd: {error.filename}: {error.strerror}") from None
        self._log_writer = LogWriter(stream, settings.format, settings.level)
        if isinstance(parent, Componentized):
            parent.setComponent(ILogObserver, self._log_writer)
        super().setServiceParent(parent)

    def privilegedStartService(self) -> None:
        """
        Open the listeners, which may need privileges; they are served once the reactor runs.
        """
        with _refusing():
            self.keyring = read_keyring(self._configuration)
            tls, asking_tls = server_tls(self._configuration), mtls(self._configuration)
            self._tls = [each for each in (tls, asking_tls) if each is not None]
            self.parts = parts = Composition(
                self._configuration,
                self._reactor,
                lambda: self.keyring,
                device_secrets(self._configuration, self._reactor.seconds),
                self._listeners.trouble,
                lambda level: self._log_writer.tells(level),
            )
            self._listeners.open("devices", parts.device_site, tls)
            admin_tls = tls if self._configuration.listen.admin_tls else None
            self._listeners.open("admin", parts.admin_site, admin_tls)
            if asking_tls is not None:
                self._listeners.open("mdm_mtls", parts.make_mtls_site(), asking_tls)
        super().privilegedStartService()

    def startService(self) -> None:
        """
        Open the database; a failure ends the process.
        """
        with _refusing():
            self.parts.database.start()
        self.parts.management.start()
        ReactorDelay(self._reactor, self.parts.metrics).setServiceParent(self)
        self._log_writer.gather(lambda flush: self._reactor.callLater(0, flush))
        # What was made so far stays: no collection has to look at it again.
        gc.collect()
        gc.freeze()
        self._on_signal((signal.SIGHUP,), self.reload)
        super().startService()
        listen = self._configuration.listen
        _log.info(
            "scepd {version} is ready: devices on {devices}, admin on {admin}{asking}",
            version=__version__,
            devices=listen.devices,
            admin=listen.admin,
            asking="" if listen.mdm_mtls is None else f", client certificates on {listen.mdm_mtls}",
        )

    def stopService(self) -> Deferred[None]:
        """
        Stop gracefully: nothing new, running exchanges end, the database is closed last.
        """
        self._on_signal(_STOP_SIGNALS, self.hurry)
        return Deferred.fromCoroutine(self._stop())

    def reload(self) -> None:
        """
        Read keyring, TLS files, push credentials and log level again; unless all can be read, all
        stay as they were. Where push credentials and the log level are, and what they are, is read
        from the configuration of now; everything else in it needs a restart.
        """
        pushing = self.parts.management.pushing
        try:
            configuration = load(self._path)
            apns = configuration.apns
            keyring = read_keyring(self._configuration)
            credentials = push_credentials(apns, self._reactor.seconds)
            pushing.check(credentials, apns.accept_new_topic)
            for tls in self._tls:
                tls.reload()
        except ScepdError as error:
            _log.error("Not reloaded: {reason}", reason=str(error))
            return
        self.keyring = keyring
        pushing.use(credentials)
        self._log_writer.set_level(configuration.log.level)
        _log.info("Reloaded keyring, TLS files, push credentials and log level")
        waiting = ", ".join(waiting_changes(self._configuration, configuration))
        if waiting:
            _log.warn("Changed, but not used before a restart: {keys}", keys=waiting)

    def hurry(self) -> None:
        """
        Wait no longer for running exchanges: what a second signal to stop means.
        """
        if self._draining is not None:
            self._draining.cancel()

    async def _stop(self) -> None:
        _log.info("Stopping")
        parts = self.parts
        parts.proxy.stop_accepting()
        await self._listeners.close()
        await self._drain(parts.proxy.wait_until_idle)
        await self._drain(parts.management.stop)
        parts.upstream.close()
        await parts.database.stop()
        await MultiService.stopService(self)
        self._log_writer.gather(None)
        _log.info("Stopped")

    async def _drain(self, wait: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """
        Wait for running work, at most for ``stop_timeout`` and until :meth:`hurry`; whatever
        becomes of it, the stop goes on.
        """
        waiting = self._draining = Deferred.fromCoroutine(wait())
        seconds = self._configuration.limits.stop_timeout
        deadline = self._reactor.callLater(seconds, waiting.cancel)
        try:
            await waiting
        except CancelledError:
            _log.warn("Stopping with work under way; devices will try again")
        except ScepdError as error:
            _log.error("Not everything ended well: {reason}", reason=str(error))
        finally:
            self._draining = None
            if deadline.active():
                deadline.cancel()

    def _on_signal(self, signals: tuple[int, ...], call: Callable[[], None]) -> None:
        for number in signals:
            signal.signal(number, lambda *_: self._reactor.callFromThread(call))


class StartFailed(SystemExit, Exception):
    """
    Ends the process with exit status 1, without a traceback.

    It is an Exception too, because twistd tells the terminal of no other from the background: its
    parent process would wait for ever.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.code = 1


@contextmanager
def _refusing() -> Iterator[None]:
    """
    End the process, with one line in the log, when something is not as it must be.
    """
    try:
        yield
    except ScepdError as error:
        _log.critical("Not started: {reason}", reason=str(error))
        raise StartFailed(str(error)) from None
