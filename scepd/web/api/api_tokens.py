"""
``/api_tokens``: who may use this API.
"""

from __future__ import annotations

from scepd.services.api_tokens import APITokens, api_token_id
from scepd.web.api.api_token_models import (
    APITokenCreated,
    APITokenInput,
    APITokenList,
    APITokenView,
)
from scepd.web.api.call import Call
from scepd.web.api.openapi import JSON, Endpoint
from scepd.web.api.routes import Routes

_ALL = "/api_tokens"
_ONE = "/api_tokens/<id>"


class APITokenEndpoints:
    """
    The endpoints of API tokens.
    """

    def __init__(self, service: APITokens) -> None:
        self._service = service

    def add_to(self, routes: Routes) -> None:
        """
        Register them all.
        """
        routes.add(_LIST, self.list)
        routes.add(_CREATE, self.create)
        routes.add(_DELETE, self.delete)

    async def list(self, call: Call) -> APITokenList:
        """
        All of them.
        """
        found = await self._service.list()
        return APITokenList(items=[APITokenView.of(token) for token in found], next=None)

    async def create(self, call: Call) -> APITokenCreated:
        """
        Make one.
        """
        new = call.json(APITokenInput)
        created = await self._service.create(new.name, new.role, call.actor)
        call.created(f"{_ALL}/{api_token_id(created.token.sha256)}")
        return APITokenCreated.with_text(created)

    async def delete(self, call: Call, id: str) -> None:
        """
        Revoke one.
        """
        await self._service.revoke(id, call.actor)


_LIST = Endpoint("GET", _ALL, "All API tokens, newest first", answer=APITokenList)
_CREATE = Endpoint(
    "POST",
    _ALL,
    "Make an API token",
    status=201,
    answer=APITokenCreated,
    body=APITokenInput,
    body_type=JSON,
)
_DELETE = Endpoint(
    "DELETE",
    _ONE,
    "Revoke an API token: nobody is let in with it any more",
    status=204,
    answer_type="",
)
