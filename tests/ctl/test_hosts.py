"""
Tests for ``scepctl host`` and ``scepctl profile status``.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from pydantic import JsonValue
from twisted.trial.unittest import SynchronousTestCase

from tests.ctl.pretend import Pretend, answer, problem

HOST = "00008120-000E10C61C3BC01E"
PROFILE = "a07070707-0707-4707-8707-070707070707"
TERMINAL = {"FORCE_COLOR": "1", "TERM": "xterm", "NO_COLOR": None}
_SEQUENCE = re.compile("\x1b\\[[0-9;]*m")

BARE: dict[str, JsonValue] = {
    "uuid": HOST,
    "serial_number": "C02ABC",
    "platform": "macos",
    "model": "",
    "os_version": "15.1",
    "labels": ["os:15", "staff"],
    "facts": {"HOST_END_USER_IDP_FULL_NAME": "Ann B.", "HOST_END_USER_EMAIL_IDP": "a@b.example"},
    "last_seen": "2026-06-01T12:00:00.123456Z",
}
_GONE: dict[str, JsonValue] = {"uuid": "z", "enrolled": False, "last_seen": None}
ROW: dict[str, JsonValue] = {
    "operation": "install",
    "scope": "User",
    "status": "failed",
    "detail": "the CA refused",
    "attempts": 3,
    "ca_name": "Test_SCEP",
    "due_at": None,
    "delivered_at": "2026-06-01T14:00:00+02:00",
    "acknowledged_at": "2026-06-01T12:00:05Z",
}
INVENTORY: dict[str, JsonValue] = {
    "profiles_at": "2026-06-01T12:30:00Z",
    "profiles_source": "MDM",
    "certificates_at": None,
    "certificates_source": "",
    "unreadable_certificates": 0,
    "agent_at": None,
    "asked_at": "2026-06-01T12:29:00Z",
    "next_at": "2026-06-01T13:29:00Z",
    "waiting": ["CertificateList"],
}
FULL: dict[str, JsonValue] = BARE | {
    "enrollments": [
        {"id": HOST, "kind": "device", "enabled": True, "enrolled_at": "2026-06-01T11:00:00Z"}
    ],
    "profiles": [{"identifier": "com.example.scep", "uuid": PROFILE, **ROW}],
    "certificates": [
        {
            "subject": "CN=C02ABC",
            "issuer": "CN=Test CA",
            "serial": "0A1B",
            "sha1": "ab" * 20,
            "not_before": "2026-06-01T12:00:00Z",
            "not_after": "2027-06-01T12:00:00Z",
            "first_seen": "2026-06-01T12:01:00Z",
            "renew_at": "2027-05-02T12:00:00Z",
        }
    ],
    "commands": [
        {
            "request_type": "InstallProfile",
            "status": "Acknowledged",
            "detail": "",
            "created_at": "2026-06-01T12:00:01Z",
        }
    ],
    "identities": [
        {
            "state": "in use",
            "serial": "0D0E",
            "not_after": "2031-06-01T12:00:00Z",
            "renewal": "failing",
            "renewal_failures": 2,
            "renewal_detail": "the device has no room",
        }
    ],
    "exchanges": [
        {"ca_name": "Test_SCEP", "pki_status": "PENDING", "detail": "waits for an operator"}
    ],
    "inventory": INVENTORY,
}


class _Case(SynchronousTestCase):
    def setUp(self) -> None:
        """
        Make a server.
        """
        folder = Path(self.mktemp())
        folder.mkdir()
        self.server = Pretend(folder)

    def written(self, *arguments: str) -> str:
        """
        What scepctl writes to standard output when all goes well.
        """
        result = self.server.run(*arguments, environment={"FORCE_COLOR": None})
        self.assertEqual(result.exit_code, 0, result.output)
        return result.stdout

    def coloured(self, *arguments: str, columns: int = 400) -> str:
        """
        What it writes to a terminal so many columns wide.
        """
        environment = TERMINAL | {"COLUMNS": str(columns)}
        result = self.server.run(*arguments, environment=environment)
        self.assertEqual(result.exit_code, 0, result.output)
        return result.stdout


class HostListTests(_Case):
    """
    Tests for ``scepctl host list``.
    """

    def test_table(self) -> None:
        """
        All pages are read into one table; times are short, and what is not known is a dash.
        """
        self.server.answers = [
            answer(200, {"items": [BARE | {"enrolled": True}], "next": HOST}),
            answer(200, {"items": [BARE | _GONE], "next": None}),
        ]
        heading, first, second = self.written("host", "list").splitlines()
        self.assertEqual(
            " ".join(heading.split()),
            "UUID SERIAL NUMBER PLATFORM MODEL OS VERSION LABELS ENROLLED LAST SEEN",
        )
        self.assertEqual(
            first.split(),
            [
                *(HOST, "C02ABC", "macos", "-", "15.1", "os:15,", "staff", "yes"),
                *("2026-06-01", "12:00:00Z"),
            ],
        )
        self.assertEqual(second.split()[-2:], ["no", "-"])
        self.assertEqual(self.server.requests[1].url.params["after"], HOST)

    def test_json(self) -> None:
        """
        As JSON it is one array of what the server said.
        """
        self.server.answers = [answer(200, {"items": [BARE], "next": None})]
        self.assertEqual(json.loads(self.written("host", "list", "--json")), [BARE])

    def test_empty(self) -> None:
        """
        An empty list says how to begin.
        """
        self.server.answers = [answer(200, {"items": [], "next": None})]
        self.assertIn("scepctl enroll-token create --help", self.written("host", "list"))


class RenewIdentityTests(_Case):
    """
    Tests for ``scepctl host renew-identity``.
    """

    def test_begun(self) -> None:
        """
        The command that was queued is told, or as JSON what the server said.
        """
        begun: dict[str, JsonValue] = {"uuid": "command-1", "host_uuid": HOST}
        self.server.answers = [answer(202, begun), answer(202, begun)]
        self.assertIn("command-1", self.written("host", "renew-identity", HOST))
        text = self.written("host", "renew-identity", HOST, "--json")
        self.assertEqual(json.loads(text), begun)
        request = self.server.requests[0]
        self.assertEqual(request.method, "POST")
        self.assertEqual(request.url.path, f"/api/v1/hosts/{HOST}/identity-renewal")

    def test_refused(self) -> None:
        """
        The server's reason is told.
        """
        reason = "The host is not enrolled any more, or a renewal waits for it already."
        self.server.answers = [problem(409, reason)]
        result = self.server.run("host", "renew-identity", HOST)
        self.assertNotEqual(result.exit_code, 0)
        self.assertIn(reason, result.stderr)


class HostShowTests(_Case):
    """
    Tests for ``scepctl host show``.
    """

    def test_everything(self) -> None:
        """
        Each thing that a host has is told, with its reasons and times.
        """
        self.server.answers = [answer(200, FULL)]
        text = self.written("host", "show", HOST)
        for part in (
            "C02ABC",
            "last seen      2026-06-01 12:00:00Z",
            "HOST_END_USER_EMAIL_IDP=a@b.example, HOST_END_USER_IDP_FULL_NAME=Ann B.",
            "\nEnrollments\n",
            "2026-06-01 11:00:00Z",
            "\nIdentities\n",
            "0D0E",
            "2031-06-01 12:00:00Z",
            "failing",
            "the device has no room",
            "\nProfiles\n",
            "com.example.scep",
            "the CA refused",
            "\nCertificates\n",
            "CN=Test CA",
            "ab" * 20,
            "2027-05-02 12:00:00Z",
            "\nCommands\n",
            "InstallProfile",
            "2026-06-01 12:00:01Z",
            "\nExchanges\n",
            "waits for an operator",
            "\nInventory\n",
            "2026-06-01 12:30:00Z",
            "CertificateList",
        ):
            self.assertIn(part, text)
        self.assertEqual(str(self.server.requests[0].url.path), f"/api/v1/hosts/{HOST}")

    def test_nothing(self) -> None:
        """
        What a host does not have is said.
        """
        self.server.answers = [answer(200, BARE | {"profiles": []})]
        text = self.written("host", "show", HOST)
        self.assertIn("\nProfiles\nnone\n", text)
        self.assertIn("\nInventory\nnone: ", text)

    def test_verify(self) -> None:
        """
        A host is asked now, and what it has not answered yet is told.
        """
        self.server.answers = [answer(202, INVENTORY), answer(202, INVENTORY)]
        text = self.written("host", "verify", HOST)
        self.assertIn("2026-06-01 12:30:00Z", text)
        self.assertIn("CertificateList", text)
        [request] = self.server.requests
        path = f"/api/v1/hosts/{HOST}/verify"
        self.assertEqual((request.method, request.url.path), ("POST", path))
        told = json.loads(self.written("host", "verify", HOST, "--json"))
        self.assertEqual(told, INVENTORY)

    def test_json(self) -> None:
        """
        As JSON it is what the server said.
        """
        self.server.answers = [answer(200, FULL)]
        self.assertEqual(json.loads(self.written("host", "show", HOST, "--json")), FULL)

    def test_colours(self) -> None:
        """
        On a terminal what is good is green, what failed red, what is on its way yellow.
        """
        self.server.answers = [answer(200, FULL)]
        text = self.coloured("host", "show", HOST)
        self.assertIn("\x1b[31mfailed", text)
        self.assertIn("\x1b[32mAcknowledged", text)
        self.assertIn("\x1b[33mPENDING", text)

    def test_narrow(self) -> None:
        """
        On a terminal that is too narrow for a table each thing is a block of lines, so that no
        uuid or time is cut in two.
        """
        profiles = FULL["profiles"]
        assert isinstance(profiles, list)
        self.server.answers = [answer(200, FULL | {"profiles": profiles * 2})]
        text = self.coloured("host", "show", HOST, columns=80)
        lines = [" ".join(_SEQUENCE.sub("", line).split()) for line in text.splitlines()]
        start = lines.index("Profiles")
        block = [
            "identifier com.example.scep",
            f"uuid {PROFILE}",
            "operation install",
            "scope User",
            "status failed",
            "detail the CA refused",
            "attempts 3",
            "ca name Test_SCEP",
            "due -",
            "delivered 2026-06-01 12:00:00Z",
            "acknowledged 2026-06-01 12:00:05Z",
        ]
        self.assertEqual(lines[start + 1 : start + 25], [*block, "", *block, ""])

    def test_unknown(self) -> None:
        """
        An unknown host ends with exit code 1 and the server's sentence.
        """
        self.server.answers = [problem(404, "Not found", "There is no host of this uuid.")]
        result = self.server.run("host", "show", "a/b")
        self.assertEqual(result.exit_code, 1)
        self.assertIn("There is no host of this uuid.", result.stderr)
        self.assertTrue(str(self.server.requests[0].url).endswith("/hosts/a%2Fb"))

    def test_control_characters(self) -> None:
        """
        What a terminal would obey is not written to it, wherever it comes from.
        """
        bad = "\x1b[2J\x07[bold]x"
        profiles: JsonValue = [ROW | {"detail": bad, "status": bad, "due_at": bad}]
        self.server.answers = [answer(200, BARE | {"profiles": profiles, "facts": {bad: bad}})]
        text = self.written("host", "show", HOST)
        self.assertNotIn("\x1b", text)
        self.assertNotIn("\x07", text)
        self.assertIn("[bold]x", text)


class ProfileStatusTests(_Case):
    """
    Tests for ``scepctl profile status``.
    """

    def test_table(self) -> None:
        """
        All pages are read into one table, a host a line; times are in UTC.
        """
        rows: list[JsonValue] = [
            ROW | {"host": HOST, "serial_number": "C02ABC"},
            ROW | {"host": "z", "serial_number": "", "status": "verified", "detail": ""},
        ]
        self.server.answers = [
            answer(200, {"items": rows[:1], "next": HOST}),
            answer(200, {"items": rows[1:], "next": None}),
        ]
        heading, first, second = self.written("profile", "status", PROFILE).splitlines()
        self.assertEqual(heading.split()[:5], ["HOST", "SERIAL", "NUMBER", "OPERATION", "STATUS"])
        self.assertEqual(
            " ".join(first.split()),
            f"{HOST} C02ABC install failed the CA refused 3 2026-06-01 12:00:05Z",
        )
        self.assertEqual(second.split()[:5], ["z", "-", "install", "verified", "-"])
        self.assertEqual(
            [(request.url.path, request.url.params["after"]) for request in self.server.requests],
            [(f"/api/v1/profiles/{PROFILE}/status", after) for after in ("", HOST)],
        )

    def test_colours(self) -> None:
        """
        On a terminal verified is green, failed red, and everything else yellow; in a pipe there
        are no colours.
        """
        rows: list[JsonValue] = [
            {"host": status, "status": status}
            for status in ("verified", "failed", "pending", "verifying")
        ]
        page: JsonValue = {"items": rows, "next": None}
        self.server.answers = [answer(200, page), answer(200, page)]
        text = self.coloured("profile", "status", PROFILE)
        for part in (
            "\x1b[32mverified",
            "\x1b[31mfailed",
            "\x1b[33mpending",
            "\x1b[33mverifying",
        ):
            self.assertIn(part, text)
        self.assertNotIn("\x1b", self.written("profile", "status", PROFILE))

    def test_long_detail(self) -> None:
        """
        In a pipe each host is one line, however long the reason.
        """
        rows: list[JsonValue] = [ROW | {"host": HOST, "detail": "so long " * 200}]
        self.server.answers = [answer(200, {"items": rows, "next": None})]
        self.assertEqual(len(self.written("profile", "status", PROFILE).splitlines()), 2)

    def test_json(self) -> None:
        """
        As JSON it is one array of what the server said.
        """
        self.server.answers = [answer(200, {"items": [ROW], "next": None})]
        written = self.written("profile", "status", PROFILE, "--json")
        self.assertEqual(json.loads(written), [ROW])

    def test_no_hosts(self) -> None:
        """
        Without hosts there is a sentence.
        """
        self.server.answers = [answer(200, {"items": [], "next": None})]
        text = self.written("profile", "status", PROFILE)
        self.assertEqual(text, "No host has this profile, or should have it.\n")


class HelpTests(_Case):
    """
    Tests for the texts that teach.
    """

    def test_examples(self) -> None:
        """
        Each command has an example of itself.
        """
        for command in (("host", "list"), ("host", "show"), ("profile", "status")):
            text = self.written(*command, "--help")
            self.assertIn(f"Examples:\n    scepctl {' '.join(command)}", text)
