"""
Fakes of what operators are shown of pushing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from scepd.apns.outcome import GatewayState
from scepd.services.apple_answers import AnswerCount

TOPIC = "com.apple.mgmt.External.1"


@dataclass
class FakePushGatewayView:
    """
    A PushGatewayView that is connected, until a test says otherwise.
    """

    host: str = "api.push.apple.com"
    topic: str | None = TOPIC
    not_after: datetime | None = datetime(2027, 1, 1, tzinfo=UTC)
    state: GatewayState | None = GatewayState.CONNECTED
    complaint: str = ""
    waiting: int = 0
    in_flight: int = 0
    connections: int = 1
    refusals: Sequence[AnswerCount] = ()


@dataclass
class FakePushTopics:
    """
    A PushTopics.
    """

    numbers: dict[str, int] = field(default_factory=dict)

    async def push_topics(self) -> Mapping[str, int]:
        """
        As the port says.
        """
        return self.numbers
