"""
Tests for ``scepctl token``.
"""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import JsonValue
from twisted.trial.unittest import SynchronousTestCase

from tests.ctl.pretend import Pretend, answer, problem

TOKEN: dict[str, JsonValue] = {
    "id": "0123456789abcdef",
    "name": "scepserver",
    "role": "verifier",
    "created_at": "2026-06-01T12:00:00Z",
}
TEXT = "the-text-of-the-new-token"


class APITokenTests(SynchronousTestCase):
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

    def test_create(self) -> None:
        """
        The token stands alone in the last line.
        """
        self.server.answers = [answer(201, {**TOKEN, "token": TEXT})]
        result = self.server.run("token", "create", "--name", "scepserver", "--role", "verifier")
        self.assertEqual(result.exit_code, 0, result.output)
        self.assertEqual(result.stdout.splitlines()[-1], TEXT)
        [request] = self.server.requests
        self.assertEqual(json.loads(request.content), {"name": "scepserver", "role": "verifier"})

    def test_other_role(self) -> None:
        """
        Another role is wrong usage; the help names both.
        """
        result = self.server.run("token", "create", "--name", "x", "--role", "operator")
        self.assertEqual(result.exit_code, 2)
        self.assertIn("'admin', 'verifier'", result.output)

    def test_list(self) -> None:
        """
        Names and roles are shown.
        """
        self.server.answers = [answer(200, {"items": [TOKEN], "next": None})]
        result = self.server.run("token", "list")
        self.assertRegex(result.stdout, r"0123456789abcdef +scepserver +verifier")

    def test_revoke(self) -> None:
        """
        The token's id is in the path; a refusal is told.
        """
        self.server.answers = [answer(204), problem(409, "Conflict", "the last API token")]
        result = self.server.run("token", "revoke", "0123456789abcdef")
        self.assertEqual((result.exit_code, result.stderr), (0, "Revoked 0123456789abcdef.\n"))
        [request] = self.server.requests
        self.assertEqual(request.url.path, "/api/v1/api_tokens/0123456789abcdef")
        result = self.server.run("token", "revoke", "0123456789abcdef")
        self.assertEqual(result.exit_code, 1)
        self.assertIn("the last API token", result.stderr)
