"""
The way to Apple's push service: pushes in, outcomes out.

Nothing is sent twice unless the outcome was unknown, and every push has an outcome in bounded time.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from twisted.logger import Logger

from scepd.apns.credentials import PushCredentials
from scepd.apns.events import PushAnswered
from scepd.apns.notification import Notification
from scepd.apns.outcome import (
    GatewayState,
    OutcomeKind,
    PushOutcome,
    answered,
    lost,
    suspended,
    unsent,
)
from scepd.apns.reasons import Action, action_of
from scepd.apns.retry import Random
from scepd.errors import Conflict
from scepd.network.apns_connection import APNsConnection
from scepd.network.apns_limits import APNsLimits as APNsLimits
from scepd.network.apns_pool import APNsPool, Route
from scepd.network.apns_waiting import PendingPush, WaitingPushes

_log = Logger()

STOPPING = "scepd is stopping"
_MOST_REFUSALS = 5
_NEW_CONNECTION = frozenset((Action.RECONNECT, Action.RECONNECT_LATER))


class APNsClient:
    """
    Sends pushes (a :class:`scepd.ports.PushGateway`, and its connections' PushSource).

    :param reactor: provides IReactorTime.
    :param random: gives a number from 0 up to 1.
    """

    def __init__(
        self,
        reactor: Any,
        route: Route,
        credentials: PushCredentials,
        limits: APNsLimits,
        random: Random,
    ) -> None:
        self._limits = limits
        self._random = random
        self._waiting = WaitingPushes(reactor, limits.queue_timeout, self._waited_too_long)
        self._pool = APNsPool(reactor, route, credentials, limits, random, self)
        self._suspended: str | None = None
        self._closing = False

    # -- what the services and the composition do with it ------------------------------------------

    @property
    def topic(self) -> str:
        """
        The push certificate's topic.
        """
        return self._pool.credentials.topic

    @property
    def not_after(self) -> datetime | None:
        """
        When the push certificate expires; None: a provider token does not.
        """
        return self._pool.credentials.not_after

    @property
    def state(self) -> GatewayState:
        """
        How we stand with Apple.
        """
        if self._closing:
            return GatewayState.CLOSED
        if self._suspended is not None:
            return GatewayState.SUSPENDED
        if self._pool.connected:
            return GatewayState.CONNECTED
        return GatewayState.CONNECTING if self._pool.connecting else GatewayState.DISCONNECTED

    @property
    def complaint(self) -> str:
        """
        What is wrong, for operators; empty when all is well.
        """
        if self._suspended is not None:
            return f"the push service refuses the push certificate: {self._suspended}"
        return self._pool.complaint

    @property
    def waiting(self) -> int:
        """
        Pushes that are not sent yet.
        """
        return len(self._waiting)

    @property
    def in_flight(self) -> int:
        """
        Pushes that were sent and have no answer yet.
        """
        return self._pool.in_flight

    @property
    def connections(self) -> int:
        """
        Connections, those included that only wait for answers.
        """
        return self._pool.connections

    def start(self) -> None:
        """
        Connect, and stay connected; the first push does it too.
        """
        self._pool.ensure()

    async def push(self, notification: Notification, *, attempt: int = 0) -> PushOutcome:
        """
        Send a push and wait for what becomes of it; never raises. May be cancelled.

        :param attempt: how often this push was sent before; ``retry_after`` grows with it.
        """
        refusal = self._refusal(notification) or self._too_many()
        if refusal is not None:
            return refusal
        push = PendingPush(notification, attempt)
        self._waiting.add(push)
        self._pool.ensure()
        try:
            return await push.outcome
        finally:
            self._waiting.remove(push)

    def use_credentials(self, credentials: PushCredentials, *, force: bool = False) -> None:
        """
        Change the certificate: on a new connection, while the old one waits for its answers.

        :param force: even if it has another topic, which makes every enrolled device unreachable.
        :raises Conflict: it has another topic.
        """
        if credentials.topic != self.topic and not force:
            raise Conflict(
                f"the new push certificate's topic is {credentials.topic} instead of {self.topic}: "
                "no enrolled device would be reachable"
            )
        if not self._closing:
            self._suspended = None
            self._pool.resume(credentials)

    async def close(self) -> None:
        """
        Send nothing more, wait for the answers that are due, and for the connections to end.
        """
        if not self._closing:
            self._closing = True
            self._pool.hang_up()
            self._settle_waiting(unsent(STOPPING, self._random))
        await self._pool.closed()

    # -- PushSource --------------------------------------------------------------------------------

    def next_push(self) -> PendingPush | None:
        """
        The push that waits longest.
        """
        return self._waiting.first()

    def push_sent(self, push: PendingPush) -> None:
        """
        It waits no more.
        """
        self._waiting.remove(push)

    def push_answered(
        self, connection: APNsConnection, push: PendingPush, answer: PushAnswered
    ) -> None:
        """
        Apple answered.
        """
        self._pool.proved()
        notification = push.notification
        outcome = answered(answer, notification.apns_id, push.attempt, self._random)
        if outcome.kind is OutcomeKind.SUSPENDED and not self._pool.uses(connection):
            outcome = unsent("the push certificate was replaced meanwhile", self._random)
        elif outcome.kind is OutcomeKind.SUSPENDED:
            self.credential_refused(outcome.reason or f"status {answer.status}")
        elif action_of(answer.status, answer.reason) in _NEW_CONNECTION:
            self._pool.replace(connection)
        push.settle(outcome)

    def push_refused(self, connection: APNsConnection, push: PendingPush) -> None:
        """
        It goes out again at once: on this connection, then on another, but not for ever.
        """
        push.refusals += 1
        if push.settled:
            return
        refusal = self._refusal(push.notification)
        if refusal is None and push.refusals > _MOST_REFUSALS:
            refusal = unsent("the push service refuses to take it", self._random)
        if refusal is not None:
            push.settle(refusal)
            return
        self._waiting.add_refused(push)
        if push.refusals > 1:
            self._pool.replace(connection)

    def push_lost(self, push: PendingPush, complaint: str) -> None:
        """
        The sender may send it again, with the same apns-id.
        """
        push.settle(lost(complaint, push.notification.apns_id, push.attempt, self._random))

    def credential_refused(self, reason: str) -> None:
        """
        Send nothing more until there is another certificate.
        """
        if self._suspended is None:
            self._suspended = reason
            _log.error(
                "Pushes are suspended until the push certificate changes: {host} says {reason}",
                host=self._pool.host,
                reason=reason,
            )
        self._pool.hang_up()
        self._settle_waiting(suspended(reason))

    # -- inside ------------------------------------------------------------------------------------

    def _refusal(self, notification: Notification) -> PushOutcome | None:
        if self._closing:
            return unsent(STOPPING, self._random)
        if self._suspended is not None:
            return suspended(self._suspended)
        if notification.topic != self.topic:
            # Apple would refuse the certificate, and so all other pushes.
            reason = "its topic is not the push certificate's"
            return PushOutcome(OutcomeKind.PERMANENT, reason=reason, sent=False)
        return None

    def _too_many(self) -> PushOutcome | None:
        if len(self._waiting) < self._limits.max_waiting:
            return None
        return unsent("too many pushes wait", self._random)

    def _settle_waiting(self, outcome: PushOutcome) -> None:
        for push in self._waiting.take_all():
            push.settle(outcome)

    def _waited_too_long(self, pushes: list[PendingPush]) -> None:
        outcome = unsent(self._pool.complaint or "no connection took it", self._random)
        for push in pushes:
            push.settle(outcome)
