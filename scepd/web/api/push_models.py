"""
How the admin API shows pushes.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from scepd.services.apple_answers import MOST_REMEMBERED, AnswerCount
from scepd.services.pushes import PushReport


class WishedPushView(BaseModel):
    """
    A push that was wished.
    """

    host_uuid: str
    detail: str = Field(description="what will happen, as a sentence")


class AnswerCountView(BaseModel):
    """
    How often something other than a plain 200 came from Apple.
    """

    status: int | None = Field(description="HTTP status; null: there was no answer")
    reason: str = Field(description="Apple's word, or lost or timed-out where there is no answer")
    count: int = Field(description="since the start of this process")
    last_at: datetime

    @classmethod
    def of(cls, count: AnswerCount) -> AnswerCountView:
        """
        The view of what the service counted.
        """
        return cls(**{name: getattr(count, name) for name in cls.model_fields})


class PushStatus(BaseModel):
    """
    How pushing goes.
    """

    state: str = Field(
        description="not_configured, disconnected, connecting, connected, suspended or closed"
    )
    complaint: str = Field(description="all that is wrong, as a sentence; empty: nothing")
    host: str = Field(description="the push service")
    topic: str | None = Field(description="of the push certificate; null: there is none")
    not_after: datetime | None = Field(
        description="when the push certificate expires; null: there is none, or never"
    )
    connections: int = Field(description="that take pushes")
    waiting: int = Field(description="pushes that wait for a connection")
    in_flight: int = Field(description="pushes that were sent and have no answer yet")
    due: int = Field(description="enrollments whose push is due, and nobody's yet")
    claimed: int = Field(description="enrollments whose push is under way")
    later: int = Field(description="enrollments whose push is due later")
    later_by_state: dict[str, int] = Field(description="those, by what they wait for")
    parked: dict[str, int] = Field(description="that Apple refused for good, by reason")
    oldest_due: datetime | None = Field(description="when the first of due became due")
    accepted_hour: int = Field(description="enrollments whose push Apple took within an hour")
    accepted_day: int = Field(description="the same within a day")
    topics: dict[str, int] = Field(description="enrollments by the topic they can be pushed with")
    refusals: list[AnswerCountView] = Field(
        description=f"what came other than a plain 200, newest first, at most {MOST_REMEMBERED}"
    )

    @classmethod
    def of(cls, report: PushReport) -> PushStatus:
        """
        The view of what the service answered.
        """
        gateway, wishes = report.gateway, report.wishes
        return cls(
            state="not_configured" if gateway.state is None else gateway.state.value,
            complaint=gateway.complaint,
            host=gateway.host,
            topic=gateway.topic,
            not_after=gateway.not_after,
            connections=gateway.connections,
            waiting=gateway.waiting,
            in_flight=gateway.in_flight,
            due=wishes.due,
            claimed=wishes.claimed,
            later=wishes.waiting,
            later_by_state={state.value: number for state, number in wishes.states.items()},
            parked=dict(wishes.parked),
            oldest_due=wishes.oldest_due,
            accepted_hour=wishes.accepted_hour,
            accepted_day=wishes.accepted_day,
            topics=dict(report.topics),
            refusals=[AnswerCountView.of(one) for one in gateway.refusals],
        )
