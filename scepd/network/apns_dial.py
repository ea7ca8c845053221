"""
Connects to Apple's push service, and waits longer and longer when that comes to nothing.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Protocol

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.interfaces import IDelayedCall, IProtocol
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure

from scepd.apns.credentials import PushCredentials
from scepd.apns.retry import DIALLING, Random
from scepd.errors import UpstreamError
from scepd.network.apns_connection import APNsConnection
from scepd.network.apns_maker import ConnectionMaker
from scepd.network.apns_owner import ConnectionOwner

# Whatever the reasons are: more attempts than that in so many seconds would look like an attack.
_BURST = 5
_BURST_SECONDS = 10.0


class DialOwner(ConnectionOwner, Protocol):
    """
    Whoever wants a connection.
    """

    def choose_credentials(self) -> PushCredentials:
        """
        What the next attempt is made with.
        """

    def not_connected(self, credentials: PushCredentials, complaint: str) -> None:
        """
        This attempt failed; :meth:`Dial.begin` makes the next.
        """


class Dial:
    """
    At most one attempt at a time, until pushes may be sent.

    :param clock: provides IReactorTime.
    :param timeout: seconds for name, TCP and TLS together.
    """

    def __init__(
        self, clock: Any, timeout: float, random: Random, maker: ConnectionMaker, owner: DialOwner
    ) -> None:
        self._clock = clock
        self._timeout = timeout
        self._random = random
        self._maker = maker
        self._owner = owner
        self._failures = 0
        self._opened = False
        self._begun: deque[float] = deque(maxlen=_BURST)
        self._timer: IDelayedCall | None = None
        self._attempt: Deferred[None] | None = None
        self._connection: APNsConnection | None = None
        self._credentials: PushCredentials | None = None

    @property
    def under_way(self) -> bool:
        """
        Whether an attempt is being made, or will be.
        """
        return self._timer is not None or self._connection is not None

    @property
    def connection(self) -> APNsConnection | None:
        """
        That of the attempt, once TCP is connected.
        """
        return self._connection

    @property
    def credentials(self) -> PushCredentials | None:
        """
        What the attempt is made with; None: there is none.
        """
        return self._credentials

    @property
    def resting(self) -> bool:
        """
        Whether the next attempt waits for its time.
        """
        return self._timer is not None and self._credentials is None

    def begin(self, *, more: bool = False) -> None:
        """
        Make an attempt: at once after a connection that was worth it, later after failures.

        :param more: the last connection is still there; if it was to be had, so may be this one.
        """
        if self.under_way:
            return
        if more and self._opened:
            self._failures = 0
        delay = DIALLING.delay(self._failures - 1, self._random) if self._failures else 0
        if not self._failures and self._is_burst():
            delay = DIALLING.delay(0, self._random)
        self._failures += 1
        self._opened = False
        self._timer = self._clock.callLater(delay, self._connect)

    def proved(self) -> None:
        """
        The last connection was worth it: the next attempt needs no delay.
        """
        self._failures = 0

    def secured(self, connection: APNsConnection) -> None:
        """
        TLS is established: from now on the connection has a deadline of its own.
        """
        if connection is self._connection:
            self._disarm()

    def opened(self, connection: APNsConnection) -> None:
        """
        A connection takes pushes.
        """
        self._opened = self.done(connection) or self._opened

    def done(self, connection: APNsConnection) -> bool:
        """
        A connection has ended, or is none of the dial's business any more.

        :returns: whether it was this attempt's; then the attempt is over.
        """
        if connection is not self._connection:
            return False
        self._disarm()
        self._attempt = self._connection = self._credentials = None
        return True

    def cancel(self) -> None:
        """
        Make no attempt any more; the connection of the last one ends.
        """
        attempt, connection = self._attempt, self._connection
        self._disarm()
        self._attempt = self._connection = self._credentials = None
        if connection is not None:
            connection.abort("it is not needed any more")
        elif attempt is not None:
            attempt.cancel()

    # -- inside ------------------------------------------------------------------------------------

    def _is_burst(self) -> bool:
        begun = self._begun
        return len(begun) == _BURST and self._clock.seconds() - begun[0] < _BURST_SECONDS

    def _connect(self) -> None:
        self._begun.append(self._clock.seconds())
        credentials = self._credentials = self._owner.choose_credentials()
        self._timer = self._clock.callLater(self._timeout, self._time_out)

        def connect() -> Deferred[IProtocol]:
            maker, owner = self._maker, self._owner
            factory = Factory.forProtocol(lambda: maker.connection(credentials, owner))
            return maker.endpoint(credentials).connect(factory)

        attempt: Deferred[Any] = maybeDeferred(connect)
        # It may be over before this returns.
        self._attempt = attempt
        attempt.addCallbacks(
            self._tcp_connected, self._failed, callbackArgs=(attempt,), errbackArgs=(attempt,)
        )

    def _tcp_connected(self, connection: APNsConnection | None, attempt: Deferred[Any]) -> None:
        if attempt is not self._attempt:
            if connection is not None:
                connection.abort("it came too late")
        elif connection is not None:
            self._connection = connection

    def _failed(self, reason: Failure, attempt: Deferred[Any]) -> None:
        if attempt is self._attempt:
            self._give_up(_complaint(reason))

    def _time_out(self) -> None:
        complaint = f"no connection with TLS within {self._timeout:g} s"
        self._timer = None
        if self._connection is not None:
            # Its end is reported by itself.
            self._connection.abort(complaint)
            return
        attempt = self._attempt
        self._give_up(complaint)
        if attempt is not None:
            attempt.cancel()

    def _give_up(self, complaint: str) -> None:
        credentials = self._credentials
        self._disarm()
        self._attempt = self._credentials = None
        if credentials is not None:
            self._owner.not_connected(credentials, complaint)

    def _disarm(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()


def _complaint(reason: Failure) -> str:
    error = reason.value
    if isinstance(error, DNSLookupError):
        return "its name has no address"
    if isinstance(error, UpstreamError):
        # What a proxy on the way has to say.
        return error.sentence
    if isinstance(error, ConnectError):
        return str(error).rstrip(".")
    return type(error).__name__
