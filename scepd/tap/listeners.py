"""
The listeners of the daemon.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IListeningPort, IStreamServerEndpoint
from twisted.protocols.tls import TLSMemoryBIOFactory

from scepd.config import Configuration
from scepd.errors import ConfigurationError
from scepd.network.direct import send_directly
from scepd.network.server_tls import ReloadableTLS


def check_listeners(configuration: Configuration, path: Path) -> None:
    """
    See whether the endpoint strings of ``[listen]`` are some, without opening anything.

    :param path: the configuration's file.
    :raises ConfigurationError: one is not.
    """
    for name in _names(configuration):
        try:
            _endpoint(configuration, name, None)
        except ConfigurationError as error:
            raise ConfigurationError(f"{path}: {error}") from None


def _names(configuration: Configuration) -> tuple[str, ...]:
    names = ("devices", "admin")
    return names if configuration.listen.mdm_mtls is None else (*names, "mdm_mtls")


def _endpoint(configuration: Configuration, name: str, reactor: Any) -> IStreamServerEndpoint:
    listen = configuration.listen
    description = getattr(listen, name)
    try:
        endpoint: IStreamServerEndpoint = serverFromString(reactor, description)
    except (ValueError, TypeError, LookupError):
        allowed = type(listen).model_fields[name].description
        raise ConfigurationError(
            f"[listen] {name}: found {description!r}; allowed: {allowed}"
        ) from None
    return endpoint


class Listeners:
    """
    The open ports.
    """

    def __init__(self, configuration: Configuration, reactor: Any) -> None:
        self._configuration = configuration
        self._reactor = reactor
        self._ports: list[IListeningPort] = []

    def open(self, name: str, factory: Any, tls: ReloadableTLS | None) -> None:
        """
        Open the listener that ``[listen]`` has under this name.

        :param tls: what it speaks TLS with; None: it does not.
        :raises ConfigurationError: it can't be opened.
        """
        if tls is not None:
            factory = TLSMemoryBIOFactory(tls, False, factory, self._reactor)
        endpoint = _endpoint(self._configuration, name, self._reactor)
        failed: list[BaseException] = []
        endpoint.listen(factory).addCallbacks(self._opened, lambda f: failed.append(f.value))
        if failed:
            # The text of Twisted's own CannotListenError repeats the address around the reason.
            error = getattr(failed[0], "socketError", failed[0])
            description = getattr(self._configuration.listen, name)
            raise ConfigurationError(
                f"[listen] {name}: can't listen on {description}: "
                f"{getattr(error, 'strerror', None) or error}"
            )

    def _opened(self, port: IListeningPort) -> None:
        send_directly(port)
        self._ports.append(port)

    def close(self) -> Deferred[Any]:
        """
        Take no more connections; those that are open stay.
        """
        return DeferredList([maybeDeferred(port.stopListening) for port in self._ports])

    def trouble(self) -> str:
        """
        What is wrong, or an empty text.
        """
        expected = len(_names(self._configuration))
        return "" if len(self._ports) == expected else "not all listeners are open"
