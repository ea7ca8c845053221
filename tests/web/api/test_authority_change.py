"""
Tests for changing certificate authorities by PATCH, and for the settings of trust and way.
"""

from __future__ import annotations

from pydantic import JsonValue
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import UpstreamError, UpstreamFault
from tests.services.client_certificates import certificate_pem, key_pem
from tests.web.api.server import Answer, Server

CHALLENGE = "s3cret-challenge"
ONE = "/certificate_authorities/Test_SCEP"


class ChangeTests(SynchronousTestCase):
    """
    Tests for ``PATCH /certificate_authorities/{name}``.
    """

    def setUp(self) -> None:
        """
        Make a server with a certificate authority.
        """
        self.server = Server()
        self.assertEqual(self.create().status, 201)

    def create(self, **fields: JsonValue) -> Answer:
        """
        Add a certificate authority.
        """
        body: dict[str, JsonValue] = {
            "name": "Test_SCEP",
            "url": "https://ca.example.com/scep",
            "challenge": CHALLENGE,
        }
        return self.server.request("POST", "/certificate_authorities", body | fields)

    def patch_one(self, **fields: JsonValue) -> Answer:
        """
        Change it.
        """
        return self.server.request("PATCH", ONE, dict(fields))

    def shown(self) -> dict[str, JsonValue]:
        """
        It, as it is shown.
        """
        return self.server.request("GET", ONE).json

    def test_changed(self) -> None:
        """
        What is given changes and nothing else; the answer is a check's, the activity the caller's.
        """
        before = self.shown()
        answer = self.patch_one(max_concurrency=2, requests_per_second=3, allow_single_des=True)
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.json["subject"], "CN=Test CA")
        changed = {"max_concurrency": 2, "requests_per_second": 3.0, "allow_single_des": True}
        self.assertEqual(
            self.shown(), before | changed | {"checked_at": self.shown()["checked_at"]}
        )
        done = self.server.activities.records[-1]
        self.assertEqual((done.actor, done.action), ("alice", "changed certificate authority"))

    def test_null(self) -> None:
        """
        Null takes a setting away; where there must be one it is refused by name.
        """
        self.server.upstream.answers |= {
            query + b"&message=x": answer for query, answer in self.server.upstream.answers.items()
        }
        self.assertEqual(self.patch_one(ca_identifier="x", requests_per_second=3).status, 200)
        self.assertEqual(self.patch_one(ca_identifier=None).status, 200)
        self.assertIsNone(self.shown()["ca_identifier"])
        self.assertEqual(self.shown()["requests_per_second"], 3.0)
        for name in ("url", "challenge", "max_concurrency", "allow_single_des", "name"):
            answer = self.patch_one(**{name: None})
            self.assertEqual((answer.status, answer.faults[0][0]), (400, name))

    def test_trust(self) -> None:
        """
        The settings of trust and way are stored and shown, but for the key.
        """
        pem = certificate_pem()
        settings: dict[str, JsonValue] = {
            "pinned_sha256": "AB" * 32,
            "client_certificate": pem,
            "client_key": key_pem(),
            "outgoing_proxy": "http://proxy:3128",
            "requests_per_second": 0.5,
        }
        expected = settings | {"pinned_sha256": "ab" * 32, "client_key": "********"}
        self.assertEqual(self.create(name="b", **settings).status, 201)
        self.assertEqual(self.patch_one(challenge=CHALLENGE, **settings).status, 200)
        for name in ("Test_SCEP", "b"):
            path = f"/certificate_authorities/{name}"
            answer = self.server.request("GET", path)
            self.assertEqual({key: answer.json[key] for key in expected}, expected)
            self.assertNotIn(b"PRIVATE", answer.body)
        listed = self.server.request("GET", "/certificate_authorities")
        self.assertNotIn(b"PRIVATE", listed.body)

    def test_url_needs_the_challenge(self) -> None:
        """
        Another URL without the challenge is refused, and nothing is asked or changed.
        """
        before = self.shown()
        asked = len(self.server.upstream.fetched)
        for url in ("https://evil.example/", "https://ca.example.com/scep/"):
            answer = self.patch_one(url=url)
            self.assertEqual(answer.status, 400)
            self.assertEqual(
                answer.faults,
                [("challenge", "With another URL the challenge has to be given again.")],
            )
        self.assertEqual(len(self.server.upstream.fetched), asked)
        self.assertEqual(self.shown(), before)
        self.assertEqual(self.patch_one(url="https://b.example/", challenge="new").status, 200)

    def test_refused(self) -> None:
        """
        The mask, another name, nothing at all, other types and unknown fields are refused by name,
        without an echo.
        """
        before = self.shown()
        cases: tuple[tuple[dict[str, JsonValue], str], ...] = (
            ({"challenge": "********"}, "challenge"),
            ({"name": "Other"}, "name"),
            ({}, "body"),
            ({"max_concurrency": "s3cret"}, "max_concurrency"),
            ({"requests_per_second": "s3cret"}, "requests_per_second"),
            ({"client_key": ["s3cret"]}, "client_key"),
            ({"created_at": "s3cret"}, "created_at"),
        )
        for fields, field in cases:
            answer = self.server.request("PATCH", ONE, fields)
            self.assertEqual((answer.status, answer.faults[0][0]), (400, field))
            self.assertNotIn(b"s3cret", answer.body)
        self.assertEqual(self.shown(), before)

    def test_not_reachable(self) -> None:
        """
        When the live check fails it is status 502, and nothing changes; one that is not there is
        404.
        """
        before = self.shown()
        error = UpstreamError(
            UpstreamFault.PROXY, "the outgoing proxy proxy:3128 wants credentials"
        )
        self.server.upstream.answers[b"operation=GetCACert"] = error
        answer = self.patch_one(outgoing_proxy="http://proxy:3128", challenge=CHALLENGE)
        self.assertEqual(answer.status, 502)
        self.assertEqual(answer.json["detail"], error.sentence)
        self.assertEqual(self.shown(), before)
        other = self.server.request("PATCH", "/certificate_authorities/b", {"max_concurrency": 2})
        self.assertEqual(other.status, 404)

    def test_secrets_are_not_logged(self) -> None:
        """
        No challenge and no key is in the log.
        """
        with capturedLogs() as events:
            self.patch_one(challenge="an0ther", client_key=key_pem())
            self.patch_one(
                challenge="an0ther", client_key=key_pem(), client_certificate=certificate_pem()
            )
        self.assertNotIn("an0ther", repr(events))
        self.assertNotIn("PRIVATE", repr(events))
