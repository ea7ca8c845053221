"""
What a connection to Apple's push service and its owner know of each other.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Protocol

from scepd.apns.events import PushAnswered
from scepd.network.apns_waiting import PendingPush

if TYPE_CHECKING:
    from scepd.network.apns_connection import APNsConnection


class ConnectionState(Enum):
    """
    The life of a connection; every state but READY has a deadline.
    """

    SHAKING_HANDS = "shaking-hands"
    AWAITING_SETTINGS = "awaiting-settings"
    READY = "ready"
    THROTTLED = "throttled"
    DRAINING = "draining"
    CLOSED = "closed"


class ConnectionOwner(Protocol):
    """
    Whoever opened the connection.
    """

    def connection_secured(self, connection: APNsConnection) -> None:
        """
        TLS is established.
        """

    def connection_ready(self, connection: APNsConnection) -> None:
        """
        It takes pushes.
        """

    def connection_spent(self, connection: APNsConnection, reason: str | None) -> None:
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

    def push_answered(
        self, connection: APNsConnection, push: PendingPush, answer: PushAnswered
    ) -> None:
        """
        Here is its answer.
        """

    def push_refused(self, connection: APNsConnection, push: PendingPush) -> None:
        """
        It was surely not processed.
        """

    def push_lost(self, push: PendingPush, complaint: str) -> None:
        """
        Whether it was processed will never be known.
        """

    def credential_refused(self, reason: str) -> None:
        """
        The server refuses our certificate.
        """
