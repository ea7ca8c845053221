"""
What operators see of pushes, and those that they wish.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from scepd.apns.outcome import GatewayState
from scepd.errors import Conflict, NotFound
from scepd.model import PushAddress, PushSummary
from scepd.ports import CheckInStore, HostStore, PushStore, PushTopics
from scepd.services.apple_answers import AnswerCount
from scepd.services.clock import utc_now

_log = Logger()


class PushGatewayView(Protocol):
    """
    How we stand with Apple.
    """

    @property
    def host(self) -> str:
        """
        The push service.
        """

    @property
    def topic(self) -> str | None:
        """
        The push certificate's; None: nothing is pushed.
        """

    @property
    def not_after(self) -> datetime | None:
        """
        When the push certificate expires; None: there is none, or never.
        """

    @property
    def state(self) -> GatewayState | None:
        """
        None: there is nothing that Apple could know us by.
        """

    @property
    def complaint(self) -> str:
        """
        All that is wrong with pushing; empty when all is well.
        """

    @property
    def waiting(self) -> int:
        """
        Pushes that wait for a connection.
        """

    @property
    def in_flight(self) -> int:
        """
        Pushes that were sent and have no answer yet.
        """

    @property
    def connections(self) -> int:
        """
        Connections that take pushes.
        """

    @property
    def refusals(self) -> Sequence[AnswerCount]:
        """
        What Apple answered other than a plain 200 since the start, the newest first.
        """


@dataclass(frozen=True, slots=True)
class PushReport:
    """
    How pushing goes.

    :param topics: topic → enabled enrollments that can be pushed with it.
    """

    gateway: PushGatewayView
    wishes: PushSummary
    topics: Mapping[str, int]


class Pushes:
    """
    Pushes as operators see them.

    :param wake: called when a push was wished.
    """

    def __init__(
        self,
        store: PushStore,
        topics: PushTopics,
        hosts: HostStore,
        check_ins: CheckInStore,
        gateway: PushGatewayView,
        clock: IReactorTime,
        wake: Callable[[], object],
    ) -> None:
        self._store = store
        self._topics = topics
        self._hosts = hosts
        self._check_ins = check_ins
        self._gateway = gateway
        self._clock = clock
        self._wake = wake

    async def report(self) -> PushReport:
        """
        How pushing goes.
        """
        wishes = await self._store.push_summary(utc_now(self._clock))
        return PushReport(self._gateway, wishes, await self._topics.push_topics())

    async def wish(self, host_uuid: str, actor: str) -> str:
        """
        Wish a push to a host now, whether a command waits for it or not.

        :returns: what will happen, as a sentence.
        :raises NotFound: there is no such host.
        :raises Conflict: it is not enrolled, or can't be pushed to.
        """
        self._check_topic(await self._address(host_uuid))
        if not await self._store.wish(host_uuid, utc_now(self._clock)):
            raise Conflict("The host's enrollment or its push token ended just now.")
        _log.info("{actor} wished a push to {host}", actor=actor, host=host_uuid)
        self._wake()
        return self._prospect()

    async def _address(self, host_uuid: str) -> PushAddress:
        if await self._hosts.host(host_uuid) is None:
            raise NotFound("There is no host of this uuid.")
        # The enrollment of the device itself has the host's uuid as its id.
        enrollment = await self._check_ins.enrollment(host_uuid)
        if enrollment is None or not enrollment.enabled:
            raise Conflict("The host is not enrolled, or not any more; it has to enroll (again).")
        if enrollment.push is None:
            raise Conflict(
                "The host has no push token that Apple knows; it sends another one by itself when "
                "it next checks in (TokenUpdate), or has to enroll again."
            )
        return enrollment.push

    def _check_topic(self, address: PushAddress) -> None:
        topic = self._gateway.topic
        if topic is not None and topic != address.topic:
            raise Conflict(
                f"The host enrolled with the topic {address.topic}, and the push certificate's is "
                f"{topic}: it has to enroll again, or the former certificate has to come back."
            )

    def _prospect(self) -> str:
        gateway = self._gateway
        if gateway.state is None:
            return f"The push waits: {gateway.complaint}."
        if gateway.state is GatewayState.SUSPENDED:
            return f"The push waits for another push certificate: {gateway.complaint}."
        if gateway.state is GatewayState.CONNECTED:
            return "The push is sent now; the host then asks for its commands."
        why = f" ({gateway.complaint})" if gateway.complaint else ""
        return f"The push is sent as soon as {gateway.host} is connected{why}."
