"""
What a connection to Apple's push service and its owner know of each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from scepd.apns.events import PushAnswered
from scepd.network.apns_metrics import ReconnectCause
from scepd.network.apns_push import PendingPush, PushState

if TYPE_CHECKING:
    from scepd.network.apns_connection import APNsConnection


class ConnectionState(Enum):
    """
    The life of a connection: CONNECTING → TLS → AWAITING_SETTINGS → [PROBING] → READY ⇄ THROTTLED →
    DRAINING → CLOSED; it may end in any of them. Every state but READY has a deadline.
    """

    CONNECTING = "connecting"
    TLS = "tls"
    """
    Together with CONNECTING it is the dial that has the deadline.
    """
    AWAITING_SETTINGS = "awaiting-settings"
    """
    Nothing is sent: until SETTINGS come nobody knows how many streams there may be.
    """
    PROBING = "probing"
    """
    Token credentials: one push at a time, until the first is accepted. The deadline is the push's.
    """
    READY = "ready"
    THROTTLED = "throttled"
    """
    It takes no push, and no answer is due that could change it.
    """
    DRAINING = "draining"
    """
    It takes no push any more; answers still come.
    """
    CLOSED = "closed"
    """
    It was given up; its transport may still have to end.
    """


TAKING = frozenset((ConnectionState.PROBING, ConnectionState.READY, ConnectionState.THROTTLED))
"""
The states in which pushes may be sent, as far as there is room.
"""


class ConnectionOwner(Protocol):
    """
    Whoever opened the connection.
    """

    def connection_secured(self, connection: APNsConnection) -> None:
        """
        TLS is established.
        """

    def connection_open(self, connection: APNsConnection) -> None:
        """
        Its SETTINGS are in: it takes pushes, at first one at a time when it has to probe.
        """

    def connection_ready(self, connection: APNsConnection) -> None:
        """
        It takes as many pushes as the server allows.
        """

    def connection_proved(self, connection: APNsConnection) -> None:
        """
        A push was accepted on it, for the first time.
        """

    def connection_full(self, connection: APNsConnection) -> None:
        """
        It has no room for pushes that wait.
        """

    def connection_aged(self, connection: APNsConnection) -> None:
        """
        It has lived long enough; it goes on until it is told to drain.
        """

    def connection_spent(
        self, connection: APNsConnection, cause: ReconnectCause, reason: str | None
    ) -> None:
        """
        It takes no more pushes; another one is needed.

        :param reason: Apple's word for it, if there was one.
        """

    def connection_ended(self, connection: APNsConnection, complaint: str) -> None:
        """
        It is gone, and has reported all of its pushes.
        """


class PushSource(Protocol):
    """
    Whoever has the pushes, and wants to know what becomes of them.
    """

    def next_push(self) -> PendingPush | None:
        """
        The push that is to be sent next; it keeps waiting.
        """

    def push_sent(self, push: PendingPush) -> None:
        """
        It waits no more.
        """

    def push_failed(self, push: PendingPush) -> None:
        """
        It can't be sent, which is a fault of ours.
        """

    def pushes_accepted(self, pushes: Sequence[PendingPush]) -> None:
        """
        They were answered with 200.
        """

    def push_answered(
        self, connection: APNsConnection, push: PendingPush, answer: PushAnswered
    ) -> None:
        """
        Here is its answer, which is not 200.
        """

    def push_refused(self, connection: APNsConnection, push: PendingPush) -> None:
        """
        It was surely not processed.
        """

    def push_lost(self, push: PendingPush, complaint: str, state: PushState) -> None:
        """
        Whether it was processed will never be known.

        :param state: LOST or TIMED_OUT.
        """


class PoolOwner(PushSource, Protocol):
    """
    Whoever has the connections' pool.
    """

    def waiting_since(self) -> float | None:
        """
        Since when the next push waits (the reactor's seconds); None: there is none.
        """

    def credential_refused(self, connection: APNsConnection, reason: str) -> None:
        """
        The server refuses the credentials of a connection.
        """


class TokenSource(Protocol):
    """
    Provider tokens, which go with each push instead of a client certificate.
    """

    def authorization(self) -> bytes | None:
        """
        The header field's value; the same one until it is renewed.
        """

    def renew(self) -> None:
        """
        Apple says that the token has run out: the next one is to be another.
        """
