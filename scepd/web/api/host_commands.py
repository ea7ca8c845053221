"""
``/hosts/<uuid>/commands``: what hosts answered to commands.
"""

from __future__ import annotations

from scepd.services.host_commands import HostCommands
from scepd.web.api.call import Call
from scepd.web.api.openapi import Endpoint
from scepd.web.api.routes import Routes

PLIST = "application/x-plist"

_ALL = "/hosts/<uuid>/commands"


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
        routes.add(_ANSWER, self.answer)

    async def answer(self, call: Call, uuid: str, command: str) -> bytes:
        """
        What the host answered.
        """
        return await self._service.answer(uuid, command)


_ANSWER = Endpoint(
    "GET",
    f"{_ALL}/<command>/answer",
    "The property list, XML or binary, that the host answered to a command",
    answer_type=PLIST,
)
