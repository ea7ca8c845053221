"""
Tests for the endpoints of certificate authorities.
"""

from __future__ import annotations

from pydantic import JsonValue
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import UpstreamError, UpstreamFault
from scepd.model import Breaker, BreakerSettings
from tests.services.ca_certificates import NOW, certificate, der, ec_key, sha256
from tests.web.api.server import Answer, Server

CHALLENGE = "s3cret-challenge"


class CertificateAuthorityEndpointTests(SynchronousTestCase):
    """
    Tests for ``/certificate_authorities``.
    """

    def setUp(self) -> None:
        """
        Make a server.
        """
        self.server = Server()

    def create(self, **fields: JsonValue) -> Answer:
        """
        Add a certificate authority.
        """
        body: dict[str, JsonValue] = {
            "name": "Test_SCEP",
            "url": "http://ca.example.com/scep",
            "challenge": CHALLENGE,
        }
        return self.server.request("POST", "/certificate_authorities", body | fields)

    def test_create(self) -> None:
        """
        A created one is answered with 201, its place, and what its check brought.
        """
        answer = self.create()
        self.assertEqual(answer.status, 201)
        self.assertEqual(answer.headers["location"], "/api/v1/certificate_authorities/Test_SCEP")
        self.assertEqual(
            answer.json,
            {
                "name": "Test_SCEP",
                "subject": "CN=Test CA",
                "sha256": sha256(certificate()),
                "not_after": "2036-05-29T12:00:00Z",
                "capabilities": ["POSTPKIOperation", "AES", "SHA-256"],
                "warnings": [],
                "checked_at": "2026-06-01T12:00:00Z",
                "fingerprint_changed": False,
                "previous_sha256": None,
                "certificates": [
                    {
                        "subject": "CN=Test CA",
                        "sha256": sha256(certificate()),
                        "not_after": "2036-05-29T12:00:00Z",
                        "is_ca": True,
                    }
                ],
            },
        )
        self.assertEqual(self.server.activities.records[0].actor, "alice")

    def test_settings_are_stored(self) -> None:
        """
        All settings reach the store; left out, they have their defaults.
        """
        self.create()
        ca = self.server.authorities.by_name["Test_SCEP"]
        self.assertEqual((ca.max_concurrency, ca.allow_single_des), (16, False))
        self.create(name="b", max_concurrency=2, allow_single_des=True)
        ca = self.server.authorities.by_name["b"]
        self.assertEqual((ca.max_concurrency, ca.allow_single_des), (2, True))

    def test_show(self) -> None:
        """
        A stored one is shown with the mask in place of its challenge.
        """
        self.create()
        answer = self.server.request("GET", "/certificate_authorities/Test_SCEP")
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.json["challenge"], "********")
        self.assertEqual(answer.json["subject"], "CN=Test CA")
        self.assertEqual(answer.json["max_concurrency"], 16)

    def test_breaker(self) -> None:
        """
        Each is shown with its breaker: closed, or since when and why it is out.
        """
        for name in ("a", "b"):
            self.create(name=name)
        limits = BreakerSettings(failures=1)
        opened = Breaker("a").failed("ca.example refused the connection", NOW, limits, 0.5)
        self.server.breakers.by_name["a"] = opened
        shown = self.server.request("GET", "/certificate_authorities/a").json["breaker"]
        self.assertEqual(
            shown,
            {
                "state": "open",
                "failures": 1,
                "since": "2026-06-01T12:00:00Z",
                "reason": "ca.example refused the connection",
                "next_probe_at": "2026-06-01T12:00:30Z",
            },
        )
        items = self.server.request("GET", "/certificate_authorities").json["items"]
        assert isinstance(items, list)
        states = [item["breaker"]["state"] for item in items]  # type: ignore[index, call-overload]
        self.assertEqual(states, ["open", "closed"])

    def test_check_is_a_probe(self) -> None:
        """
        A check that goes well takes an open breaker to half-open; one that fails leaves it.
        """
        self.create()
        limits = BreakerSettings(failures=1)
        opened = Breaker("Test_SCEP").failed("refused", NOW, limits, 0.5)
        self.server.breakers.by_name["Test_SCEP"] = opened
        answers, self.server.upstream.answers = self.server.upstream.answers, {}
        self.server.request("POST", "/certificate_authorities/Test_SCEP/check")
        self.assertEqual(self.server.breakers.by_name["Test_SCEP"], opened)
        self.server.upstream.answers = answers
        self.server.request("POST", "/certificate_authorities/Test_SCEP/check")
        self.assertEqual(self.server.breakers.by_name["Test_SCEP"].state.value, "half_open")

    def test_mask_can_not_be_stored(self) -> None:
        """
        What is shown can't be sent back as a challenge.
        """
        answer = self.create(challenge="********")
        self.assertEqual(answer.status, 400)
        self.assertEqual(answer.faults[0][0], "challenge")
        self.assertEqual(self.server.authorities.by_name, {})

    def test_pages(self) -> None:
        """
        A list comes in pages, by name, and ends.
        """
        for name in ("c", "a", "b"):
            self.create(name=name)
        first = self.server.request("GET", "/certificate_authorities?limit=2").json
        self.assertEqual(first["next"], "b")
        second = self.server.request("GET", "/certificate_authorities?limit=2&after=b").json
        self.assertIsNone(second["next"])
        names = []
        for page in (first, second):
            assert isinstance(page["items"], list)
            names += [item["name"] for item in page["items"] if isinstance(item, dict)]
        self.assertEqual(names, ["a", "b", "c"])

    def test_wrong_parameters(self) -> None:
        """
        Parameters that make no sense are refused by name.
        """
        for query, field in (
            ("limit=0", "limit"),
            ("limit=201", "limit"),
            ("limit=x", "limit"),
            ("limit=1&limit=2", "limit"),
            ("after=%ff", "after"),
            ("after=" + "x" * 1025, "after"),
        ):
            answer = self.server.request("GET", f"/certificate_authorities?{query}")
            self.assertEqual(answer.status, 400, query)
            self.assertEqual([fault[0] for fault in answer.faults], [field])

    def test_all_faults(self) -> None:
        """
        Faults of all fields come together, with a sentence each; left-out fields among them.
        """
        answer = self.server.request(
            "POST", "/certificate_authorities", {"name": "a b", "max_concurrency": 0}
        )
        self.assertEqual(answer.status, 400)
        self.assertEqual(answer.json["type"], "urn:scepd:problem:invalid-input")
        self.assertEqual(
            answer.faults,
            [
                ("name", "Only letters A-Z and a-z, digits and underscores are allowed in a name."),
                ("url", "A URL is needed."),
                ("challenge", "A challenge is needed."),
                ("max_concurrency", "A whole number from 1 to 1000 is allowed."),
            ],
        )
        self.assertEqual(self.server.upstream.fetched, [])

    def test_wrong_types(self) -> None:
        """
        Fields of another type and unknown fields are refused by name; no value is echoed.
        """
        answer = self.create(challenge=["s3cret"], max_concurrency="16", more=CHALLENGE)
        self.assertEqual(answer.status, 400)
        self.assertEqual(
            [fault[0] for fault in answer.faults], ["challenge", "max_concurrency", "more"]
        )
        self.assertIn("There is no such field; allowed: name, url,", str(answer.faults[2][1]))
        self.assertNotIn(b"s3cret", answer.body)

    def test_not_json(self) -> None:
        """
        A body that is no JSON object is refused, and not echoed.
        """
        for body in (b"", b"{", b'"s3cret"', b"[]", b"\xff", b'{"name": "\\ud800"}'):
            answer = self.server.request("POST", "/certificate_authorities", body)
            self.assertEqual(answer.status, 400, body)
            self.assertNotIn(b"s3cret", answer.body)

    def test_unusable(self) -> None:
        """
        A certificate authority that SCEP can't use is refused with the reason, and not stored.
        """
        self.server.upstream.answers[b"operation=GetCACert"] = (
            b"application/x-x509-ca-cert",
            der(certificate(key=ec_key())),
        )
        answer = self.create()
        self.assertEqual(answer.status, 400)
        self.assertIn("which needs an RSA key", str(answer.faults[0][1]))
        self.assertEqual(self.server.authorities.by_name, {})

    def test_not_reachable(self) -> None:
        """
        A certificate authority that can't be reached is status 502, with the upstream's sentence.
        """
        error = UpstreamError(UpstreamFault.REFUSED, "ca.example.com refused the connection.")
        self.server.upstream.answers[b"operation=GetCACert"] = error
        answer = self.create()
        self.assertEqual(answer.status, 502)
        self.assertEqual(answer.json["type"], "urn:scepd:problem:upstream")
        self.assertEqual(answer.json["detail"], "ca.example.com refused the connection.")

    def test_slow(self) -> None:
        """
        A certificate authority that does not answer in time is status 504.
        """
        self.server.upstream.answers[b"operation=GetCACert"] = None
        self.assertRaises(IndexError, self.create)
        self.server.clock.advance(30)
        self.server.upstream.answers[b"operation=GetCACert"] = UpstreamError(
            UpstreamFault.TIMEOUT, "It did not answer."
        )
        self.assertEqual(self.create().status, 504)

    def test_check(self) -> None:
        """
        A check answers what it brought, and whether the certificate changed.
        """
        self.create()
        self.server.upstream.answers[b"operation=GetCACert"] = (b"", der(certificate(serial=9)))
        answer = self.server.request("POST", "/certificate_authorities/Test_SCEP/check")
        self.assertEqual(answer.status, 200)
        self.assertIs(answer.json["fingerprint_changed"], True)

    def test_delete(self) -> None:
        """
        One that nothing uses is deleted; one that profiles use only by force.
        """
        self.create()
        self.server.authorities.users["Test_SCEP"] = ["com.example.wifi"]
        path = "/certificate_authorities/Test_SCEP"
        answer = self.server.request("DELETE", path)
        self.assertEqual(answer.status, 409)
        self.assertIn("com.example.wifi", str(answer.json["detail"]))
        self.assertEqual(self.server.request("DELETE", f"{path}?force=2").status, 400)
        answer = self.server.request("DELETE", f"{path}?force=1")
        self.assertEqual((answer.status, answer.body), (204, b""))
        self.assertEqual(self.server.request("DELETE", path).status, 404)

    def test_unknown(self) -> None:
        """
        What does not exist is status 404.
        """
        for method, path in (("GET", "x"), ("DELETE", "x"), ("POST", "x/check")):
            answer = self.server.request(method, f"/certificate_authorities/{path}")
            self.assertEqual(answer.status, 404)

    def test_challenge_is_nowhere(self) -> None:
        """
        No answer and no log line ever holds the challenge.
        """
        with capturedLogs() as events:
            bodies = [
                self.create().body,
                self.create().body,
                self.create(name="").body,
                self.create(name="x", challenge=CHALLENGE + "\n").body,
                self.server.request("GET", "/certificate_authorities").body,
                self.server.request("GET", "/certificate_authorities/Test_SCEP").body,
                self.server.request("POST", "/certificate_authorities/Test_SCEP/check").body,
            ]
        self.assertNotIn(CHALLENGE.encode(), b"".join(bodies))
        self.assertNotIn(CHALLENGE, repr(events))
