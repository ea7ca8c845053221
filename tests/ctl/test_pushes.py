"""
Tests for ``scepctl push`` and ``host push``.
"""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import JsonValue
from twisted.trial.unittest import SynchronousTestCase

from tests.ctl.pretend import Pretend, answer, problem

HOST = "00008120-000E10C61C3BC01E"
STATUS: dict[str, JsonValue] = {
    "state": "suspended",
    "complaint": "the push service refuses the push certificate: BadCertificate",
    "host": "api.push.apple.com",
    "topic": "com.apple.mgmt.External.1",
    "not_after": "2027-01-01T00:00:00Z",
    "connections": 0,
    "waiting": 0,
    "in_flight": 0,
    "due": 4,
    "claimed": 0,
    "later": 5,
    "later_by_state": {"sent": 3, "suspended": 2},
    "parked": {"BadDeviceToken": 1},
    "oldest_due": None,
    "accepted_hour": 6,
    "accepted_day": 7,
    "topics": {"com.apple.mgmt.External.1": 8},
    "refusals": [
        {
            "status": 403,
            "reason": "BadCertificate",
            "count": 2,
            "last_at": "2026-06-01T12:00:00.5Z",
        }
    ],
}


class PushTests(SynchronousTestCase):
    """
    Tests against a pretend server.
    """

    def setUp(self) -> None:
        """
        Make the server.
        """
        folder = Path(self.mktemp())
        folder.mkdir()
        self.server = Pretend(folder)

    def test_status(self) -> None:
        """
        Each thing is a line, and each kind of refusal a row.
        """
        self.server.answers = [answer(200, STATUS)]
        result = self.server.run("push", "status")
        self.assertEqual(result.exit_code, 0, result.output)
        lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
        for line in (
            "state suspended",
            "complaint the push service refuses the push certificate: BadCertificate",
            "certificate expires 2027-01-01 00:00:00Z",
            "due now 4",
            "oldest due -",
            "due later sent 3, suspended 2",
            "refused for good BadDeviceToken 1",
            "enrolled by topic com.apple.mgmt.External.1 8",
            "403 BadCertificate 2 2026-06-01 12:00:00Z",
        ):
            self.assertIn(line, lines)
        self.assertEqual(self.server.requests[0].url.path, "/api/v1/push")

    def test_well(self) -> None:
        """
        Where nothing is wrong nothing is said.
        """
        well = STATUS | {"state": "connected", "complaint": "", "refusals": []}
        self.server.answers = [answer(200, well)]
        lines = [
            " ".join(line.split()) for line in self.server.run("push", "status").stdout.splitlines()
        ]
        self.assertIn("complaint -", lines)
        self.assertEqual(lines[-2:], ["Refusals since the start", "none"])

    def test_status_json(self) -> None:
        """
        As JSON it is what the server said.
        """
        self.server.answers = [answer(200, STATUS)]
        result = self.server.run("push", "status", "--json")
        self.assertEqual(json.loads(result.stdout), STATUS)

    def test_push(self) -> None:
        """
        A push is wished, and what will happen is told.
        """
        body: JsonValue = {"host_uuid": HOST, "detail": "The push is sent now."}
        self.server.answers = [answer(202, body), answer(202, body)]
        result = self.server.run("host", "push", HOST)
        self.assertEqual((result.exit_code, result.stdout), (0, "The push is sent now.\n"))
        request = self.server.requests[0]
        self.assertEqual((request.method, request.url.path), ("POST", f"/api/v1/hosts/{HOST}/push"))
        result = self.server.run("host", "push", HOST, "--json")
        self.assertEqual(json.loads(result.stdout), body)

    def test_refused(self) -> None:
        """
        A host that can't be pushed is an error with its reason.
        """
        self.server.answers = [problem(409, "It contradicts", "The host is not enrolled.")]
        result = self.server.run("host", "push", HOST)
        self.assertEqual(result.exit_code, 1)
        self.assertIn("The host is not enrolled.", result.stderr)

    def test_examples(self) -> None:
        """
        Both have an example of themselves.
        """
        for command in (("host", "push"), ("push", "status")):
            text = self.server.run(*command, "--help").stdout
            self.assertIn(f"Examples:\n    scepctl {' '.join(command)}", text)
