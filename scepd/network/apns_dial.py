"""
Connects to Apple's push service, and waits longer and longer when that comes to nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.interfaces import IDelayedCall, IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure

from scepd.apns.retry import DIALLING, Random
from scepd.network.apns_connection import APNsConnection


class DialOwner(Protocol):
    """
    Whoever wants a connection.
    """

    def make_endpoint(self) -> IStreamClientEndpoint:
        """
        What connects.
        """

    def make_connection(self) -> APNsConnection:
        """
        A new connection, not yet connected.
        """

    def tcp_connected(self, connection: APNsConnection) -> None:
        """
        It is connected, and about to shake hands; it reports to its own owner from now on.
        """

    def not_connected(self, complaint: str) -> None:
        """
        This attempt failed; :meth:`Dial.begin` makes the next.
        """


class Dial:
    """
    At most one attempt at a time, until its TLS is established.

    :param clock: provides IReactorTime.
    :param timeout: seconds for name, TCP and TLS together.
    """

    def __init__(self, clock: Any, timeout: float, random: Random, owner: DialOwner) -> None:
        self._clock = clock
        self._timeout = timeout
        self._random = random
        self._owner = owner
        self._failures = 0
        self._timer: IDelayedCall | None = None
        self._attempt: Deferred[None] | None = None
        self._connection: APNsConnection | None = None

    @property
    def under_way(self) -> bool:
        """
        Whether an attempt is being made, or will be.
        """
        return self._timer is not None

    def begin(self) -> None:
        """
        Make an attempt: at once after a connection that was worth it, later after failures.
        """
        if self._timer is None:
            delay = DIALLING.delay(self._failures - 1, self._random) if self._failures else 0
            self._failures += 1
            self._timer = self._clock.callLater(delay, self._connect)

    def proved(self) -> None:
        """
        The last connection was worth it: the next attempt needs no delay.
        """
        self._failures = 0

    def done(self) -> None:
        """
        The attempt succeeded, or failed in a way that its owner knows of.
        """
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()
        self._attempt = self._connection = None

    def cancel(self) -> None:
        """
        Make no attempt any more; a connection in TLS ends.
        """
        attempt, connection = self._attempt, self._connection
        self.done()
        if connection is not None:
            connection.abort("it is not needed any more")
        elif attempt is not None:
            attempt.cancel()

    # -- inside ------------------------------------------------------------------------------------

    def _connect(self) -> None:
        self._timer = self._clock.callLater(self._timeout, self._time_out)
        made: Callable[[], APNsConnection] = self._owner.make_connection
        connecting = self._owner.make_endpoint().connect(Factory.forProtocol(made))
        self._attempt = connecting.addCallbacks(self._tcp_connected, self._failed)

    def _tcp_connected(self, connection: APNsConnection | None) -> None:
        if self._timer is not None and connection is not None:
            self._connection = connection
            self._owner.tcp_connected(connection)

    def _failed(self, reason: Failure) -> None:
        if self._timer is None:
            return
        self.done()
        self._owner.not_connected(_complaint(reason))

    def _time_out(self) -> None:
        complaint = f"no connection with TLS within {self._timeout:g} s"
        attempt, connection = self._attempt, self._connection
        self.done()
        if connection is not None:
            connection.abort(complaint)
        else:
            if attempt is not None:
                attempt.cancel()
            self._owner.not_connected(complaint)


def _complaint(reason: Failure) -> str:
    if reason.check(DNSLookupError):
        return "its name has no address"
    if isinstance(reason.value, ConnectError):
        return str(reason.value).rstrip(".")
    return reason.type.__name__ if reason.type is not None else "unknown"
