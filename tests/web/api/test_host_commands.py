"""
Tests for the endpoints of hosts' commands.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from scepd.model import CommandAnswer
from tests.services.test_hosts import HOST
from tests.web.api.server import Server


class AnswerTests(SynchronousTestCase):
    """
    Tests for ``/hosts/<uuid>/commands/<command>/answer``.
    """

    path = f"/hosts/{HOST}/commands/command-1/answer"

    def setUp(self) -> None:
        """
        Make a server.
        """
        self.server = Server()

    def test_answer(self) -> None:
        """
        The answer comes as the device sent it.
        """
        self.server.history.answers[HOST, "command-1"] = CommandAnswer(6, b"<dict>")
        answer = self.server.request("GET", self.path)
        self.assertEqual((answer.status, answer.body), (200, b"<dict>"))
        self.assertEqual(answer.headers["content-type"], "application/x-plist")

    def test_none(self) -> None:
        """
        Where there is none, that is said; and why, when it was not kept.
        """
        self.assertEqual(self.server.request("GET", self.path).status, 404)
        self.server.history.answers[HOST, "command-1"] = CommandAnswer(999, None)
        answer = self.server.request("GET", self.path)
        self.assertEqual(answer.status, 409)
        self.assertIn("999 bytes was not kept", str(answer.json["detail"]))

    def test_needs_a_token(self) -> None:
        """
        Without a token nothing is told.
        """
        self.assertEqual(self.server.request("GET", self.path, token=None).status, 401)
