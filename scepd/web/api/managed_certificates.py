"""
``/managed_certificates``: the certificates on hosts, by where they stand.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from scepd.errors import Fault, InvalidInput
from scepd.model import CertificateState, WatchedCertificate
from scepd.services.managed_certificates import EXPIRING, ManagedCertificates
from scepd.web.api.call import Call
from scepd.web.api.managed_certificate_models import CertificateStatusList, CertificateStatusView
from scepd.web.api.openapi import Endpoint
from scepd.web.api.routes import Routes

_STATES = ", ".join(state.value for state in CertificateState)
_MOST_DAYS = 3650


class ManagedCertificateEndpoints:
    """
    The endpoint of certificates that are renewed.
    """

    def __init__(self, service: ManagedCertificates) -> None:
        self._service = service

    def add_to(self, routes: Routes) -> None:
        """
        Register it.
        """
        routes.add(_LIST, self.list)

    async def list(self, call: Call) -> CertificateStatusList:
        """
        A page of those in a state.
        """
        page, state = call.page(), _state(call)
        found = await self._service.list(
            state,
            within=_within(call),
            host_uuid=call.parameter("host"),
            retired=call.flag("all"),
            after=_place(page.after) if page.after else None,
            limit=page.limit + 1,
        )
        items = [CertificateStatusView.of(one) for one in found[: page.limit]]
        more = len(found) > page.limit
        cursor = _cursor(found[page.limit - 1].watched, state) if more else None
        return CertificateStatusList(items=items, next=cursor)


def _state(call: Call) -> CertificateState:
    value = call.parameter("state") or CertificateState.CURRENT.value
    try:
        return CertificateState(value)
    except ValueError:
        raise InvalidInput((Fault("state", f"One of {_STATES} is allowed."),)) from None


def _within(call: Call) -> timedelta:
    days = call.number("days")
    if days is None:
        return EXPIRING
    if not 1 <= days <= _MOST_DAYS:
        raise InvalidInput((Fault("days", f"A whole number from 1 to {_MOST_DAYS} is allowed."),))
    return timedelta(days=days)


def _cursor(last: WatchedCertificate, state: CertificateState) -> str | None:
    moment = last.overdue_at if state is CertificateState.OVERDUE else last.expires_at
    row = last.assignment
    return None if moment is None else f"{moment.isoformat()},{row.profile_uuid},{row.host_uuid}"


def _place(cursor: str) -> tuple[datetime, str, str]:
    parts = cursor.split(",", 2)
    try:
        moment = datetime.fromisoformat(parts[0])
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or len(parts) != 3:
        raise InvalidInput((Fault("after", "The `next` of the last page is allowed."),))
    return moment, parts[2], parts[1]


_LIST = Endpoint(
    "GET",
    "/managed_certificates",
    "A page of the certificates that came with profiles and are renewed, by where they stand",
    answer=CertificateStatusList,
    parameters={
        "state": f"{_STATES}; current when left out",
        "days": "of expiring: within so many days, 30 when left out",
        "host": "only those of the host with this uuid",
        "all": "1: with the retired ones before each",
        "after": "the `next` of the last page",
        "limit": "1 to 200",
    },
)
