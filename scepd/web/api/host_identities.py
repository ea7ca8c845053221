"""
``/hosts/<uuid>/identity-renewal``: a new MDM identity for a host, now.
"""

from __future__ import annotations

from scepd.services.identity_renewal import IdentityRenewal
from scepd.web.api.call import Call
from scepd.web.api.identity_models import IdentityRenewalView
from scepd.web.api.openapi import Endpoint
from scepd.web.api.routes import Routes


class HostIdentityEndpoints:
    """
    The endpoint of renewals of identities.
    """

    def __init__(self, service: IdentityRenewal) -> None:
        self._service = service

    def add_to(self, routes: Routes) -> None:
        """
        Register it.
        """
        routes.add(_RENEW, self.renew)

    async def renew(self, call: Call, uuid: str) -> IdentityRenewalView:
        """
        Queue a renewal.
        """
        command = await self._service.begin(uuid, call.actor)
        return IdentityRenewalView(uuid=command.uuid, host_uuid=uuid)


_RENEW = Endpoint(
    "POST",
    "/hosts/<uuid>/identity-renewal",
    "Send a host its enrollment profile again, by which it gets a new MDM identity",
    status=202,
    answer=IdentityRenewalView,
)
