"""
``/exchanges``, ``/activities`` and ``/status``: what happened, and how the server is.
"""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from scepd import __version__
from scepd.ports import ActivityStore, CertificateAuthorityStore, EnrollmentStore, Health
from scepd.services.clock import utc_now
from scepd.web.api.call import Call
from scepd.web.api.models import ActivityList, ActivityView, ExchangeList, ExchangeView, Status
from scepd.web.api.openapi import Endpoint
from scepd.web.api.routes import Routes


class RecordEndpoints:
    """
    The endpoints that only read.
    """

    def __init__(
        self,
        enrollments: EnrollmentStore,
        activities: ActivityStore,
        authorities: CertificateAuthorityStore,
        health: Health,
        clock: IReactorTime,
    ) -> None:
        self._enrollments = enrollments
        self._activities = activities
        self._authorities = authorities
        self._health = health
        self._clock = clock

    def add_to(self, routes: Routes) -> None:
        """
        Register them all.
        """
        routes.add(_EXCHANGES, self.exchanges)
        routes.add(_ACTIVITIES, self.activities)
        routes.add(_STATUS, self.status)

    async def exchanges(self, call: Call) -> ExchangeList:
        """
        A page of exchanges.
        """
        limit = call.page().limit
        found = await self._enrollments.exchanges(
            host_uuid=call.parameter("host"), before=call.moment("before"), limit=limit + 1
        )
        items = [ExchangeView.of(exchange) for exchange in found[:limit]]
        return ExchangeList(items=items, next=items[-1].started_at if len(found) > limit else None)

    async def activities(self, call: Call) -> ActivityList:
        """
        A page of activities.
        """
        limit = call.page().limit
        found = await self._activities.activities(before_id=call.number("before"), limit=limit + 1)
        items = [ActivityView.of(number, activity) for number, activity in found[:limit]]
        return ActivityList(items=items, next=items[-1].id if len(found) > limit else None)

    async def status(self, call: Call) -> Status:
        """
        How the server is.
        """
        await self._health.ping()
        return Status(
            version=__version__,
            now=utc_now(self._clock),
            database="ok",
            certificate_authorities=len(await self._authorities.certificate_authority_names()),
        )


_EXCHANGES = Endpoint(
    "GET",
    "/exchanges",
    "A page of the PKIOperations that came to the proxy, newest first",
    answer=ExchangeList,
    parameters={
        "host": "only those of the host with this uuid",
        "before": "only older ones than this time",
        "limit": "1 to 200",
    },
)
_ACTIVITIES = Endpoint(
    "GET",
    "/activities",
    "A page of the changes that operators made, newest first",
    answer=ActivityList,
    parameters={"before": "only those with a smaller id", "limit": "1 to 200"},
)
_STATUS = Endpoint("GET", "/status", "The state of the server", answer=Status)
