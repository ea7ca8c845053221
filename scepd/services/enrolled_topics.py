"""
Whether the push certificate is of the topic that the devices enrolled with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from scepd.ports import PushTopics
from scepd.services.periodic import Periodic

_LOOK = 3600.0

_log = Logger()


class EnrolledTopics:
    """
    Looks at the start, once an hour, and when it is told to.

    :param topic: gives the push certificate's; None: there is none.
    :param random: gives a number from 0 up to 1.
    :ivar complaint: which devices can't be pushed to, as the end of a sentence; empty: none.
    """

    def __init__(
        self,
        topics: PushTopics,
        clock: IReactorTime,
        topic: Callable[[], str | None],
        random: Callable[[], float],
    ) -> None:
        self.complaint = ""
        self._topics = topics
        self._topic = topic
        self._periodic = Periodic(
            clock, "comparing the push topic with the devices'", _LOOK, self._look, random
        )

    def start(self) -> None:
        """
        Begin to look.
        """
        self._periodic.start()

    async def stop(self) -> None:
        """
        Look no more.
        """
        await self._periodic.stop()

    def wake(self) -> None:
        """
        The certificate is another one.
        """
        self._periodic.wake()

    async def _look(self) -> None:
        topic = self._topic()
        found = {} if topic is None else await self._topics.push_topics()
        complaint = _complaint(topic, found)
        if complaint and complaint != self.complaint:
            _log.error("Not every device can be pushed to: {complaint}", complaint=complaint)
        self.complaint = complaint


def _complaint(topic: str | None, found: Mapping[str, int]) -> str:
    others = {name: number for name, number in sorted(found.items()) if name != topic}
    if not others:
        return ""
    listed = ", ".join(f"{number} with {name}" for name, number in others.items())
    return f"the push certificate's topic is {topic}, but there are devices enrolled {listed}"
