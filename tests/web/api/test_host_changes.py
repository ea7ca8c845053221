"""
Tests for the endpoints of labels and facts.
"""

from __future__ import annotations

from pydantic import JsonValue
from twisted.trial.unittest import SynchronousTestCase

from scepd.model import Host
from tests.web.api.server import Server

HOST = "00008120-000E10C61C3BC01E"
EMAIL = "HOST_END_USER_EMAIL_IDP"


class HostChangeEndpointTests(SynchronousTestCase):
    """
    Tests for ``/hosts/<uuid>/labels``, ``/hosts/<uuid>/facts`` and ``/facts``.
    """

    def setUp(self) -> None:
        """
        Make a server with a host.
        """
        self.server = Server()
        self.server.hosts.by_uuid[HOST] = Host(HOST, "C02ABC", "macos", ("a",), {})

    def test_labels(self) -> None:
        """
        The answer is the host with its labels.
        """
        body: dict[str, JsonValue] = {"add": ["b"], "remove": ["a"]}
        answer = self.server.request("PATCH", f"/hosts/{HOST}/labels", body)
        self.assertEqual((answer.status, answer.json["labels"]), (200, ["b"]))

    def test_bad_labels(self) -> None:
        """
        An automatic label is refused, and so are other types and unknown hosts.
        """
        path = f"/hosts/{HOST}/labels"
        answer = self.server.request("PATCH", path, {"add": ["platform:macos"]})
        self.assertEqual(answer.status, 400)
        self.assertIn("can't be set by hand", str(answer.faults))
        self.assertEqual(self.server.request("PATCH", path, {"add": "b"}).status, 400)
        self.assertEqual(self.server.request("PATCH", path, {"labels": []}).status, 400)
        other = self.server.request("PATCH", "/hosts/none/labels", {"add": ["b"]})
        self.assertEqual(other.status, 404)

    def test_facts(self) -> None:
        """
        Facts are set, and unset with null.
        """
        path = f"/hosts/{HOST}/facts"
        answer = self.server.request("PATCH", path, {"facts": {EMAIL: "ann@example.com"}})
        self.assertEqual(answer.json["facts"], {EMAIL: "ann@example.com"})
        answer = self.server.request("PATCH", path, {"facts": {EMAIL: None}})
        self.assertEqual((answer.status, answer.json["facts"]), (200, {}))

    def test_bad_facts(self) -> None:
        """
        What is wrong is told by the fact's name; a value is never echoed.
        """
        path = f"/hosts/{HOST}/facts"
        for facts in ({EMAIL: "secret"}, {EMAIL: 7}, {"x": "secret"}):
            answer = self.server.request("PATCH", path, {"facts": {**facts}})
            self.assertEqual(answer.status, 400)
            self.assertIn(next(iter(facts)), str(answer.faults))
            self.assertNotIn(b"secret", answer.body)

    def test_import(self) -> None:
        """
        Lines are checked, then told; faults name the line.
        """
        lines: list[JsonValue] = [
            {"number": 2, "host": "C02ABC", "facts": {EMAIL: "ann@b.example"}}
        ]
        body: dict[str, JsonValue] = {"lines": lines, "only_check": True}
        answer = self.server.request("POST", "/facts", body)
        self.assertEqual(answer.json, {"lines": 1, "changed": 0})
        answer = self.server.request("POST", "/facts", {"lines": lines})
        self.assertEqual(answer.json, {"lines": 1, "changed": 1})
        self.assertEqual(self.server.hosts.by_uuid[HOST].facts, {EMAIL: "ann@b.example"})
        bad: list[JsonValue] = [*lines, {"number": 3, "host": "none", "facts": {"x": "y"}}]
        answer = self.server.request("POST", "/facts", {"lines": bad})
        self.assertEqual(answer.status, 400)
        fields = [field for field, _ in answer.faults]
        self.assertEqual(fields, ["line 3", "line 3, x"])
