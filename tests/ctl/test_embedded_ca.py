"""
Tests for ``scepctl certificate``, ``request`` and ``ca rollover``.
"""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import JsonValue
from twisted.trial.unittest import SynchronousTestCase

from tests.ctl.pretend import Pretend, answer, problem

CERTIFICATE: dict[str, JsonValue] = {
    "serial": "0AFF",
    "subject": "CN=laptop",
    "purpose": "enroll",
    "sha256": "aa",
    "issuer_serial": "01",
    "transaction_id": "t",
    "issued_at": "2026-06-01T12:00:00Z",
    "not_after": "2031-06-01T12:00:00Z",
    "revoked_at": None,
    "revocation_reason": None,
}
MANAGED: dict[str, JsonValue] = {
    "host": "H-1",
    "serial_number": "C02",
    "profile_uuid": "a-1",
    "profile_identifier": "com.example.wifi",
    "ca_name": "corp",
    "state": "overdue",
    "reason": "renewing (3 failures): refused",
    "status": "pending",
    "attempts": 3,
    "due_at": "2026-06-20T12:00:00Z",
    "expires_at": "2026-07-01T12:00:00Z",
    "renew_at": "2026-06-01T12:00:00Z",
    "overdue_at": "2026-06-04T12:00:00Z",
    "certificate": {"sha1": "ab", "subject": "CN=new", "not_after": "2026-07-01T12:00:00Z"},
    "retired": [{"sha1": "cd", "subject": "CN=old", "not_after": "2026-06-01T12:00:00Z"}],
}
REQUEST: dict[str, JsonValue] = {
    "id": "r-1",
    "subject": "CN=router",
    "alternative_names": ["dns:router.example"],
    "state": "pending",
    "created_at": "2026-06-01T12:00:00Z",
    "decided_by": None,
    "serial": None,
}
AUTHORITY: dict[str, JsonValue] = {
    "role": "current",
    "serial": "01",
    "subject": "CN=scepd 12345678",
    "key_bits": 3072,
    "not_before": "2026-06-01T12:00:00Z",
    "not_after": "2036-06-01T12:00:00Z",
}


