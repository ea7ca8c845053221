"""
``/enrollment_tokens``: what lets devices enroll.
"""

from __future__ import annotations

from scepd.services.enrolling import Enrolling, token_id
from scepd.web.api.call import Call
from scepd.web.api.enrollment_token_models import (
    EnrollmentTokenCreated,
    EnrollmentTokenInput,
    EnrollmentTokenList,
    EnrollmentTokenView,
)
from scepd.web.api.openapi import JSON, Endpoint
from scepd.web.api.routes import Routes

_ALL = "/enrollment_tokens"
_ONE = "/enrollment_tokens/<id>"


class EnrollmentTokenEndpoints:
    """
    The endpoints of enrollment tokens.
    """

    def __init__(self, service: Enrolling) -> None:
        self._service = service

    def add_to(self, routes: Routes) -> None:
        """
        Register them all.
        """
        routes.add(_LIST, self.list)
        routes.add(_CREATE, self.create)
        routes.add(_DELETE, self.delete)

    async def list(self, call: Call) -> EnrollmentTokenList:
        """
        All of them.
        """
        found = await self._service.list()
        items = [EnrollmentTokenView.of(token) for token in found]
        return EnrollmentTokenList(items=items, next=None)

    async def create(self, call: Call) -> EnrollmentTokenCreated:
        """
        Make one.
        """
        new = call.json(EnrollmentTokenInput).described()
        created = await self._service.create(new, call.actor)
        call.created(f"{_ALL}/{token_id(created.token.sha256)}")
        return EnrollmentTokenCreated.with_text(created)

    async def delete(self, call: Call, id: str) -> None:
        """
        Remove one.
        """
        await self._service.remove(id, call.actor)


_LIST = Endpoint(
    "GET",
    _ALL,
    "All enrollment tokens, newest first",
    answer=EnrollmentTokenList,
)
_CREATE = Endpoint(
    "POST",
    _ALL,
    "Make an enrollment token",
    status=201,
    answer=EnrollmentTokenCreated,
    body=EnrollmentTokenInput,
    body_type=JSON,
)
_DELETE = Endpoint(
    "DELETE",
    _ONE,
    "Remove an enrollment token: nobody enrolls with it any more",
    status=204,
    answer_type="",
)
