"""
``/push`` and ``/hosts/<uuid>/push``: how pushing goes, and a push by hand.
"""

from __future__ import annotations

from scepd.services.pushes import Pushes
from scepd.web.api.call import Call
from scepd.web.api.openapi import Endpoint
from scepd.web.api.push_models import PushStatus, WishedPushView
from scepd.web.api.routes import Routes


class PushEndpoints:
    """
    The endpoints of pushes.
    """

    def __init__(self, service: Pushes) -> None:
        self._service = service

    def add_to(self, routes: Routes) -> None:
        """
        Register them all.
        """
        routes.add(_STATUS, self.status)
        routes.add(_PUSH, self.push)

    async def status(self, call: Call) -> PushStatus:
        """
        How pushing goes.
        """
        return PushStatus.of(await self._service.report())

    async def push(self, call: Call, uuid: str) -> WishedPushView:
        """
        Wish a push.
        """
        return WishedPushView(host_uuid=uuid, detail=await self._service.wish(uuid, call.actor))


_STATUS = Endpoint(
    "GET",
    "/push",
    "How pushing goes: the push certificate, the connections, what waits, what Apple refused",
    answer=PushStatus,
)
_PUSH = Endpoint(
    "POST",
    "/hosts/<uuid>/push",
    "Push to a host, so that it asks for its commands",
    status=202,
    answer=WishedPushView,
)
