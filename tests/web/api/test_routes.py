"""
Tests for what all endpoints share: tokens, request ids, problems, limits, the document.
"""

from __future__ import annotations

from twisted.internet.error import ConnectionDone
from twisted.logger import capturedLogs
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from scepd import __version__
from tests.web.api.server import BODY_LIMIT, TOKEN, Server, answer_of


class TokenTests(SynchronousTestCase):
    """
    Tests for the way in.
    """

    def setUp(self) -> None:
        """
        Make a server.
        """
        self.server = Server()

    def test_no_token(self) -> None:
        """
        Every endpoint but the document answers 401 without a known token, as a problem.
        """
        for method, path in (
            ("GET", "/certificate_authorities"),
            ("POST", "/certificate_authorities"),
            ("GET", "/certificate_authorities/x"),
            ("DELETE", "/certificate_authorities/x"),
            ("POST", "/certificate_authorities/x/check"),
            ("GET", "/profiles"),
            ("POST", "/profiles"),
            ("GET", "/profiles/x"),
            ("GET", "/profiles/x/content"),
            ("GET", "/profiles/x/preview"),
            ("DELETE", "/profiles/x"),
            ("GET", "/exchanges"),
            ("GET", "/activities"),
            ("GET", "/status"),
        ):
            self.server = Server()
            answer = self.server.request(method, path, token=None)
            self.assertEqual(answer.status, 401, path)
            self.assertEqual(answer.headers["www-authenticate"], 'Bearer realm="scepd"')
            self.assertEqual(answer.headers["content-type"], "application/problem+json")
            self.assertEqual(answer.json["type"], "urn:scepd:problem:access-denied")

    def test_refusal_is_slow(self) -> None:
        """
        A wrong token is answered after a delay only.
        """
        transport = self.server.send("GET", "/status", token="wrong")
        self.assertEqual(transport.value(), b"")
        self.server.clock.advance(0.25)
        self.assertEqual(answer_of(transport).status, 401)

    def test_client_leaves(self) -> None:
        """
        A client that leaves while its refusal waits is not answered any more.
        """
        transport = self.server.send("GET", "/status", token="wrong")
        protocol = self.server.protocol
        assert protocol is not None
        protocol.connectionLost(Failure(ConnectionDone()))
        self.server.clock.advance(60)
        self.assertEqual(transport.value(), b"")
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_scheme(self) -> None:
        """
        The scheme is Bearer in any case; another, or two headers, let nobody in.
        """
        for value, status in ((f"bearer {TOKEN}", 200), (f"Basic {TOKEN}", 401), (TOKEN, 401)):
            answer = self.server.request(
                "GET", "/status", headers={"Authorization": value}, token=None
            )
            self.assertEqual(answer.status, status, value)


