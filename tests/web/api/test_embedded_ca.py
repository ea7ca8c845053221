"""
Tests for the endpoints of the embedded certificate authority.
"""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

from cryptography import x509
from pydantic import JsonValue
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource

from scepd.model import APIToken, PendingRequest, RequestState, pending_request_place
from scepd.pki.keyring import Keyring
from scepd.pki.requests import build_request
from scepd.services.access import Access
from scepd.web.api.openapi import document
from scepd.web.api.routes import Routes
from tests.services.ca_certificates import NOW
from tests.storage.records import issued
from tests.support.fake_issuing import FakeIssuing
from tests.support.fakes import FakeAPITokens
from tests.support.pki import rsa_key
from tests.web.api.server import BODY_LIMIT, TOKEN, Server, embedded_ca_endpoints


class EmbeddedCAServer(Server):
    """
    A server with nothing but these endpoints.
    """

    def _api(self) -> Resource:
        self.store = FakeIssuing(self.activities)
        digest = sha256(TOKEN.encode()).hexdigest()
        tokens = FakeAPITokens({digest: APIToken(digest, "alice", "admin", NOW)})
        self.routes = Routes(Access(tokens, self.clock), os.urandom, BODY_LIMIT)
        embedded_ca_endpoints(self.store, self.clock).add_to(self.routes)
        api = Resource()
        api.putChild(b"v1", self.routes.resource())
        return api


class EndpointCase(SynchronousTestCase):
    """
    A server.
    """

    def setUp(self) -> None:
        """
        Make it.
        """
        self.server = EmbeddedCAServer()
        self.store = self.server.store

    def items(self, path: str) -> list[dict[str, JsonValue]]:
        """
        The items of a list.
        """
        answer = self.server.request("GET", path)
        self.assertEqual(answer.status, 200, answer.body)
        found = answer.json["items"]
        assert isinstance(found, list)
        return [one for one in found if isinstance(one, dict)]


class CertificateTests(EndpointCase):
    """
    Tests for ``/certificates``.
    """

    def setUp(self) -> None:
        """
        Issue three.
        """
        super().setUp()
        self.store.certificates = [issued(serial) for serial in ("0A", "0B", "0C")]

    def test_list(self) -> None:
        """
        They come newest first, in pages.
        """
        answer = self.server.request("GET", "/certificates?limit=2")
        self.assertEqual(answer.json["next"], "0B")
        self.assertEqual(
            [one["serial"] for one in self.items("/certificates?limit=2&after=0b")], ["0A"]
        )
        [one, *_] = self.items("/certificates")
        self.assertEqual(
            one,
            {
                "serial": "0C",
                "subject": "CN=H-1",
                "purpose": "enroll",
                "sha256": "sha-0C",
                "issuer_serial": "",
                "transaction_id": "transaction-0C",
                "issued_at": "2026-03-01T12:00:00.123456Z",
                "not_after": "2027-03-01T12:00:00.123456Z",
                "revoked_at": None,
                "revocation_reason": None,
            },
        )

    def test_revoke(self) -> None:
        """
        One is revoked with a reason, once, and it is an activity.
        """
        path = "/certificates/0b/revoke"
        answer = self.server.request("POST", path, {"reason": "keyCompromise"})
        self.assertEqual((answer.status, answer.json["revocation_reason"]), (200, "keyCompromise"))
        self.assertIsNotNone(self.store.certificates[1].revoked_at)
        self.assertEqual(self.server.activities.records[0].subject, "0B")
        self.assertEqual(self.server.request("POST", path, {}).status, 409)
        self.assertEqual(self.server.request("POST", "/certificates/0D/revoke", {}).status, 404)

    def test_faults(self) -> None:
        """
        Reasons that cannot be, and other fields, are told.
        """
        for name in ("reason", "why"):
            body: dict[str, JsonValue] = {name: "x"}
            answer = self.server.request("POST", "/certificates/0B/revoke", body)
            self.assertEqual((answer.status, answer.faults[0][0]), (400, name))
        self.assertIsNone(self.store.certificates[1].revoked_at)


