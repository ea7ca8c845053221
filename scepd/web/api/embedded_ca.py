"""
``/certificates``, ``/requests`` and ``/embedded_ca``: the embedded certificate authority.
"""

from __future__ import annotations

from scepd.errors import Fault, InvalidInput
from scepd.services.ca_rollover import CARollOver
from scepd.services.certificates import Certificates
from scepd.services.request_approval import RequestApproval
from scepd.web.api.call import Call
from scepd.web.api.embedded_ca_models import (
    IssuedCertificateList,
    IssuedCertificateView,
    PendingRequestList,
    PendingRequestView,
    RevocationInput,
    RollOverInput,
    RollOverStatus,
)
from scepd.web.api.openapi import JSON, Endpoint
from scepd.web.api.routes import Routes

_ROLL_OVER = "/embedded_ca/rollover"
_PAGE = {"after": "the cursor of the last page", "limit": "1 to 200"}


class EmbeddedCAEndpoints:
    """
    The endpoints of what it issued, of what waits for an operator, and of its roll-over.
    """

    def __init__(
        self, certificates: Certificates, approval: RequestApproval, roll_over: CARollOver
    ) -> None:
        self._certificates = certificates
        self._approval = approval
        self._roll_over = roll_over

    def add_to(self, routes: Routes) -> None:
        """
        Register them all.
        """
        routes.add(_LIST_CERTIFICATES, self.certificates)
        routes.add(_REVOKE, self.revoke)
        routes.add(_LIST_REQUESTS, self.requests)
        routes.add(_APPROVE, self.approve)
        routes.add(_DENY, self.deny)
        routes.add(_ROLL_OVER_STATUS, self.status)
        routes.add(_ROLL_OVER_STEP, self.step)

    async def certificates(self, call: Call) -> IssuedCertificateList:
        """
        A page of certificates.
        """
        page = call.page()
        found = await self._certificates.list(after=page.after.upper(), limit=page.limit + 1)
        items = [IssuedCertificateView.of(one) for one in found[: page.limit]]
        more = len(found) > page.limit
        return IssuedCertificateList(items=items, next=items[-1].serial if more else None)

    async def revoke(self, call: Call, serial: str) -> IssuedCertificateView:
        """
        Revoke one.
        """
        reason = call.json(RevocationInput).reason
        return IssuedCertificateView.of(await self._certificates.revoke(serial, reason, call.actor))

    async def requests(self, call: Call) -> PendingRequestList:
        """
        A page of requests.
        """
        page, waiting = call.page(), call.flag("waiting")
        found = await self._approval.list(waiting=waiting, after=page.after, limit=page.limit + 1)
        items = [PendingRequestView.of(one) for one in found[: page.limit]]
        more = len(found) > page.limit
        return PendingRequestList(items=items, next=items[-1].id if more else None)

    async def approve(self, call: Call, id: str) -> PendingRequestView:
        """
        Issue what a request waits for.
        """
        return PendingRequestView.of(await self._approval.approve(id, call.actor))

    async def deny(self, call: Call, id: str) -> PendingRequestView:
        """
        Refuse a request.
        """
        return PendingRequestView.of(await self._approval.deny(id, call.actor))

    async def status(self, call: Call) -> RollOverStatus:
        """
        The authority's own certificates.
        """
        return RollOverStatus.of(await self._roll_over.status())

    async def step(self, call: Call) -> RollOverStatus:
        """
        Take a step of the roll-over.
        """
        match call.json(RollOverInput).step:
            case "plan":
                return RollOverStatus.of(await self._roll_over.plan(call.actor))
            case "commit":
                return RollOverStatus.of(await self._roll_over.commit(call.actor))
            case "cancel":
                return RollOverStatus.of(await self._roll_over.cancel(call.actor))
            case _:
                raise InvalidInput((Fault("step", "plan, commit or cancel is allowed."),))


_LIST_CERTIFICATES = Endpoint(
    "GET",
    "/certificates",
    "A page of the certificates that the embedded CA issued, newest first",
    answer=IssuedCertificateList,
    parameters=_PAGE,
)
_REVOKE = Endpoint(
    "POST",
    "/certificates/<serial>/revoke",
    "Revoke a certificate that the embedded CA issued, for good",
    answer=IssuedCertificateView,
    body=RevocationInput,
    body_type=JSON,
)
_LIST_REQUESTS = Endpoint(
    "GET",
    "/requests",
    "A page of the requests that wait for an operator, or did in the last days, newest first",
    answer=PendingRequestList,
    parameters={"waiting": "1: only those that nobody decided on", **_PAGE},
)
_APPROVE = Endpoint(
    "POST",
    "/requests/<id>/approve",
    "Issue the certificate that a request waits for",
    answer=PendingRequestView,
)
_DENY = Endpoint(
    "POST", "/requests/<id>/deny", "Refuse a request that waits", answer=PendingRequestView
)
_ROLL_OVER_STATUS = Endpoint(
    "GET", _ROLL_OVER, "The embedded CA's own certificates", answer=RollOverStatus
)
_ROLL_OVER_STEP = Endpoint(
    "POST",
    _ROLL_OVER,
    "Plan, commit or cancel the embedded CA's change to a new certificate",
    answer=RollOverStatus,
    body=RollOverInput,
    body_type=JSON,
)