class EmbeddedCATests(SynchronousTestCase):
    """
    Tests for the commands.
    """

    def setUp(self) -> None:
        """
        Make a server.
        """
        folder = Path(self.mktemp())
        folder.mkdir()
        self.server = Pretend(folder)

    def test_certificates_of_host(self) -> None:
        """
        Those of a host are the ones that its inventories showed.
        """
        shown: JsonValue = [{"serial": "0B", "subject": "CN=mac", "source": "MDM"}]
        self.server.answers = [answer(200, {"uuid": "H-1", "certificates": shown})] * 2
        result = self.server.run("certificate", "list", "--host", "H-1")
        self.assertIn("CN=mac", result.stdout)
        self.assertEqual(self.server.requests[0].url.path, "/api/v1/hosts/H-1")
        told = self.server.run("certificate", "list", "--host", "H-1", "--json").stdout
        self.assertEqual(json.loads(told), shown)

    def assert_sent(self, method: str, path: str, body: JsonValue = None) -> None:
        """
        There was this one request.
        """
        [request] = self.server.requests
        self.assertEqual((request.method, request.url.path), (method, f"/api/v1/{path}"))
        self.assertEqual(json.loads(request.content) if request.content else None, body)

    def test_list_certificates(self) -> None:
        """
        Certificates are a table; pages follow one another up to the limit.
        """
        self.server.answers = [
            answer(200, {"items": [CERTIFICATE], "next": "0AFF"}),
            answer(200, {"items": [{**CERTIFICATE, "serial": "0B"}] * 3, "next": None}),
        ]
        result = self.server.run("certificate", "list", "--limit", "2")
        self.assertRegex(result.stdout, r"(?s)SERIAL.*0AFF +CN=laptop +enroll.*\n0B ")
        self.assertEqual(result.stdout.count("CN=laptop"), 2)
        self.assertEqual(self.server.requests[1].url.params["after"], "0AFF")

    def test_list_by_state(self) -> None:
        """
        With a state those on hosts are asked for; each is followed by the retired ones before it.
        """
        self.server.answers = [answer(200, {"items": [MANAGED], "next": None})]
        result = self.server.run(
            *("certificate", "list", "--state", "overdue", "--days", "7", "--host", "H-1", "--all")
        )
        self.assertEqual(result.exit_code, 0, result.output)
        self.assertRegex(
            result.stdout,
            r"(?s)HOST .*REASON.*\nH-1 +C02 .* overdue +2026-07-01 12:00:00Z .* ab +CN=new .*"
            r"refused.*\nH-1 +C02 .* retired +2026-06-01 12:00:00Z .* cd +CN=old ",
        )
        [request] = self.server.requests
        self.assertEqual(request.url.path, "/api/v1/managed_certificates")
        asked = {"state": "overdue", "days": "7", "host": "H-1", "all": "1"}
        self.assertEqual(dict(request.url.params), {**asked, "limit": "200", "after": ""})

    def test_nothing_of_no_host(self) -> None:
        """
        That a host has none is said of hosts only that there are.
        """
        nothing = answer(200, {"items": [], "next": None})
        call = ("certificate", "list", "--state", "overdue", "--host", "H-1")
        self.server.answers = [nothing, answer(200, {"uuid": "H-1"})]
        self.assertEqual(self.server.run(*call).stdout, "There are no overdue certificates.\n")
        self.server.answers = [nothing, problem(404, "Not found", "There is no host of this uuid.")]
        result = self.server.run(*call)
        self.assertEqual((result.exit_code, result.stdout), (1, ""))
        self.assertIn("no host of this uuid", result.stderr)

    def test_nothing_in_a_state(self) -> None:
        """
        That there is none is a sentence; a certificate that was not seen has no names.
        """
        self.server.answers = [answer(200, {"items": [], "next": None})]
        result = self.server.run("certificate", "list", "--state", "expired")
        self.assertEqual(result.stdout, "There are no expired certificates.\n")
        unseen: dict[str, JsonValue] = {**MANAGED, "certificate": None, "retired": []}
        self.server.answers = [answer(200, {"items": [unseen], "next": None})]
        result = self.server.run("certificate", "list", "--state", "overdue")
        self.assertNotIn("CN=", result.stdout)
        self.server.answers = [answer(200, {"items": [unseen], "next": None})]
        result = self.server.run("certificate", "list", "--state", "overdue", "--json")
        self.assertEqual(json.loads(result.stdout), [unseen])

    def test_state_is_needed(self) -> None:
        """
        What only goes with a state is refused without one, and unknown states with those there are.
        """
        result = self.server.run("certificate", "list", "--all")
        self.assertEqual((result.exit_code, self.server.requests), (2, []))
        self.assertIn("--state only", result.stderr)
        result = self.server.run("certificate", "list", "--state", "old")
        self.assertEqual(result.exit_code, 2)
        self.assertIn("expiring", result.stderr)

    def test_revoke(self) -> None:
        """
        A certificate is revoked with its reason.
        """
        self.server.answers = [answer(200, CERTIFICATE)]
        result = self.server.run("certificate", "revoke", "0AFF", "--reason", "keyCompromise")
        self.assertEqual(result.exit_code, 0, result.output)
        self.assertIn("Revoked 0AFF of CN=laptop.", result.stderr)
        self.assert_sent("POST", "certificates/0AFF/revoke", {"reason": "keyCompromise"})

    def test_unknown_reason(self) -> None:
        """
        Other reasons are refused before anything is sent, with those that are allowed.
        """
        result = self.server.run("certificate", "revoke", "0AFF", "--reason", "because")
        self.assertEqual((result.exit_code, self.server.requests), (2, []))
        self.assertIn("superseded", result.stderr)

    def test_refused(self) -> None:
        """
        What the server refuses is told by its sentence.
        """
        self.server.answers = [problem(409, "the certificate is revoked already")]
        result = self.server.run("certificate", "revoke", "0AFF")
        self.assertNotEqual(result.exit_code, 0)
        self.assertIn("revoked already", result.stderr)

    def test_list_requests(self) -> None:
        """
        Those that wait are listed, or all of them.
        """
        for options, parameter in ((), "1"), (("--all",), None):
            self.server.answers = [answer(200, {"items": [REQUEST], "next": None})]
            result = self.server.run("request", "list", *options)
            self.assertRegex(result.stdout, r"r-1 +pending +CN=router +dns:router.example")
            self.assertEqual(self.server.requests.pop().url.params.get("waiting"), parameter)

    def test_decide(self) -> None:
        """
        A request is approved or denied by its id.
        """
        for step, state in (("approve", "approved"), ("deny", "denied")):
            self.server.requests.clear()
            self.server.answers = [answer(200, {**REQUEST, "state": state})]
            result = self.server.run("request", step, "r-1")
            self.assertRegex(result.stdout, rf"state +{state}")
            self.assert_sent("POST", f"requests/r-1/{step}")

    def test_roll_over(self) -> None:
        """
        Its state is shown, and each step is sent.
        """
        found = answer(200, {"items": [AUTHORITY]})
        steps: tuple[tuple[str | None, str, JsonValue], ...] = (
            (None, "GET", None),
            ("--status", "GET", None),
            ("--plan", "POST", {"step": "plan"}),
            ("--commit", "POST", {"step": "commit"}),
            ("--cancel", "POST", {"step": "cancel"}),
        )
        for option, method, body in steps:
            self.server.requests.clear()
            self.server.answers = [found]
            result = self.server.run("ca", "rollover", *([option] if option else []))
            self.assertRegex(result.stdout, r"current +CN=scepd 12345678 +01 +3072")
            self.assert_sent(method, "embedded_ca/rollover", body)

    def test_two_steps(self) -> None:
        """
        Two steps at once are refused, and nothing is sent: neither may win.
        """
        for options in (("--plan", "--commit"), ("--status", "--commit"), ("--commit", "--cancel")):
            result = self.server.run("ca", "rollover", *options)
            self.assertEqual(result.exit_code, 2, result.output)
            self.assertIn("--plan, --commit, --cancel and --status", result.output)
        self.assertEqual(self.server.requests, [])

    def test_json(self) -> None:
        """
        Programs get JSON.
        """
        self.server.answers = [answer(200, {"items": [AUTHORITY]})]
        result = self.server.run("ca", "rollover", "--json")
        self.assertEqual(json.loads(result.stdout), [AUTHORITY])
