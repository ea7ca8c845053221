"""
Tests for ``scepctl host label`` and ``scepctl host fact``.
"""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue
from twisted.trial.unittest import SynchronousTestCase

from scepd.ctl.facts_file import FactsRow, parse_facts
from scepd.ctl.failures import Refused
from tests.ctl.pretend import Pretend, answer, problem

HOST = "00008120-000E10C61C3BC01E"
EMAIL = "HOST_END_USER_EMAIL_IDP"
NAME = "HOST_END_USER_IDP_FULL_NAME"
VIEW: dict[str, JsonValue] = {"uuid": HOST, "labels": ["os:15", "vip"], "facts": {NAME: "Ann"}}


class HostChangeTests(SynchronousTestCase):
    """
    Tests against a pretended server.
    """

    def setUp(self) -> None:
        """
        Make a server.
        """
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.server = Pretend(self.folder)

    def written(self, *arguments: str, code: int = 0) -> str:
        """
        What scepctl writes.
        """
        result = self.server.run(*arguments)
        self.assertEqual(result.exit_code, code, result.output)
        return result.output

    def sent(self) -> list[JsonValue]:
        """
        The bodies that the server was sent.
        """
        return [json.loads(request.content) for request in self.server.requests]

    def csv(self, text: str) -> str:
        """
        A file of a text.
        """
        path = self.folder / "people.csv"
        path.write_text(text)
        return str(path)

    def test_labels(self) -> None:
        """
        Labels are added and removed, and the host's are shown.
        """
        self.server.answers = [answer(200, VIEW), answer(200, VIEW)]
        self.assertIn("os:15, vip", self.written("host", "label", "add", HOST, "vip", "a b"))
        self.written("host", "label", "remove", HOST, "x")
        self.assertEqual(self.sent(), [{"add": ["vip", "a b"]}, {"remove": ["x"]}])
        path = f"/api/v1/hosts/{HOST}/labels"
        self.assertEqual({request.url.path for request in self.server.requests}, {path})

    def test_facts(self) -> None:
        """
        Facts are set and unset; a value may hold an equals sign.
        """
        self.server.answers = [answer(200, VIEW), answer(200, VIEW)]
        self.assertIn(f"{NAME}=Ann", self.written("host", "fact", "set", HOST, f"{NAME}=a=b"))
        self.written("host", "fact", "unset", HOST, NAME, EMAIL)
        self.assertEqual(
            self.sent(), [{"facts": {NAME: "a=b"}}, {"facts": {NAME: None, EMAIL: None}}]
        )

    def test_no_value(self) -> None:
        """
        A fact without an equals sign is wrong usage.
        """
        self.assertIn("NAME=VALUE", self.written("host", "fact", "set", HOST, NAME, code=2))
        self.assertEqual(self.server.requests, [])

    def test_import(self) -> None:
        """
        All lines are checked before the first is told, a hundred at a time; empty fields are left
        out.
        """
        lines = [f"S-{number},{number}@example.com," for number in range(150)]
        file = self.csv("\n".join([f"serial_number,{EMAIL},{NAME}", *lines]))
        checked = answer(200, {"lines": 1, "changed": 0})
        done = [answer(200, {"lines": 1, "changed": count}) for count in (90, 2)]
        self.server.answers = [checked, checked, *done]
        self.assertIn("150 lines; 92 hosts", self.written("host", "fact", "import", file))
        bodies = self.sent()
        sizes = []
        for body in bodies:
            assert isinstance(body, dict) and isinstance(body["lines"], list)
            sizes.append((len(body["lines"]), body["only_check"]))
        self.assertEqual(sizes, [(100, True), (50, True), (100, False), (50, False)])
        assert isinstance(bodies[3], dict) and isinstance(bodies[3]["lines"], list)
        expected = {"number": 151, "host": "S-149", "facts": {EMAIL: "149@example.com"}}
        self.assertEqual(bodies[3]["lines"][-1], expected)

    def test_check(self) -> None:
        """
        With --check nothing is told.
        """
        file = self.csv(f"uuid,{NAME}\nH-1,Ann\n")
        self.server.answers = [answer(200, {"lines": 1, "changed": 0})]
        text = self.written("host", "fact", "import", file, "--check")
        self.assertIn("All 1 lines are good; nothing was changed.", text)
        self.assertEqual(len(self.server.requests), 1)

    def test_refused_lines(self) -> None:
        """
        The mistakes of all lines are told together, also when the server finds them in several
        requests, and nothing changes.
        """
        lines = [f"S-{number},x" for number in range(150)]
        file = self.csv("\n".join([f"uuid,{NAME}", *lines]))
        self.server.answers = [
            problem(400, "Invalid", "x", **{"line 7": "There is no host."}),
            problem(400, "Invalid", "x", **{"line 120": "There is no host."}),
        ]
        text = self.written("host", "fact", "import", file, code=1)
        self.assertIn("Nothing was changed", text)
        self.assertIn("line 7: There is no host.", text)
        self.assertIn("line 120: There is no host.", text)
        self.assertEqual(len(self.server.requests), 2)

    def test_bad_file(self) -> None:
        """
        What is wrong with the file itself is told by its lines, before the server is asked.
        """
        for content, words in (
            ("", "name the columns"),
            (f"host,{NAME}\nH-1,x\n", "uuid or serial_number"),
            ("uuid\nH-1\n", "name the columns"),
            (f"uuid,{NAME},{NAME}\nH-1,x,y\n", "twice"),
            (f"uuid,{NAME}\n\n", "names no host"),
            (f'uuid,{NAME}\nH-1,"x', "line 2: it is not CSV"),
            (f"uuid,{NAME}\nH-1,x,y\n", "line 2: It has 3 fields"),
            (f"uuid,{NAME}\n,x\n", "line 2: The uuid is empty."),
            (f"uuid,{NAME}\nH-1,\n", "line 2: It tells no fact."),
            (f'uuid,{NAME}\nH-1,"x\ny"\nH-1,x\n', "line 4: Line 2 is about the same host."),
        ):
            text = self.written("host", "fact", "import", self.csv(content), code=1)
            self.assertIn(words, text)
        self.assertEqual(self.server.requests, [])
        self.written("host", "fact", "import", str(self.folder / "none"), code=1)

    def test_spreadsheet(self) -> None:
        """
        A byte order mark and the line ends of other systems do no harm.
        """
        path = self.folder / "people.csv"
        path.write_bytes(b"\xef\xbb\xbfuuid," + NAME.encode() + b"\r\nH-1,Zo\xc3\xab\r\n")
        self.server.answers = [answer(200, {"lines": 1, "changed": 0})]
        self.written("host", "fact", "import", str(path), "--check")
        (body,) = self.sent()
        assert isinstance(body, dict)
        self.assertEqual(body["lines"], [{"number": 2, "host": "H-1", "facts": {NAME: "Zoë"}}])

    @given(st.text(alphabet='ab,"\n\r \x00é', max_size=40))
    def test_any_text(self, text: str) -> None:
        """
        Whatever follows the first line, it is read, or refused with a sentence.
        """
        try:
            rows = list(parse_facts(f"uuid,{NAME}\n{text}", "x.csv"))
        except Refused as error:
            self.assertIn("x.csv: line", error.message)
            return
        for row in rows:
            if isinstance(row, FactsRow):
                self.assertTrue(row.host and row.facts)
