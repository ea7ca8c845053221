"""
Pushes: the way to Apple, what is sent on it, and the change of what Apple knows us by.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from twisted.logger import Logger

from scepd.apns.credentials import PushCredentials
from scepd.apns.expiry import expiry_complaint
from scepd.apns.outcome import GatewayState
from scepd.config import APNsSection
from scepd.errors import Conflict
from scepd.metrics import Metrics
from scepd.network.apns_client import APNsClient
from scepd.network.apns_limits import APNsLimits
from scepd.network.apns_route import APNsRoute
from scepd.ports import PushStore, PushTopics
from scepd.services.apple_answers import AnswerCount, AppleAnswers
from scepd.services.clock import utc_now
from scepd.services.enrolled_topics import EnrolledTopics
from scepd.services.expiry_reminder import ExpiryReminder
from scepd.services.push import PushSender, PushSettings
from scepd.tap.files import DeviceSecrets
from scepd.tap.push_tokens import PushTokens
from scepd.tap.surroundings import Surroundings

_NO_PUSHES = "[apns] names no credentials, so that no device can be pushed to"

_log = Logger()


class Pushing:
    """
    Nothing, until there are credentials; then a gateway and the sender of what is wished.

    :param tells: whether anybody hears the log lines that are no warnings.
    """

    def __init__(
        self,
        around: Surroundings,
        store: PushStore,
        topics: PushTopics,
        metrics: Metrics,
        secrets: DeviceSecrets,
        tells: Callable[[], bool],
    ) -> None:
        self._around = around
        self._store = store
        self._roots = secrets.push_roots
        self._credentials = credentials = secrets.push
        self._tells = tells
        self._started = False
        self.answers = AppleAnswers(metrics, around.reactor)
        self._reminder = ExpiryReminder(around.reactor, lambda: self.not_after, around.jitter)
        self._topics = EnrolledTopics(topics, around.reactor, lambda: self.topic, around.jitter)
        self._gateway = None if credentials is None else self._make_gateway(credentials)
        self._sender = None if self._gateway is None else self._make_sender(self._gateway)
        self._observe(metrics)

    # -- its life ----------------------------------------------------------------------------------

    def start(self) -> None:
        """
        Connect, and send what is due.
        """
        self._started = True
        self._reminder.start()
        self._topics.start()
        self._start_sending()

    async def stop(self) -> None:
        """
        Begin no more pushes, and wait for the answers of those that are under way.
        """
        self._started = False
        await self._reminder.stop()
        await self._topics.stop()
        if self._sender is not None:
            await self._sender.stop()
        if self._gateway is not None:
            await self._gateway.close()

    def wake(self) -> None:
        """
        Somebody wished a push.
        """
        if self._sender is not None:
            self._sender.wake()

    # -- what others ask (a PushGatewayView) -------------------------------------------------------

    @property
    def host(self) -> str:
        """
        The push service.
        """
        return self._apns.host

    @property
    def topic(self) -> str | None:
        """
        The topic that devices enroll with; None: nothing is pushed.
        """
        return None if self._credentials is None else self._credentials.topic

    @property
    def not_after(self) -> datetime | None:
        """
        When the push certificate expires; None: there is none, or never.
        """
        return None if self._credentials is None else self._credentials.not_after

    @property
    def state(self) -> GatewayState | None:
        """
        How we stand with Apple; None: we have nothing to be known by.
        """
        return None if self._gateway is None else self._gateway.state

    @property
    def complaint(self) -> str:
        """
        All that is wrong with pushing, for operators; empty when all is well.
        """
        if self._gateway is None:
            return _NO_PUSHES
        expiry = expiry_complaint(self.not_after, utc_now(self._around.reactor))
        complaints = (
            self._gateway.complaint,
            expiry,
            self._topics.complaint,
            self.answers.complaint,
        )
        return "; ".join(complaint for complaint in complaints if complaint)

    @property
    def waiting(self) -> int:
        """
        Pushes that wait for a connection.
        """
        return 0 if self._gateway is None else self._gateway.waiting

    @property
    def in_flight(self) -> int:
        """
        Pushes that were sent and have no answer yet.
        """
        return 0 if self._gateway is None else self._gateway.in_flight

    @property
    def connections(self) -> int:
        """
        Connections to the push service that take pushes.
        """
        return 0 if self._gateway is None else self._gateway.connections

    @property
    def refusals(self) -> Sequence[AnswerCount]:
        """
        What Apple answered other than a plain 200 since the start, the newest first.
        """
        return self.answers.refusals

    def trouble(self) -> str:
        """
        :attr:`complaint` for ``/readyz``: pushing never makes the whole unready.
        """
        return f"degraded: {self.complaint}" if self.complaint else ""

    # -- other credentials -------------------------------------------------------------------------

    def check(self, credentials: PushCredentials | None, accepted_topic: str | None) -> None:
        """
        See whether these may take the place of the ones in use.

        :param accepted_topic: another topic that is meant, as the operator says.
        :raises Conflict: the topic is another than before, so that no device could be reached; or
            a certificate would have to take the place of a provider token, or the other way round.
        """
        if credentials is None or self._credentials is None:
            return
        if (credentials.provider_token is None) != (self._credentials.provider_token is None):
            raise Conflict(
                "[apns] changed between a push certificate and provider tokens: restart scepd"
            )
        if credentials.topic not in (self.topic, accepted_topic):
            raise Conflict(
                f"the push certificate's topic is {credentials.topic}; devices are enrolled with "
                f"{self.topic}, and could not be pushed to any more until they enroll again. If "
                f'that is meant, set [apns] accept_new_topic = "{credentials.topic}"'
            )

    def use(self, credentials: PushCredentials | None) -> None:
        """
        Push with these from now on, which :meth:`check` took. The same ones change nothing, unless
        pushes are suspended: then they are a second try, for what was mended at Apple.
        """
        if credentials == self._credentials:
            if credentials is not None and self.state is GatewayState.SUSPENDED:
                _log.info("Pushing is tried again as {topic}", topic=credentials.topic)
                self._renew(credentials)
            return
        if credentials is None:
            _log.warn("[apns] names no credentials any more; those of before are used on")
            return
        before, self._credentials = self.topic, credentials
        if self._gateway is None:
            self._gateway = self._make_gateway(credentials)
            self._sender = self._make_sender(self._gateway)
            if self._started:
                self._start_sending()
        else:
            self._renew(credentials)
        self._reminder.forget()
        self._topics.wake()
        _log.info(
            "Pushing as {topic}, until {not_after}; before as {before}",
            topic=credentials.topic,
            not_after=credentials.not_after or "further notice",
            before=before or "nobody",
        )

    def _renew(self, credentials: PushCredentials) -> None:
        if self._gateway is not None:
            self._gateway.use_credentials(credentials, force=True)

    # -- the parts ---------------------------------------------------------------------------------

    @property
    def _apns(self) -> APNsSection:
        return self._around.configuration.apns

    def _start_sending(self) -> None:
        if self._gateway is not None and self._sender is not None:
            self._gateway.start()
            self._sender.start()

    def _make_gateway(self, credentials: PushCredentials) -> APNsClient:
        apns, reactor = self._apns, self._around.reactor
        limits = APNsLimits()
        route = APNsRoute(
            reactor,
            apns.host,
            apns.port,
            self._roots,
            limits.connect_timeout,
            proxy=apns.outgoing_proxy,
        )
        return APNsClient(
            reactor,
            route,
            credentials,
            limits,
            self._around.jitter,
            metrics=self.answers,
            tokens=None
            if credentials.provider_token is None
            else PushTokens(lambda: self._credentials),
        )

    def _make_sender(self, gateway: APNsClient) -> PushSender:
        around = self._around
        return PushSender(
            self._store,
            gateway,
            around.keyring,
            around.reactor,
            around.jitter,
            PushSettings.with_deadline(self._apns.answer_timeout),
            tells=self._tells,
        )

    def _observe(self, metrics: Metrics) -> None:
        metrics.push_in_flight.set_function(lambda: self.in_flight)
        metrics.push_waiting.set_function(lambda: self.waiting)
        metrics.push_connections.set_function(lambda: self.connections)
        suspended = GatewayState.SUSPENDED
        metrics.push_suspended.set_function(lambda: float(self.state is suspended))
        metrics.push_certificate_expiry.set_function(self._expiry_seconds)

    def _expiry_seconds(self) -> float:
        not_after = self.not_after
        return float("nan") if not_after is None else not_after.timestamp()
