"""
Tests for the endpoints of enrollment tokens.
"""

from __future__ import annotations

import os
from hashlib import sha256

from pydantic import JsonValue
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource

from scepd.model import APIToken
from scepd.services.access import Access
from scepd.services.enrolling import Enrolling
from scepd.web.api.enrollment_tokens import EnrollmentTokenEndpoints
from scepd.web.api.openapi import document
from scepd.web.api.routes import Routes
from tests.support.fake_issuing import FakeIssuing
from tests.support.fakes import FakeAPITokens
from tests.support.pki import NOW
from tests.web.api.server import BODY_LIMIT, TOKEN, Answer, Server

URL = "https://mdm.example.com"


class TokenServer(Server):
    """
    A server with nothing but these endpoints.
    """

    def _api(self) -> Resource:
        self.store = FakeIssuing(self.activities)
        digest = sha256(TOKEN.encode()).hexdigest()
        tokens = FakeAPITokens({digest: APIToken(digest, "alice", "admin", NOW)})
        self.routes = Routes(Access(tokens, self.clock), os.urandom, BODY_LIMIT)
        service = Enrolling(self.store, self.clock, os.urandom, URL, lambda: None)
        EnrollmentTokenEndpoints(service).add_to(self.routes)
        api = Resource()
        api.putChild(b"v1", self.routes.resource())
        return api


class EnrollmentTokenEndpointTests(SynchronousTestCase):
    """
    Tests for ``/enrollment_tokens``.
    """

    def setUp(self) -> None:
        """
        Make a server.
        """
        self.server = TokenServer()

    def create(self, **fields: JsonValue) -> Answer:
        """
        Make a token.
        """
        body: dict[str, JsonValue] = {"name": "laptops", **fields}
        return self.server.request("POST", "/enrollment_tokens", body)

    def test_create(self) -> None:
        """
        A token is answered with 201, its place, its text and its URL.
        """
        answer = self.create(labels=["staff"], uses=3, valid_for=86_400, allow_reenrollment=True)
        self.assertEqual(answer.status, 201)
        [stored] = self.server.store.tokens.values()
        view = answer.json
        text = str(view.pop("token"))
        self.assertEqual(sha256(text.encode()).hexdigest(), stored.sha256)
        self.assertEqual(view.pop("url"), f"{URL}/mdm/enroll?token={text}")
        self.assertEqual(
            view,
            {
                "id": stored.sha256[:16],
                "name": "laptops",
                "labels": ["staff"],
                "uses_left": 3,
                "allow_reenrollment": True,
                "expires_at": "2026-06-02T12:00:00Z",
                "created_at": "2026-06-01T12:00:00Z",
            },
        )
        place = f"/api/v1/enrollment_tokens/{view['id']}"
        self.assertEqual(answer.headers["location"], place)
        self.assertEqual(self.server.activities.records[0].actor, "alice")

    def test_faults(self) -> None:
        """
        Faults come together; wrong types and unknown fields are told apart.
        """
        answer = self.create(name="", uses=0)
        self.assertEqual(answer.status, 400)
        self.assertEqual([field for field, _ in answer.faults], ["name", "uses"])
        for field, value in (("uses", "3"), ("valid_for", 1.5), ("label", "x")):
            answer = self.create(**{field: value})
            self.assertEqual([name for name, _ in answer.faults], [field])
        self.assertEqual(self.server.store.tokens, {})

    def test_list(self) -> None:
        """
        The list holds no text of a token.
        """
        text = str(self.create().json["token"])
        answer = self.server.request("GET", "/enrollment_tokens")
        self.assertNotIn(text.encode(), answer.body)
        items = answer.json["items"]
        assert isinstance(items, list)
        self.assertEqual((len(items), answer.json["next"]), (1, None))

    def test_delete(self) -> None:
        """
        A token is removed by its id, once.
        """
        place = f"/enrollment_tokens/{self.create().json['id']}"
        self.assertEqual(self.server.request("DELETE", place).status, 204)
        self.assertEqual(self.server.store.tokens, {})
        self.assertEqual(self.server.request("DELETE", place).status, 404)

    def test_access(self) -> None:
        """
        Nobody makes a token without one for the API.
        """
        answer = self.server.request("POST", "/enrollment_tokens", {"name": "x"}, token="wrong")
        self.assertEqual((answer.status, self.server.store.tokens), (401, {}))

    def test_document(self) -> None:
        """
        They are in the OpenAPI document.
        """
        paths = document(self.server.routes.endpoints)["paths"]
        assert isinstance(paths, dict)
        self.assertEqual(
            {path: sorted(methods) for path, methods in paths.items() if isinstance(methods, dict)},
            {
                "/api/v1/enrollment_tokens": ["get", "post"],
                "/api/v1/enrollment_tokens/{id}": ["delete"],
            },
        )
