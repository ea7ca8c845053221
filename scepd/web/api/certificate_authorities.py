"""
``/certificate_authorities``: the certificate authorities that operators add.
"""

from __future__ import annotations

from scepd.model import Breaker
from scepd.ports import BreakerStore
from scepd.services.authorities import CertificateAuthorities
from scepd.web.api.authority_models import CertificateAuthorityChange
from scepd.web.api.call import Call
from scepd.web.api.models import (
    CertificateAuthorityCheck,
    CertificateAuthorityInput,
    CertificateAuthorityList,
    CertificateAuthorityView,
)
from scepd.web.api.openapi import JSON, Endpoint
from scepd.web.api.routes import Routes

_ALL = "/certificate_authorities"
_ONE = "/certificate_authorities/<name>"


class CertificateAuthorityEndpoints:
    """
    The endpoints of certificate authorities.
    """

    def __init__(self, service: CertificateAuthorities, breakers: BreakerStore) -> None:
        self._service = service
        self._breakers = breakers

    def add_to(self, routes: Routes) -> None:
        """
        Register them all.
        """
        for endpoint, function in (
            (_LIST, self.list),
            (_CREATE, self.create),
            (_SHOW, self.show),
            (_CHANGE, self.change),
            (_DELETE, self.delete),
            (_CHECK, self.check),
        ):
            routes.add(endpoint, function)

    async def list(self, call: Call) -> CertificateAuthorityList:
        """
        A page of them.
        """
        page = call.page()
        found = await self._service.list(after=page.after, limit=page.limit + 1)
        breakers = await self._known_breakers()
        items = [
            CertificateAuthorityView.of(ca, breakers.get(ca.name, Breaker(ca.name)))
            for ca in found[: page.limit]
        ]
        more = len(found) > page.limit
        return CertificateAuthorityList(items=items, next=items[-1].name if more else None)

    async def create(self, call: Call) -> CertificateAuthorityCheck:
        """
        Check and store one.
        """
        new = call.json(CertificateAuthorityInput).described()
        report = await self._service.add(new, call.actor)
        call.created(f"{_ALL}/{new.name}")
        return CertificateAuthorityCheck.of(report)

    async def show(self, call: Call, name: str) -> CertificateAuthorityView:
        """
        One of them.
        """
        ca = await self._service.show(name)
        breakers = await self._known_breakers()
        return CertificateAuthorityView.of(ca, breakers.get(name, Breaker(name)))

    async def change(self, call: Call, name: str) -> CertificateAuthorityCheck:
        """
        Check one with other settings, and store these.
        """
        change = call.json(CertificateAuthorityChange).change()
        report = await self._service.change(name, change, call.actor)
        return CertificateAuthorityCheck.of(report)

    async def delete(self, call: Call, name: str) -> None:
        """
        Remove one.
        """
        await self._service.remove(name, call.flag("force"), call.actor)

    async def check(self, call: Call, name: str) -> CertificateAuthorityCheck:
        """
        Ask one of them again.
        """
        report = await self._service.check(name, call.actor)
        # Who mended it need not wait for the next probe.
        await self._breakers.change(name, Breaker.probe_succeeded)
        return CertificateAuthorityCheck.of(report)

    async def _known_breakers(self) -> dict[str, Breaker]:
        return {breaker.ca_name: breaker for breaker in await self._breakers.breakers()}


_LIST = Endpoint(
    "GET",
    _ALL,
    "A page of the certificate authorities, by name",
    answer=CertificateAuthorityList,
    parameters={"after": "the name that the last page ended with", "limit": "1 to 200"},
)
_CREATE = Endpoint(
    "POST",
    _ALL,
    "Check a certificate authority, live, and store it",
    status=201,
    answer=CertificateAuthorityCheck,
    body=CertificateAuthorityInput,
    body_type=JSON,
)
_SHOW = Endpoint("GET", _ONE, "One certificate authority", answer=CertificateAuthorityView)
_CHANGE = Endpoint(
    "PATCH",
    _ONE,
    "Change some settings of a certificate authority, which is checked with them, live, before",
    answer=CertificateAuthorityCheck,
    body=CertificateAuthorityChange,
    body_type=JSON,
)
_DELETE = Endpoint(
    "DELETE",
    _ONE,
    "Remove a certificate authority; a conflict while profiles use it",
    status=204,
    answer_type="",
    parameters={"force": "1: even though profiles use it"},
)
_CHECK = Endpoint(
    "POST",
    f"{_ONE}/check",
    "Ask a certificate authority again for its certificate and capabilities",
    answer=CertificateAuthorityCheck,
)
