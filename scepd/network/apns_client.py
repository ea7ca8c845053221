"""
The way to Apple's push service: pushes in, outcomes out.

Nothing is sent twice unless the outcome was unknown, and every push has an outcome in bounded time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from twisted.internet.defer import Deferred, succeed
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
from scepd.network.apns_maker import Route
from scepd.network.apns_metrics import APNsMetrics, NoMetrics, ReconnectCause
from scepd.network.apns_owner import TokenSource
from scepd.network.apns_pool import APNsPool
from scepd.network.apns_push import PendingPush, PushState
from scepd.network.apns_waiting import WaitingPushes

_log = Logger()

STOPPING = "scepd is stopping"
_MOST_REFUSALS = 5
_NEW_CONNECTION = frozenset((Action.RECONNECT, Action.RECONNECT_LATER))
_DONE = OutcomeKind.DONE


class APNsClient:
    """
    Sends pushes (a :class:`scepd.ports.PushGateway`, and its connections' PoolOwner).

    :param reactor: provides IReactorTime.
    :param random: gives a number from 0 up to 1.
    :param metrics: who counts.
    :param tokens: for token credentials; None: there is a client certificate.
    """

    def __init__(
        self,
        reactor: Any,
        route: Route,
        credentials: PushCredentials,
        limits: APNsLimits,
        random: Random,
        *,
        metrics: APNsMetrics | None = None,
        tokens: TokenSource | None = None,
    ) -> None:
        self._limits = limits
        self._random = random
        self._tokens = tokens
        self._waiting = WaitingPushes(reactor, limits.queue_timeout, self._waited_too_long)
        counting = metrics or NoMetrics()
        self._pool = APNsPool(reactor, route, credentials, limits, random, self, counting, tokens)
        self._topic = credentials.topic
        self._suspended: str | None = None
        self._closing = False
        self._resumed: list[Callable[[], object]] = []

    # -- what the services and the composition do with it ------------------------------------------

    @property
    def topic(self) -> str:
        """
        The push certificate's topic.
        """
        return self._topic

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
        if self._pool.connections:
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
        Connections that take pushes.
        """
        return self._pool.connections

    def start(self) -> None:
        """
        Connect, and stay connected; the first push does it too.
        """
        self._pool.ensure()

    def push(self, notification: Notification, /, *, attempt: int = 0) -> Deferred[PushOutcome]:
        """
        Send a push. While one to the same device still waits, both become one, the newer.

        :param attempt: how often this push was sent before; ``retry_after`` grows with it.
        :returns: fires with what became of it, and never fails unless it is cancelled.
        """
        if self._closing or self._suspended is not None or notification.topic != self._topic:
            return succeed(self._refusal(notification))
        waiting = self._waiting
        same, most = waiting.find(notification.token), self._limits.max_waiting
        if same is not None and same.waiters < most:
            return same.join(notification, attempt)
        if same is not None or len(waiting) >= most:
            return succeed(unsent("too many pushes wait", self._random))
        outcome = waiting.add(notification, attempt)
        self._pool.ensure()
        return outcome

    def when_resumed(self, call: Callable[[], object]) -> None:
        """
        Have ``call`` called each time that suspended pushes may go again.
        """
        self._resumed.append(call)

    def use_credentials(self, credentials: PushCredentials, *, force: bool = False) -> None:
        """
        Change the certificate: on a new connection, while the old one goes on until that is ready.

        The same certificate once more changes nothing, but while pushes are suspended it is tried
        again: Apple may have come to like it.

        :param force: even if it has another topic, which makes every enrolled device unreachable.
        :raises Conflict: it has another topic.
        """
        if credentials.topic != self._topic and not force:
            raise Conflict(
                f"the new push certificate's topic is {credentials.topic} "
                f"instead of {self._topic}: no enrolled device would be reachable"
            )
        was_suspended = self._suspended is not None
        if self._closing or (credentials == self._pool.credentials and not was_suspended):
            return
        self._suspended = None
        at_once = was_suspended or credentials.topic != self._topic
        if credentials.topic != self._topic:
            self._topic = credentials.topic
            self._settle_waiting(_other_topic())
        self._pool.use_credentials(credentials, at_once=at_once)
        if was_suspended:
            for call in self._resumed:
                call()

    async def close(self) -> None:
        """
        Send nothing more, wait for the answers that are due, and for the connections to end.
        """
        if not self._closing:
            self._closing = True
            self._pool.hang_up()
            self._settle_waiting(unsent(STOPPING, self._random))
        await self._pool.closed()

    # -- PoolOwner ---------------------------------------------------------------------------------

    def waiting_since(self) -> float | None:
        """
        Since when the next push waits.
        """
        return self._waiting.since

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

    def push_failed(self, push: PendingPush) -> None:
        """
        It would fail again.
        """
        reason = "a fault in scepd"
        outcome = PushOutcome(OutcomeKind.PERMANENT, reason=reason, sent=False)
        push.settle(outcome, PushState.UNSENT)

    def pushes_accepted(self, pushes: Sequence[PendingPush]) -> None:
        """
        Apple took them.
        """
        for push in pushes:
            push.settle(PushOutcome(_DONE, 200, "", push.notification.apns_id))

    def push_answered(
        self, connection: APNsConnection, push: PendingPush, answer: PushAnswered
    ) -> None:
        """
        Apple answered, and did not just take it.
        """
        action = action_of(answer.status, answer.reason)
        if action is Action.RENEW_TOKEN and self._renewed_token(connection, push):
            return
        outcome = answered(answer, push.notification.apns_id, push.attempt, self._random)
        if outcome.kind is OutcomeKind.SUSPENDED:
            self._credential_answer(connection, push, outcome)
            return
        if action in _NEW_CONNECTION:
            self._pool.replace(connection, ReconnectCause.ASKED)
        elif answer.status < 500:
            connection.prove()
        push.settle(outcome)

    def push_refused(self, connection: APNsConnection, push: PendingPush) -> None:
        """
        It goes out again at once: on this connection, then on another, but not for ever.
        """
        self._send_again(push)
        if push.refusals > 1 and push.state is PushState.QUEUED:
            self._pool.replace(connection, ReconnectCause.ASKED)

    def push_lost(self, push: PendingPush, complaint: str, state: PushState) -> None:
        """
        The sender may send it again, with the same apns-id.
        """
        apns_id = push.notification.apns_id
        push.settle(lost(complaint, apns_id, push.attempt, self._random), state)

    def credential_refused(self, connection: APNsConnection, reason: str) -> None:
        """
        Send nothing more until there is another certificate, unless there is one.
        """
        if self._pool.falls_back(connection, reason):
            return
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

    def _refusal(self, notification: Notification) -> PushOutcome:
        if self._closing:
            return unsent(STOPPING, self._random)
        if self._suspended is not None:
            return suspended(self._suspended)
        return _other_topic()

    def _send_again(self, push: PendingPush) -> None:
        push.refusals += 1
        if push.settled:
            return
        refused = self._closing or self._suspended is not None
        if refused or push.notification.topic != self._topic:
            push.settle(self._refusal(push.notification), PushState.UNSENT)
        elif push.refusals > _MOST_REFUSALS:
            refusal = unsent("the push service refuses to take it", self._random)
            push.settle(refusal, PushState.UNSENT)
        else:
            self._waiting.add_refused(push)
            self._pool.ensure()

    def _credential_answer(
        self, connection: APNsConnection, push: PendingPush, outcome: PushOutcome
    ) -> None:
        self.credential_refused(connection, outcome.reason or f"status {outcome.status}")
        if self._suspended is None and not self._closing:
            # The other certificate has not been tried.
            self._send_again(push)
        else:
            push.settle(outcome)

    def _renewed_token(self, connection: APNsConnection, push: PendingPush) -> bool:
        if self._tokens is None or push.renewed:
            return False
        push.renewed = True
        if self._pool.is_open(connection):
            # The first of perhaps many pushes with that token.
            self._tokens.renew()
            self._pool.replace(connection, ReconnectCause.CREDENTIAL)
        self._send_again(push)
        return True

    def _settle_waiting(self, outcome: PushOutcome) -> None:
        self._settle(self._waiting.take_all(), outcome)

    def _waited_too_long(self, pushes: list[PendingPush]) -> None:
        self._settle(pushes, unsent(self._pool.complaint or "no connection took it", self._random))

    def _settle(self, pushes: list[PendingPush], outcome: PushOutcome) -> None:
        for push in pushes:
            push.settle(outcome, PushState.UNSENT)


def _other_topic() -> PushOutcome:
    # Apple would refuse the certificate, and so all other pushes.
    reason = "its topic is not the push certificate's"
    return PushOutcome(OutcomeKind.PERMANENT, reason=reason, sent=False)