class ProblemTests(SynchronousTestCase):
    """
    Tests for answers that are problems, and for request ids.
    """

    def setUp(self) -> None:
        """
        Make a server.
        """
        self.server = Server()

    def test_unknown_path(self) -> None:
        """
        An unknown path is a problem with status 404.
        """
        for path in ("/nothing", "", "/", "/profiles/", "/profiles/x/y/z"):
            answer = self.server.request("GET", path)
            self.assertEqual(answer.status, 404, path)
            self.assertEqual(answer.json["type"], "urn:scepd:problem:not-found")

    def test_unknown_method(self) -> None:
        """
        A method that a path does not have is a problem with status 405 that names the others.
        """
        for method in ("PUT", "POST"):
            answer = self.server.request(method, "/certificate_authorities/x", b"{}")
            self.assertEqual(answer.status, 405)
            self.assertEqual(answer.headers["allow"], "DELETE, GET, HEAD, PATCH")

    def test_odd_host(self) -> None:
        """
        A Host header that is no host name is a problem, and is not logged as a failure.
        """
        for host in ("x" * 300, "ca..example", "\u00fc.example", "a b"):
            answer = self.server.request("GET", "/status", headers={"Host": host})
            self.assertEqual(answer.status, 400, host)
            self.assertEqual(answer.json["type"], "urn:scepd:problem:bad-request")
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_good_hosts(self) -> None:
        """
        Names and addresses, with and without a port, are good hosts; so is none at all.
        """
        for host in ("localhost", "ca.example:8081", "127.0.0.1:8081", "[::1]:8081", "[::1]", ""):
            answer = self.server.request("GET", "/status", headers={"Host": host})
            self.assertEqual(answer.status, 200, host)

    def test_path_that_is_not_utf_8(self) -> None:
        """
        A path that is not UTF-8 is a problem, and is not logged as a failure.
        """
        answer = self.server.request("GET", "/profiles/%ff")
        self.assertEqual(answer.status, 400)
        self.assertEqual(answer.headers["content-type"], "application/problem+json")
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_our_own_fault(self) -> None:
        """
        An exception that nobody expected is logged, and answered without details.
        """

        async def explode() -> None:
            """
            Fail.
            """
            raise RuntimeError("secret detail")

        self.server.health.ping = explode  # type: ignore[method-assign]
        answer = self.server.request("GET", "/status")
        self.assertEqual(answer.status, 500)
        self.assertNotIn(b"secret detail", answer.body)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_database_is_gone(self) -> None:
        """
        A database that does not answer is status 503, with a time to try again.
        """
        self.server.health.broken = True
        answer = self.server.request("GET", "/status")
        self.assertEqual(answer.status, 503)
        self.assertEqual(answer.headers["retry-after"], "5")

    def test_request_id_is_taken(self) -> None:
        """
        A request id of the client is returned and logged.
        """
        with capturedLogs() as events:
            answer = self.server.request("GET", "/status", headers={"X-Request-Id": "abc-123"})
        self.assertEqual(answer.headers["x-request-id"], "abc-123")
        self.assertIn("abc-123", [event.get("request_id") for event in events])

    def test_request_id_is_made(self) -> None:
        """
        Without a usable request id one is made; a problem holds it too.
        """
        for value in ("", "x" * 65, "a b", "a;b"):
            answer = self.server.request("GET", "/nothing", headers={"X-Request-Id": value})
            made = "00000000-0000-4000-8000-000000000000"
            self.assertEqual(answer.headers["x-request-id"], made)
            self.assertEqual(answer.json["request_id"], made)

    def test_headers(self) -> None:
        """
        Answers are not to be stored, nor to be taken for something else.
        """
        answer = self.server.request("GET", "/status")
        self.assertEqual(answer.headers["cache-control"], "no-store")
        self.assertEqual(answer.headers["x-content-type-options"], "nosniff")

    def test_parameters_are_not_logged(self) -> None:
        """
        The log holds the path without its query, and no token.
        """
        with capturedLogs() as events:
            self.server.request("GET", "/exchanges?host=abcdef")
        self.assertNotIn("abcdef", repr(events))
        self.assertNotIn(TOKEN, repr(events))

    def test_status(self) -> None:
        """
        The status has version, time and counts.
        """
        self.assertEqual(
            self.server.request("GET", "/status").json,
            {
                "version": __version__,
                "now": "2026-06-01T12:00:00Z",
                "database": "ok",
                "certificate_authorities": 0,
            },
        )


