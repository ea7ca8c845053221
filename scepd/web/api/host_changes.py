"""
``/hosts/<uuid>/labels``, ``/hosts/<uuid>/facts``, ``/facts``: what operators tell of hosts.
"""

from __future__ import annotations

from scepd.services.host_changes import MOST_LINES, HostChanges
from scepd.web.api.call import Call
from scepd.web.api.host_change_models import FactsImport, FactsImported, FactsModel, LabelsChange
from scepd.web.api.host_models import HostView
from scepd.web.api.openapi import JSON, Endpoint
from scepd.web.api.routes import Routes


class HostChangeEndpoints:
    """
    The endpoints of labels and facts.
    """

    def __init__(self, service: HostChanges) -> None:
        self._service = service

    def add_to(self, routes: Routes) -> None:
        """
        Register them all.
        """
        routes.add(_LABELS, self.labels)
        routes.add(_FACTS, self.facts)
        routes.add(_IMPORT, self.import_facts)

    async def labels(self, call: Call, uuid: str) -> HostView:
        """
        Give labels and take them.
        """
        change = call.json(LabelsChange)
        host = await self._service.change_labels(uuid, change.add, change.remove, call.actor)
        return HostView.of(host)

    async def facts(self, call: Call, uuid: str) -> HostView:
        """
        Set facts and unset them.
        """
        told = call.json(FactsModel)
        return HostView.of(await self._service.change_facts(uuid, told.facts, call.actor))

    async def import_facts(self, call: Call) -> FactsImported:
        """
        Set and unset facts of many hosts.
        """
        asked = call.json(FactsImport)
        changed = await self._service.import_facts(
            asked.values(), call.actor, only_check=asked.only_check
        )
        return FactsImported(lines=len(asked.lines), changed=changed)


_LABELS = Endpoint(
    "PATCH",
    "/hosts/<uuid>/labels",
    "Give a host labels and take others away; its profiles follow",
    answer=HostView,
    body=LabelsChange,
    body_type=JSON,
)
_FACTS = Endpoint(
    "PATCH",
    "/hosts/<uuid>/facts",
    "Set and unset facts of a host; profiles that use them are delivered again",
    answer=HostView,
    body=FactsModel,
    body_type=JSON,
)
_IMPORT = Endpoint(
    "POST",
    "/facts",
    f"Set and unset facts of up to {MOST_LINES} hosts, of all or of none",
    answer=FactsImported,
    body=FactsImport,
    body_type=JSON,
)
