"""
``/profiles/<uuid>/resend`` and ``/hosts/<uuid>/profiles/<profile>/resend``: another try.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from scepd.services.profiles import Profiles
from scepd.services.resending import MOST_PER_HOUR, Resending, Resent
from scepd.web.api.call import Call
from scepd.web.api.openapi import Endpoint
from scepd.web.api.routes import Routes


class ResentView(BaseModel):
    """
    What is tried again.
    """

    count: int = Field(description="deliveries, and removals, that are tried again")
    last_due: datetime | None = Field(
        description="when the last of them is due; null: there is none"
    )

    @classmethod
    def of(cls, resent: Resent) -> ResentView:
        """
        The view of what the service answered.
        """
        return cls(count=resent.count, last_due=resent.last_due)


class ResendEndpoints:
    """
    The endpoints that have deliveries tried again.
    """

    def __init__(self, service: Resending, profiles: Profiles) -> None:
        self._service = service
        self._profiles = profiles

    def add_to(self, routes: Routes) -> None:
        """
        Register them all.
        """
        routes.add(_FAILED, self.failed)
        routes.add(_ONE, self.one)

    async def failed(self, call: Call, uuid: str) -> ResentView:
        """
        All that failed of a profile.
        """
        resent = await self._service.resend_failed(uuid, call.number("per_hour"), call.actor)
        if not resent.count:
            # A removed profile can still fail to leave a host.
            await self._profiles.show(uuid)
        return ResentView.of(resent)

    async def one(self, call: Call, uuid: str, profile: str) -> None:
        """
        One profile of one host.
        """
        await self._service.resend(uuid, profile, call.actor)


_FAILED = Endpoint(
    "POST",
    "/profiles/<uuid>/resend",
    "Try again all deliveries and removals of a profile that failed, at a given rate",
    status=202,
    answer=ResentView,
    parameters={
        "per_hour": f"how many are due in an hour, 1 to {MOST_PER_HOUR}; all now when left out"
    },
)
_ONE = Endpoint(
    "POST",
    "/hosts/<uuid>/profiles/<profile>/resend",
    "Deliver a profile to a host again, or remove it again, whatever came of it before",
    status=204,
    answer_type="",
)