class LimitTests(SynchronousTestCase):
    """
    Tests for the size of bodies.
    """

    def setUp(self) -> None:
        """
        Make a server.
        """
        self.server = Server()

    def test_announced(self) -> None:
        """
        A body that is announced too large is refused before it comes, and the connection closed.
        """
        transport = self.server.send("POST", "/profiles", headers={"Content-Length": "20001"})
        answer = answer_of(transport)
        self.assertEqual(answer.status, 413)
        self.assertEqual(answer.json["type"], "urn:scepd:problem:limit-exceeded")
        self.assertEqual(answer.headers["connection"], "close")

    def test_chunked(self) -> None:
        """
        A chunked body is refused at the first octet too many; nothing behind it is answered.
        """
        headers = {"Transfer-Encoding": "chunked"}
        transport = self.server.connect()
        protocol = self.server.protocol
        assert protocol is not None
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        protocol.dataReceived(f"POST /api/v1/profiles HTTP/1.1\r\n{head}\r\n".encode())
        chunk = b"1000\r\n" + b"x" * 4096 + b"\r\n"
        for _ in range(BODY_LIMIT // 4096):
            protocol.dataReceived(chunk)
        self.assertEqual(transport.value(), b"")
        protocol.dataReceived(chunk + chunk + b"0\r\n\r\nGET /api/v1/status HTTP/1.1\r\n\r\n")
        self.assertEqual(transport.value().count(b"HTTP/1.1 "), 1)
        self.assertEqual(answer_of(transport).status, 413)

    def test_at_the_limit(self) -> None:
        """
        A body of exactly the limit is read.
        """
        answer = self.server.request("POST", "/profiles", b" " * BODY_LIMIT)
        self.assertEqual(answer.status, 400)


class DocumentTests(SynchronousTestCase):
    """
    Tests for the OpenAPI document.
    """

    def setUp(self) -> None:
        """
        Ask for it, without a token.
        """
        self.answer = Server().request("GET", "/openapi.json", token=None)

    def test_version(self) -> None:
        """
        It is OpenAPI 3.1.
        """
        self.assertEqual(self.answer.json["openapi"], "3.1.0")
        self.assertEqual(self.answer.headers["content-type"], "application/json")

    def test_paths(self) -> None:
        """
        It has every path, with the names of captured parts.
        """
        paths = self.answer.json["paths"]
        assert isinstance(paths, dict)
        self.assertEqual(
            sorted(paths),
            [
                "/api/v1/activities",
                "/api/v1/api_tokens",
                "/api/v1/api_tokens/{id}",
                "/api/v1/certificate_authorities",
                "/api/v1/certificate_authorities/{name}",
                "/api/v1/certificate_authorities/{name}/check",
                "/api/v1/certificates",
                "/api/v1/certificates/{serial}/revoke",
                "/api/v1/challenges/step-ca",
                "/api/v1/challenges/verify",
                "/api/v1/embedded_ca/rollover",
                "/api/v1/enrollment_tokens",
                "/api/v1/enrollment_tokens/{id}",
                "/api/v1/exchanges",
                "/api/v1/facts",
                "/api/v1/hosts",
                "/api/v1/hosts/{uuid}",
                "/api/v1/hosts/{uuid}/commands",
                "/api/v1/hosts/{uuid}/commands/{command}/answer",
                "/api/v1/hosts/{uuid}/facts",
                "/api/v1/hosts/{uuid}/identity-renewal",
                "/api/v1/hosts/{uuid}/labels",
                "/api/v1/hosts/{uuid}/profiles/{profile}/resend",
                "/api/v1/hosts/{uuid}/push",
                "/api/v1/hosts/{uuid}/verify",
                "/api/v1/managed_certificates",
                "/api/v1/openapi.json",
                "/api/v1/profiles",
                "/api/v1/profiles/{uuid}",
                "/api/v1/profiles/{uuid}/content",
                "/api/v1/profiles/{uuid}/preview",
                "/api/v1/profiles/{uuid}/resend",
                "/api/v1/profiles/{uuid}/status",
                "/api/v1/profiles/{uuid}/targets",
                "/api/v1/push",
                "/api/v1/requests",
                "/api/v1/requests/{id}/approve",
                "/api/v1/requests/{id}/deny",
                "/api/v1/status",
            ],
        )

    def test_references(self) -> None:
        """
        Every schema that it refers to is there.
        """
        document = self.answer.json
        components = document["components"]
        assert isinstance(components, dict)
        schemas = components["schemas"]
        assert isinstance(schemas, dict)
        for part in self.answer.body.decode().split('"#/components/schemas/')[1:]:
            self.assertIn(part.split('"')[0], schemas)

    def test_required(self) -> None:
        """
        It names what a new certificate authority must have, and holds no unknown fields.
        """
        components = self.answer.json["components"]
        assert isinstance(components, dict)
        schemas = components["schemas"]
        assert isinstance(schemas, dict)
        schema = schemas["CertificateAuthorityInput"]
        assert isinstance(schema, dict)
        self.assertEqual(schema["required"], ["name", "url"])
        self.assertIs(schema["additionalProperties"], False)
