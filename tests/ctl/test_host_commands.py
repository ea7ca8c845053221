"""
Tests for ``scepctl command``.
"""

from __future__ import annotations

import plistlib
from pathlib import Path

import httpx
from twisted.trial.unittest import SynchronousTestCase

from tests.ctl.pretend import Pretend, problem

HOST = "00008120-000E10C61C3BC01E"
_ANSWER = {"Status": "Acknowledged", "QueryResponses": {"DeviceName": "Ann\u2019s \x9b31m Mac"}}


class CommandTestCase(SynchronousTestCase):
    """
    A pretend server.
    """

    def setUp(self) -> None:
        """
        Make the server.
        """
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.server = Pretend(self.folder)


class AnswerTests(CommandTestCase):
    """
    Tests for ``scepctl command answer``.
    """

    def test_shown(self) -> None:
        """
        An answer in either form is shown in XML, without what a terminal would obey.
        """
        for form in plistlib.PlistFormat:
            content = plistlib.dumps(_ANSWER, fmt=form)
            self.server.answers = [httpx.Response(200, content=content)]
            result = self.server.run("command", "answer", HOST, "command-1")
            self.assertEqual(result.exit_code, 0, result.output)
            shown = plistlib.loads(result.stdout.encode())
            name = "Ann\u2019s \ufffd31m Mac"
            self.assertEqual(shown, {**_ANSWER, "QueryResponses": {"DeviceName": name}})
        path = f"/api/v1/hosts/{HOST}/commands/command-1/answer"
        self.assertEqual(self.server.requests[-1].url.path, path)

    def test_file(self) -> None:
        """
        It is written to a file as it came.
        """
        self.server.answers = [httpx.Response(200, content=b"bplist00 anything")]
        path = self.folder / "answer.plist"
        result = self.server.run("command", "answer", HOST, "c", "--output", str(path))
        self.assertEqual((result.exit_code, result.stdout), (0, ""))
        self.assertEqual(path.read_bytes(), b"bplist00 anything")

    def test_not_shown(self) -> None:
        """
        What XML can't carry, and what is no property list, is refused with the way out.
        """
        control = plistlib.dumps({"a": "\x1b"}, fmt=plistlib.FMT_BINARY)
        for content in (control, b"bplist00", b"<plist>", b"junk"):
            self.server.answers = [httpx.Response(200, content=content)]
            result = self.server.run("command", "answer", HOST, "c")
            self.assertNotEqual(result.exit_code, 0)
            self.assertIn("--output", result.stderr)

    def test_none(self) -> None:
        """
        The server's reason is told.
        """
        self.server.answers = [problem(404, "Not found", "There is no such command.")]
        result = self.server.run("command", "answer", HOST, "c")
        self.assertNotEqual(result.exit_code, 0)
        self.assertIn("There is no such command.", result.stderr)
