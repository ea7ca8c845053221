"""
Tests for ``scepctl enroll-token``.
"""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import JsonValue
from twisted.trial.unittest import SynchronousTestCase

from tests.ctl.pretend import Pretend, answer, problem

TOKEN: dict[str, JsonValue] = {
    "id": "0123456789abcdef",
    "name": "laptops",
    "labels": ["berlin", "staff"],
    "uses_left": None,
    "allow_reenrollment": False,
    "expires_at": "2026-06-08T12:00:00Z",
    "created_at": "2026-06-01T12:00:00Z",
}
URL = "https://mdm.example.com/mdm/enroll?token=s3cret-token"
CREATED: dict[str, JsonValue] = {**TOKEN, "token": "s3cret-token", "url": URL}
CREATE = ("enroll-token", "create", "--name", "laptops")


class EnrollmentTokenTests(SynchronousTestCase):
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

    def sent(self) -> dict[str, JsonValue]:
        """
        The body of the one request.
        """
        [request] = self.server.requests
        self.assertEqual((request.method, request.url.path), ("POST", "/api/v1/enrollment_tokens"))
        value: dict[str, JsonValue] = json.loads(request.content)
        return value

    def test_create(self) -> None:
        """
        Token and URL are shown.
        """
        self.server.answers = [answer(201, CREATED)]
        result = self.server.run(*CREATE)
        self.assertEqual(result.exit_code, 0, result.output)
        self.assertRegex(result.stdout, r"token +s3cret-token *\n")
        self.assertTrue(result.stdout.endswith(f"\n{URL}\n"), result.stdout)
        self.assertEqual(
            self.sent(),
            {
                "name": "laptops",
                "labels": [],
                "uses": None,
                "valid_for": 604_800,
                "allow_reenrollment": False,
            },
        )

    def test_options(self) -> None:
        """
        All that can be said of a token.
        """
        self.server.answers = [answer(201, CREATED)]
        result = self.server.run(
            *CREATE,
            *("--label", "staff", "--label", "berlin", "--uses", "3"),
            *("--valid-for", "12h", "--allow-reenrollment", "--json"),
        )
        self.assertEqual(json.loads(result.stdout), CREATED)
        self.assertEqual(
            self.sent(),
            {
                "name": "laptops",
                "labels": ["staff", "berlin"],
                "uses": 3,
                "valid_for": 43_200,
                "allow_reenrollment": True,
            },
        )

    def test_durations(self) -> None:
        """
        A duration is a number and a unit.
        """
        for text, seconds in (("90s", 90), ("30m", 1800), ("1h", 3600), ("2d", 172_800)):
            self.server.requests, self.server.answers = [], [answer(201, CREATED)]
            self.server.run(*CREATE, "--valid-for", text)
            self.assertEqual(self.sent()["valid_for"], seconds)
        self.server.requests = []
        for text in ("", "7", "d", "7 d", "-1d", "1.5h", "7w", "1d12h"):
            result = self.server.run(*CREATE, "--valid-for", text)
            self.assertEqual(result.exit_code, 2, text)
            self.assertIn("such as 7d", result.stderr)
        self.assertEqual(self.server.requests, [])

    def test_refused(self) -> None:
        """
        Faults are told by field.
        """
        self.server.answers = [problem(400, "The input is not valid", valid_for="At most a year.")]
        result = self.server.run(*CREATE, "--valid-for", "999d")
        self.assertEqual(result.exit_code, 1)
        self.assertIn("valid_for: At most a year.", result.stderr)

    def test_list(self) -> None:
        """
        A table, or JSON.
        """
        page: dict[str, JsonValue] = {"items": [TOKEN], "next": None}
        self.server.answers = [answer(200, page), answer(200, page)]
        shown = self.server.run("enroll-token", "list").stdout
        self.assertRegex(shown, r"0123456789abcdef +laptops +berlin, staff +- +no +2026-06-08T")
        self.assertEqual(
            json.loads(self.server.run("enroll-token", "list", "--json").stdout), [TOKEN]
        )

    def test_empty_list(self) -> None:
        """
        Without tokens: how to make one.
        """
        self.server.answers = [answer(200, {"items": [], "next": None})]
        self.assertIn("enroll-token create --help", self.server.run("enroll-token", "list").stdout)

    def test_delete(self) -> None:
        """
        A token goes by its id.
        """
        self.server.answers = [answer(204)]
        result = self.server.run("enroll-token", "delete", "0123456789abcdef")
        self.assertEqual((result.exit_code, result.stderr), (0, "Removed 0123456789abcdef.\n"))
        [request] = self.server.requests
        path = "/api/v1/enrollment_tokens/0123456789abcdef"
        self.assertEqual((request.method, request.url.path), ("DELETE", path))
