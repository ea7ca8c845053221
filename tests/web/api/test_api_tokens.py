"""
Tests for the endpoints of API tokens, and for what each role may do.
"""

from __future__ import annotations

from hashlib import sha256

from pydantic import JsonValue
from twisted.trial.unittest import SynchronousTestCase

from scepd.model import APIToken
from tests.support.pki import NOW
from tests.web.api.server import Answer, Server

VERIFIER = "the-token-of-scepserver"


class APITokenEndpointTests(SynchronousTestCase):
    """
    Tests for ``/api_tokens``.
    """

    def setUp(self) -> None:
        """
        Make a server.
        """
        self.server = Server()

    def create(self, **body: JsonValue) -> Answer:
        """
        Make a token.
        """
        return self.server.request("POST", "/api_tokens", body)

    def test_create(self) -> None:
        """
        The token's text is told once, and works; the list has all but texts.
        """
        created = self.create(name="bob", role="admin")
        self.assertEqual(created.status, 201)
        text, identifier = str(created.json["token"]), str(created.json["id"])
        self.assertRegex(text, r"\A[A-Za-z0-9_-]{43}\Z")
        self.assertEqual(identifier, sha256(text.encode()).hexdigest()[:16])
        self.assertEqual(created.headers["location"], f"/api/v1/api_tokens/{identifier}")
        listed = self.server.request("GET", "/api_tokens", token=text)
        self.assertEqual(listed.status, 200)
        self.assertNotIn(text.encode(), listed.body)
        items = listed.json["items"]
        assert isinstance(items, list)
        self.assertEqual(
            [(item["name"], item["role"]) for item in items if isinstance(item, dict)],
            [("bob", "admin"), ("alice", "admin")],
        )
        [activity] = self.server.activities.records
        self.assertEqual((activity.actor, activity.subject), ("alice", "bob"))

    def test_faults(self) -> None:
        """
        All faults are told together; a name that is taken is a conflict.
        """
        wrong = self.create(name="", role="root")
        self.assertEqual([field for field, _ in wrong.faults], ["name", "role"])
        self.assertEqual(wrong.faults[1][1], "Allowed: admin, verifier.")
        self.assertEqual(self.create(name="alice", role="admin").status, 409)
        self.assertEqual(len(self.server.tokens.by_sha256), 1)

    def test_revoke(self) -> None:
        """
        A revoked token lets nobody in; unknown ones and the last admin's are refused.
        """
        created = self.create(name="bob", role="admin").json
        path = f"/api_tokens/{created['id']}"
        self.assertEqual(self.server.request("DELETE", path).status, 204)
        refused = self.server.request("GET", "/status", token=str(created["token"]))
        self.assertEqual(refused.status, 401)
        self.assertEqual(self.server.request("DELETE", path).status, 404)
        [alice] = self.server.tokens.by_sha256
        last = self.server.request("DELETE", f"/api_tokens/{alice[:16]}")
        self.assertEqual(last.status, 409)
        self.assertEqual(self.server.request("GET", "/status").status, 200)

    def test_verifier(self) -> None:
        """
        Its token opens nothing but the verification; the others answer 403 at once.
        """
        digest = sha256(VERIFIER.encode()).hexdigest()
        self.server.tokens.by_sha256[digest] = APIToken(digest, "scepserver", "verifier", NOW)
        for method, path in (
            ("GET", "/status"),
            ("GET", "/hosts"),
            ("POST", "/profiles"),
            ("GET", "/certificate_authorities"),
            ("DELETE", "/certificate_authorities/CORP"),
            ("POST", "/enrollment_tokens"),
            ("GET", "/api_tokens"),
            ("POST", "/api_tokens"),
            ("DELETE", f"/api_tokens/{digest[:16]}"),
            ("GET", "/exchanges"),
            ("GET", "/activities"),
        ):
            answer = self.server.request(method, path, token=VERIFIER)
            self.assertEqual(answer.status, 403, path)
            self.assertEqual(answer.json["type"], "urn:scepd:problem:role-denied")
        answer = self.server.request("GET", "/challenges/verify?ca=CORP", token=VERIFIER)
        self.assertEqual(answer.status, 404)
