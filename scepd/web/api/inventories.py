"""
``/hosts/<uuid>/verify``: a look at what a host has, now; and how the looks at it went.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from scepd.model import HostInventory
from scepd.services.inventories import Inventories
from scepd.web.api.call import Call
from scepd.web.api.openapi import Endpoint
from scepd.web.api.routes import Routes


class InventoryView(BaseModel):
    """
    How the looks at a host went.
    """

    profiles_at: datetime | None = Field(
        description="when an inventory last listed its profiles; null: none did"
    )
    profiles_source: str = Field(description="of that inventory: osquery or MDM; empty: none")
    certificates_at: datetime | None = Field(
        description="when an inventory last listed its certificates; null: none did"
    )
    certificates_source: str = Field(description="likewise")
    unreadable_certificates: int = Field(description="certificates of that list that were left out")
    agent_at: datetime | None = Field(
        description="when its osquery agent last answered; null: it never did"
    )
    asked_at: datetime | None = Field(description="when it was last asked over MDM")
    next_at: datetime | None = Field(
        description="when it is asked over MDM next, unless its agent tells all by then"
    )
    waiting: list[str] = Field(
        description="what it was asked and has not answered: ProfileList, CertificateList, "
        "ProfileList of the user"
    )

    @classmethod
    def of(cls, state: HostInventory) -> InventoryView:
        """
        The view of a stored record.
        """
        return cls(
            profiles_at=state.profiles_at,
            profiles_source=state.profiles_source,
            certificates_at=state.certificates_at,
            certificates_source=state.certificates_source,
            unreadable_certificates=state.unreadable,
            agent_at=state.agent_at,
            asked_at=state.mdm_asked_at,
            next_at=state.mdm_due_at,
            waiting=sorted(state.waiting),
        )


class InventoryEndpoints:
    """
    The endpoint of inventories.
    """

    def __init__(self, service: Inventories) -> None:
        self._service = service

    def add_to(self, routes: Routes) -> None:
        """
        Register it.
        """
        routes.add(_VERIFY, self.verify)

    async def verify(self, call: Call, uuid: str) -> InventoryView:
        """
        Ask the host now.
        """
        return InventoryView.of(await self._service.verify(uuid, call.actor))


_VERIFY = Endpoint(
    "POST",
    "/hosts/<uuid>/verify",
    "Ask a host now what profiles and certificates it has, over MDM and by its osquery agent",
    status=202,
    answer=InventoryView,
)
