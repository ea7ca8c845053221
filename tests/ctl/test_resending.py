"""
Tests for ``scepctl profile resend``.
"""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import JsonValue
from twisted.trial.unittest import SynchronousTestCase

from tests.ctl.pretend import Pretend, answer, problem

PROFILE, HOST = "a9dcc35a5-72f9-42b7-9a98-7ad9a9cca3ac", "00008120-000E10C61C3BC01E"


class ResendTests(SynchronousTestCase):
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

    def test_failed(self) -> None:
        """
        How many are delivered again is told, and when the last one is due.
        """
        body: JsonValue = {"count": 12, "last_due": "2026-06-01T13:00:00Z"}
        self.server.answers = [answer(202, body), answer(202, body), answer(202, {"count": 0})]
        result = self.server.run("profile", "resend", PROFILE, "--failed", "--per-hour", "12")
        self.assertEqual(
            (result.exit_code, result.stdout),
            (0, "12 are delivered again, the last due at 2026-06-01T13:00:00Z.\n"),
        )
        [request] = self.server.requests
        self.assertEqual(request.url.path, f"/api/v1/profiles/{PROFILE}/resend")
        self.assertEqual(request.url.params["per_hour"], "12")
        result = self.server.run("profile", "resend", PROFILE, "--failed", "--json")
        self.assertEqual(json.loads(result.stdout), body)
        result = self.server.run("profile", "resend", PROFILE, "--failed")
        self.assertEqual(result.stdout, "It failed on no enrolled host.\n")

    def test_host(self) -> None:
        """
        One host is named.
        """
        self.server.answers = [answer(204), problem(409, "Conflict", "The host is not enrolled.")]
        result = self.server.run("profile", "resend", PROFILE, "--host", HOST)
        self.assertEqual(result.exit_code, 0, result.output)
        path = f"/api/v1/hosts/{HOST}/profiles/{PROFILE}/resend"
        self.assertEqual(self.server.requests[0].url.path, path)
        result = self.server.run("profile", "resend", PROFILE, "--host", HOST)
        self.assertEqual(result.exit_code, 1)
        self.assertIn("The host is not enrolled.", result.stderr)

    def test_usage(self) -> None:
        """
        It has to be said what is delivered again, and nothing is sent before.
        """
        for options in (
            [],
            ["--host", HOST, "--failed"],
            ["--host", HOST, "--per-hour", "5"],
            ["--failed", "--per-hour", "0"],
        ):
            result = self.server.run("profile", "resend", PROFILE, *options)
            self.assertEqual(result.exit_code, 2, options)
        self.assertEqual(self.server.requests, [])
