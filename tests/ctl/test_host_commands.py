"""
Tests for ``scepctl command``.
"""

from __future__ import annotations

import json
import plistlib
from pathlib import Path

import httpx
from pydantic import JsonValue
from twisted.trial.unittest import SynchronousTestCase

from tests.ctl.pretend import Pretend, answer, problem

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


class UserTests(CommandTestCase):
    """
    Tests for ``scepctl command send --user``.
    """

    def test_user(self) -> None:
        """
        The user goes along, and not without the option.
        """
        path = self.folder / "command.plist"
        path.write_bytes(b"<plist/>")
        for options, query in ((["--user", "ann"], "user=ann"), ([], "")):
            self.server.answers = [answer(201, {"uuid": "c", "request_type": "ProfileList"})]
            result = self.server.run("command", "send", HOST, str(path), *options)
            self.assertEqual(result.exit_code, 0, result.output)
            self.assertEqual(self.server.requests[-1].url.query.decode(), query)


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


class SendTests(CommandTestCase):
    """
    Tests for ``scepctl command send``.
    """

    def test_sent(self) -> None:
        """
        The file goes as it is, and the command's uuid is told.
        """
        path = self.folder / "command.plist"
        path.write_bytes(b"<plist>")
        sent: dict[str, JsonValue] = {"uuid": "c-1", "host_uuid": HOST, "request_type": "Restart"}
        self.server.answers = [answer(201, sent), answer(201, sent)]
        result = self.server.run("command", "send", HOST, str(path))
        self.assertEqual(result.exit_code, 0, result.output)
        self.assertRegex(result.stdout, r"uuid +c-1 *\n(.|\n)*request type +Restart")
        result = self.server.run("command", "send", HOST, str(path), "--json")
        self.assertEqual(json.loads(result.stdout), sent)
        request = self.server.requests[-1]
        self.assertEqual((request.method, request.content), ("POST", b"<plist>"))
        self.assertEqual(request.url.path, f"/api/v1/hosts/{HOST}/commands")

    def test_refused(self) -> None:
        """
        What is wrong with it is told, and a file that can't be read is not sent.
        """
        path = self.folder / "command.plist"
        path.write_bytes(b"junk")
        self.server.answers = [problem(400, "The input is not valid", body="It is no command.")]
        result = self.server.run("command", "send", HOST, str(path))
        self.assertNotEqual(result.exit_code, 0)
        self.assertIn("It is no command.", result.stderr)
        result = self.server.run("command", "send", HOST, str(self.folder / "none"))
        self.assertNotEqual(result.exit_code, 0)
        self.assertIn("can't be read", result.stderr)
        self.assertEqual(len(self.server.requests), 1)
