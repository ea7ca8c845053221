"""
``/hosts``: the devices, and what each of them has.
"""

from __future__ import annotations

from scepd.services.hosts import Hosts
from scepd.web.api.call import Call
from scepd.web.api.host_models import HostDetails, HostList, ListedHost
from scepd.web.api.openapi import Endpoint
from scepd.web.api.routes import Routes


class HostEndpoints:
    """
    The endpoints of hosts.
    """

    def __init__(self, service: Hosts) -> None:
        self._service = service

    def add_to(self, routes: Routes) -> None:
        """
        Register them all.
        """
        routes.add(_LIST, self.list)
        routes.add(_SHOW, self.show)

    async def list(self, call: Call) -> HostList:
        """
        A page of them.
        """
        page = call.page()
        found = await self._service.list(after=page.after, limit=page.limit + 1)
        enrolled = await self._service.enrolled(found[: page.limit])
        items = [ListedHost.among(host, enrolled) for host in found[: page.limit]]
        more = len(found) > page.limit
        return HostList(items=items, next=items[-1].uuid if more else None)

    async def show(self, call: Call, uuid: str) -> HostDetails:
        """
        One of them, with everything that it has.
        """
        return HostDetails.with_records(await self._service.show(uuid))


_LIST = Endpoint(
    "GET",
    "/hosts",
    "A page of the hosts, by uuid",
    answer=HostList,
    parameters={"after": "the uuid that the last page ended with", "limit": "1 to 200"},
)
_SHOW = Endpoint(
    "GET",
    "/hosts/<uuid>",
    "One host, with its enrollments, profiles, certificates, commands and exchanges",
    answer=HostDetails,
)