class RequestTests(EndpointCase):
    """
    Tests for ``/requests``.
    """

    def setUp(self) -> None:
        """
        Let one wait.
        """
        super().setUp()
        name = x509.Name.from_rfc4514_string("CN=client")
        csr = build_request(rsa_key(4), name, "s3cret")
        sealed = Keyring({"k1": bytes(32)}).seal(csr, pending_request_place("r-1"), os.urandom)
        now = NOW
        self.pending = PendingRequest(
            "r-1", "t-1", "q-1", "k-1", b"", "k-1", sealed, "CN=client", (), now, now + timedelta(7)
        )
        self.store.requests["r-1"] = self.pending

    def test_list(self) -> None:
        """
        The list holds no request as it came; what was decided is left out on demand.
        """
        [one] = self.items("/requests?waiting=1")
        self.assertEqual((one["id"], one["state"], one["subject"]), ("r-1", "pending", "CN=client"))
        self.assertNotIn(b"s3cret", self.server.request("GET", "/requests").body)
        self.store.requests["r-1"] = replace(self.pending, state=RequestState.DENIED)
        self.assertEqual(self.items("/requests?waiting=1"), [])
        self.assertEqual(len(self.items("/requests")), 1)

    def test_approve(self) -> None:
        """
        An approval issues the certificate.
        """
        answer = self.server.request("POST", "/requests/r-1/approve")
        self.assertEqual((answer.status, answer.json["decided_by"]), (200, "alice"))
        [certificate] = self.store.certificates
        self.assertEqual(answer.json["serial"], certificate.serial)
        self.assertEqual(self.server.request("POST", "/requests/r-1/deny").status, 409)

    def test_deny(self) -> None:
        """
        A denial issues nothing.
        """
        answer = self.server.request("POST", "/requests/r-1/deny")
        self.assertEqual((answer.status, answer.json["state"]), (200, "denied"))
        self.assertEqual(self.store.certificates, [])

    def test_unknown(self) -> None:
        """
        There is nothing to decide on what is not there.
        """
        for step in ("approve", "deny"):
            self.assertEqual(self.server.request("POST", f"/requests/r-2/{step}").status, 404)


class RollOverTests(EndpointCase):
    """
    Tests for ``/embedded_ca/rollover``.
    """

    path = "/embedded_ca/rollover"

    def step(self, step: str) -> int:
        """
        The status of the answer to a step.
        """
        return self.server.request("POST", self.path, {"step": step}).status

    def roles(self) -> list[JsonValue]:
        """
        What the certificates are for.
        """
        return [one["role"] for one in self.items(self.path)]

    def test_steps(self) -> None:
        """
        Plan, then commit or cancel; none out of order.
        """
        self.assertEqual(self.roles(), ["current"])
        self.assertEqual(self.step("commit"), 409)
        self.assertEqual(self.step("cancel"), 409)
        self.assertEqual(self.step("plan"), 200)
        self.assertEqual(self.step("cancel"), 200)
        self.assertEqual(self.roles(), ["current"])
        self.assertEqual(self.step("plan"), 200)
        self.assertEqual(self.step("plan"), 409)
        self.assertEqual(self.roles(), ["next", "current"])
        self.assertEqual(self.step("commit"), 200)
        self.assertEqual(self.roles(), ["current", "previous"])

    def test_unknown_step(self) -> None:
        """
        What is no step is told so, with those that are.
        """
        answer = self.server.request("POST", self.path, {"step": "back"})
        self.assertEqual(answer.faults, [("step", "plan, commit or cancel is allowed.")])

    def test_no_key(self) -> None:
        """
        No answer holds a private key.
        """
        self.step("plan")
        body = self.server.request("GET", self.path).body
        for state in self.store.states:
            self.assertNotIn(state.private_key.data.hex().encode(), body)
        self.assertEqual(
            set(self.items(self.path)[0]),
            {
                "role",
                "serial",
                "subject",
                "sha256",
                "key_bits",
                "not_before",
                "not_after",
            },
        )

    def test_access(self) -> None:
        """
        Nothing of it is for those without a token.
        """
        for method, path in (
            ("GET", "/certificates"),
            ("POST", "/certificates/0B/revoke"),
            ("GET", "/requests"),
            ("POST", "/requests/r-1/approve"),
            ("POST", "/requests/r-1/deny"),
            ("GET", self.path),
            ("POST", self.path),
        ):
            server = EmbeddedCAServer()
            self.assertEqual(server.request(method, path, {}, token="wrong").status, 401)
            self.assertEqual(server.store.states, [])

    def test_document(self) -> None:
        """
        They are in the OpenAPI document.
        """
        paths = document(self.server.routes.endpoints)["paths"]
        assert isinstance(paths, dict)
        self.assertEqual(
            sorted(paths),
            [
                "/api/v1/certificates",
                "/api/v1/certificates/{serial}/revoke",
                "/api/v1/embedded_ca/rollover",
                "/api/v1/requests",
                "/api/v1/requests/{id}/approve",
                "/api/v1/requests/{id}/deny",
            ],
        )
