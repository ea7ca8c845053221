"""
Tests for ``scepctl profile add``, ``replace``, ``targets`` and ``remove``, with targets.
"""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import JsonValue
from twisted.trial.unittest import SynchronousTestCase

from tests.ctl.pretend import Pretend, answer

UUID = "a07070707-0707-4707-8707-070707070707"
VIEW: dict[str, JsonValue] = {
    "uuid": UUID,
    "identifier": "com.example.scep",
    "targets": {"labels_any": ["a", "b"], "labels_all": [], "labels_none": ["c"]},
    "hosts": {"targeted": 7, "leaving": 0, "applied": True},
}
ALL: JsonValue = {"labels_any": [], "labels_all": [], "labels_none": []}


class ProfileChangeTests(SynchronousTestCase):
    """
    Tests against a pretended server.
    """

    def setUp(self) -> None:
        """
        Make a server and a profile's file.
        """
        folder = Path(self.mktemp())
        folder.mkdir()
        self.server = Pretend(folder)
        self.file = folder / "wifi.mobileconfig"
        self.file.write_bytes(b"\x00profile")

    def written(self, *arguments: str, code: int = 0) -> str:
        """
        What scepctl writes.
        """
        result = self.server.run(*arguments)
        self.assertEqual(result.exit_code, code, result.output)
        return " ".join(result.output.split())

    def test_add_with_targets(self) -> None:
        """
        Every label is a parameter of its own, whatever is in it.
        """
        self.server.answers = [answer(201, {"profile": VIEW, "warnings": []})]
        options = ("--labels-any", "a", "--labels-any", "b,c", "--labels-none", "d & e")
        text = self.written("profile", "add", str(self.file), *options)
        (request,) = self.server.requests
        self.assertEqual(
            request.url.params.multi_items(),
            [("labels_any", "a"), ("labels_any", "b,c"), ("labels_none", "d & e")],
        )
        self.assertIn("targets any of a, b; none of c", text)
        self.assertIn("hosts 7", text)

    def test_replace(self) -> None:
        """
        The file is put in place; when it is the same, that is said.
        """
        said: dict[str, JsonValue] = {"profile": VIEW, "warnings": ["Keysize is small."]}
        self.server.answers = [
            answer(200, said | {"changed": True}),
            answer(200, said | {"changed": False}),
        ]
        text = self.written("profile", "replace", UUID, str(self.file))
        self.assertIn("Warning: Keysize is small.", text)
        self.assertNotIn("the same", text)
        self.assertIn("nothing changes", self.written("profile", "replace", UUID, str(self.file)))
        request = self.server.requests[0]
        self.assertEqual((request.method, request.content), ("PUT", b"\x00profile"))
        self.assertEqual(request.url.path, f"/api/v1/profiles/{UUID}")

    def test_replace_with_nothing(self) -> None:
        """
        A file that can't be read ends it, before the server is asked.
        """
        text = self.written("profile", "replace", UUID, str(self.file) + "x", code=1)
        self.assertIn("can't be read", text)
        self.assertEqual(self.server.requests, [])

    def test_show_targets(self) -> None:
        """
        Without options targets and hosts are shown, also while a change is on its way.
        """
        hosts: JsonValue = {"targeted": 7, "leaving": 2, "applied": False}
        self.server.answers = [answer(200, VIEW | {"targets": ALL, "hosts": hosts})]
        text = self.written("profile", "targets", UUID)
        self.assertIn("targets all hosts", text)
        self.assertIn("hosts 7, and 2 to lose it (the last change is on its way)", text)
        self.assertEqual(self.server.requests[0].method, "GET")

    def test_set_targets(self) -> None:
        """
        Options replace all targets; --all-hosts stands alone.
        """
        self.server.answers = [answer(200, VIEW), answer(200, VIEW)]
        self.written("profile", "targets", UUID, "--labels-all", "os:15", "--labels-none", "c")
        self.written("profile", "targets", UUID, "--all-hosts")
        sent = [json.loads(request.content) for request in self.server.requests]
        self.assertEqual(
            sent, [{"labels_any": [], "labels_all": ["os:15"], "labels_none": ["c"]}, ALL]
        )
        path = f"/api/v1/profiles/{UUID}/targets"
        self.assertEqual({request.url.path for request in self.server.requests}, {path})
        self.written("profile", "targets", UUID, "--all-hosts", "--labels-any", "a", code=2)
        self.assertEqual(len(self.server.requests), 2)

    def test_list(self) -> None:
        """
        A list tells which hosts each is for.
        """
        self.server.answers = [
            answer(200, {"items": [VIEW, VIEW | {"targets": ALL}], "next": None})
        ]
        text = self.written("profile", "list")
        self.assertIn("any of a, b; none of c", text)
        self.assertIn("all hosts", text)

    def test_remove(self) -> None:
        """
        It is removed, by the former name of the command too.
        """
        for name in ("remove", "delete"):
            self.server.answers = [answer(204)]
            self.assertIn(f"Removed {UUID}.", self.written("profile", name, UUID))
        self.assertEqual({request.method for request in self.server.requests}, {"DELETE"})
        self.assertNotIn("delete", self.written("profile", "--help"))
