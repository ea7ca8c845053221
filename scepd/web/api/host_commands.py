"""
``/hosts/<uuid>/commands``: what operators send to hosts, and what these answer.
"""

from __future__ import annotations

from pydantic import BaseModel, Field

from scepd.services.host_commands import HostCommands
from scepd.web.api.call import Call
from scepd.web.api.openapi import Endpoint
from scepd.web.api.routes import Routes

PLIST = "application/x-plist"

_ALL = "/hosts/<uuid>/commands"


class SentCommandView(BaseModel):
    """
    A command that was queued.
    """

    uuid: str = Field(description="of the command")
    host_uuid: str
    request_type: str


class HostCommandEndpoints:
    """
    The endpoints of the commands of hosts.
    """

    def __init__(self, service: HostCommands) -> None:
        self._service = service

    def add_to(self, routes: Routes) -> None:
        """
        Register them all.
        """
        routes.add(_SEND, self.send)
        routes.add(_ANSWER, self.answer)

    async def send(self, call: Call, uuid: str) -> SentCommandView:
        """
        Queue what is in the body.
        """
        sent = await self._service.send(uuid, call.body(), call.actor, call.parameter("user"))
        call.created(f"/hosts/{uuid}/commands/{sent.uuid}/answer")
        return SentCommandView(uuid=sent.uuid, host_uuid=uuid, request_type=sent.request_type)

    async def answer(self, call: Call, uuid: str, command: str) -> bytes:
        """
        What the host answered.
        """
        return await self._service.answer(uuid, command)


_SEND = Endpoint(
    "POST",
    _ALL,
    "Send a host any MDM command: a property list with a Command, or what stands in it",
    parameters={"user": "UserID or short name of a user, over whose channel it goes"},
    status=201,
    answer=SentCommandView,
    body_type=PLIST,
)
_ANSWER = Endpoint(
    "GET",
    f"{_ALL}/<command>/answer",
    "The property list, XML or binary, that the host answered to a command",
    answer_type=PLIST,
)
