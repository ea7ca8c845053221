"""
Tests for ``scepctl ca``.
"""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import JsonValue
from twisted.trial.unittest import SynchronousTestCase

from tests.ctl.pretend import Pretend, answer, problem

CHALLENGE = "s3cret challenge"
REPORT: dict[str, JsonValue] = {
    "name": "Test_SCEP",
    "subject": "CN=Test CA",
    "sha256": "ab" * 32,
    "not_after": "2036-05-29T12:00:00Z",
    "capabilities": ["AES", "SHA-256"],
    "warnings": ["The CA offers triple DES but not AES."],
    "checked_at": "2026-06-01T12:00:00Z",
    "fingerprint_changed": False,
}
ADD = ("ca", "add", "Test_SCEP", "--url", "http://ca.example.com/scep")


class AddTests(SynchronousTestCase):
    """
    Tests for ``scepctl ca add``.
    """

    def setUp(self) -> None:
        """
        Make a server that takes it.
        """
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.server = Pretend(self.folder, [answer(201, REPORT)])

    def sent(self) -> dict[str, JsonValue]:
        """
        The body of the one request.
        """
        (request,) = self.server.requests
        self.assertEqual(
            (request.method, request.url.path), ("POST", "/api/v1/certificate_authorities")
        )
        value: dict[str, JsonValue] = json.loads(request.content)
        return value

    def test_challenge_from_file(self) -> None:
        """
        The challenge is the file's line, without its end.
        """
        file = self.folder / "challenge"
        file.write_text(f"{CHALLENGE}\n")
        result = self.server.run(*ADD, "--challenge-file", str(file))
        self.assertEqual(result.exit_code, 0, result.output)
        self.assertEqual(
            self.sent(),
            {
                "name": "Test_SCEP",
                "url": "http://ca.example.com/scep",
                "challenge": CHALLENGE,
                "ca_identifier": None,
                "trusted_certificates": None,
                "allow_single_des": False,
            },
        )

    def test_challenge_from_stdin(self) -> None:
        """
        The challenge is the line on standard input.
        """
        result = self.server.run(*ADD, "--challenge-stdin", stdin=f"{CHALLENGE}\r\n")
        self.assertEqual(result.exit_code, 0, result.output)
        self.assertEqual(self.sent()["challenge"], CHALLENGE)

    def test_challenge_from_environment(self) -> None:
        """
        The challenge is SCEPCTL_CHALLENGE.
        """
        self.server.run(*ADD, environment={"SCEPCTL_CHALLENGE": CHALLENGE})
        self.assertEqual(self.sent()["challenge"], CHALLENGE)

    def test_no_challenge(self) -> None:
        """
        Without a challenge and without a terminal it is wrong usage; so are two of them, and an
        option that holds one.
        """
        for arguments in (
            (),
            ("--challenge-file", "x", "--challenge-stdin"),
            ("--challenge", CHALLENGE),
        ):
            result = self.server.run(*ADD, *arguments)
            self.assertEqual(result.exit_code, 2, arguments)
        self.assertEqual(self.server.requests, [])

    def test_challenge_file_is_missing(self) -> None:
        """
        A file that can't be read ends it, with the file's name.
        """
        result = self.server.run(*ADD, "--challenge-file", "/nowhere/x")
        self.assertEqual(result.exit_code, 1)
        self.assertIn("/nowhere/x: can't be read: No such file or directory", result.stderr)

    def test_one_time(self) -> None:
        """
        With one-time challenges none is asked for; the webhook's secret is the file's line.
        """
        file = self.folder / "secret"
        file.write_text("c2VjcmV0\n")
        options = ("--challenge-mode", "one_time", "--webhook-id", "hook-1")
        result = self.server.run(*ADD, *options, "--webhook-secret-file", str(file))
        self.assertEqual(result.exit_code, 0, result.output)
        sent = self.sent()
        self.assertEqual(
            (sent["challenge"], sent["challenge_mode"], sent["webhook_id"]),
            ("", "one_time", "hook-1"),
        )
        self.assertEqual(sent["webhook_secret"], "c2VjcmV0")
        self.assertNotIn("c2VjcmV0", result.output)

    def test_one_time_with_a_challenge(self) -> None:
        """
        A challenge beside it is wrong usage.
        """
        for arguments in (("--challenge-stdin",), ("--challenge-file", "x")):
            result = self.server.run(*ADD, "--challenge-mode", "one_time", *arguments)
            self.assertEqual(result.exit_code, 2)
        self.assertEqual(self.server.requests, [])

    def test_all_options(self) -> None:
        """
        Every setting is sent.
        """
        roots = self.folder / "roots.pem"
        roots.write_text("PEM")
        self.server.run(
            *ADD,
            "--challenge-stdin",
            *("--max-concurrency", "4"),
            *("--ca-identifier", "Main"),
            *("--trusted-certificates", str(roots)),
            "--allow-single-des",
            stdin=CHALLENGE,
        )
        sent = self.sent()
        self.assertEqual(sent["max_concurrency"], 4)
        self.assertEqual(sent["ca_identifier"], "Main")
        self.assertEqual(sent["trusted_certificates"], "PEM")
        self.assertIs(sent["allow_single_des"], True)

    def test_report(self) -> None:
        """
        People get fields on standard output and warnings on standard error; no challenge anywhere.
        """
        result = self.server.run(*ADD, "--challenge-stdin", stdin=CHALLENGE)
        for text in ("Test_SCEP", "CN=Test CA", "ab" * 32, "2036-05-29", "AES, SHA-256"):
            self.assertIn(text, result.stdout)
        self.assertEqual(result.stderr, "Warning: The CA offers triple DES but not AES.\n")
        self.assertNotIn(CHALLENGE, result.output)

    def test_json(self) -> None:
        """
        Programs get the whole report, and nothing else on standard output.
        """
        result = self.server.run(*ADD, "--challenge-stdin", "--json", stdin=CHALLENGE)
        self.assertEqual(json.loads(result.stdout), REPORT)

    def test_faults(self) -> None:
        """
        Faults come on standard error, a line each, with exit code 1.
        """
        self.server.answers = [
            problem(400, "The input is not valid", name="A name is needed.", url="Not a URL.")
        ]
        result = self.server.run(*ADD, "--challenge-stdin", stdin=CHALLENGE)
        self.assertEqual(result.exit_code, 1)
        self.assertEqual(result.stdout, "")
        self.assertEqual(
            result.stderr,
            "Error: The input is not valid\n  name: A name is needed.\n  url: Not a URL.\n",
        )

    def test_upstream_fails(self) -> None:
        """
        What failed at the certificate authority is told, with exit code 1.
        """
        self.server.answers = [problem(502, "The certificate authority failed", "It refused.")]
        result = self.server.run(*ADD, "--challenge-stdin", stdin=CHALLENGE)
        self.assertEqual(result.exit_code, 1)
        self.assertEqual(result.stderr, "Error: The certificate authority failed\n  It refused.\n")


class OtherCommandTests(SynchronousTestCase):
    """
    Tests for ``scepctl ca list|show|check|delete``.
    """

    def setUp(self) -> None:
        """
        Make a server.
        """
        folder = Path(self.mktemp())
        folder.mkdir()
        self.server = Pretend(folder)

    def test_list(self) -> None:
        """
        All pages are read into one table.
        """
        items: list[JsonValue] = [
            {"name": "a", "url": "http://a"},
            {"name": "b", "url": "http://b"},
        ]
        self.server.answers = [
            answer(200, {"items": items[:1], "next": "a"}),
            answer(200, {"items": items[1:], "next": None}),
        ]
        result = self.server.run("ca", "list")
        self.assertEqual(
            [line.split()[:2] for line in result.stdout.splitlines()],
            [["NAME", "URL"], ["a", "http://a"], ["b", "http://b"]],
        )
        self.assertEqual(self.server.requests[1].url.params["after"], "a")

    def test_list_as_json(self) -> None:
        """
        As JSON it is one array.
        """
        self.server.answers = [answer(200, {"items": [{"name": "a"}], "next": None})]
        result = self.server.run("ca", "list", "--json")
        self.assertEqual(json.loads(result.stdout), [{"name": "a"}])

    def test_empty_list(self) -> None:
        """
        An empty list says how to begin.
        """
        self.server.answers = [answer(200, {"items": [], "next": None})]
        self.assertIn("scepctl ca add --help", self.server.run("ca", "list").stdout)

    def test_show(self) -> None:
        """
        One is shown field by field; its name is escaped in the path.
        """
        self.server.answers = [answer(200, {"name": "a", "challenge": "********"})]
        result = self.server.run("ca", "show", "a/../b")
        self.assertIn("********", result.stdout)
        self.assertTrue(str(self.server.requests[0].url).endswith("/a%2F..%2Fb"))

    def test_control_characters(self) -> None:
        """
        What a terminal would obey is not written to it.
        """
        self.server.answers = [answer(200, {"subject": "CN=\x1b[2J\x07[bold]x"})]
        result = self.server.run("ca", "show", "a")
        self.assertNotIn("\x1b", result.stdout)
        self.assertNotIn("\x07", result.stdout)
        self.assertIn("[bold]x", result.stdout)

    def test_check(self) -> None:
        """
        A certificate that changed is a warning.
        """
        self.server.answers = [answer(200, REPORT | {"fingerprint_changed": True})]
        result = self.server.run("ca", "check", "Test_SCEP")
        self.assertEqual(result.exit_code, 0)
        self.assertIn("Its certificate is another than at the last check.", result.stderr)
        for line in (r"sha256 +(ab)+ *$", r"capabilities +AES, SHA-256 *$"):
            self.assertRegex(result.stdout, f"(?m)^{line}")
        self.assertNotIn("certificate 1", result.stdout)
        self.assertTrue(str(self.server.requests[0].url).endswith("/Test_SCEP/check"))

    def test_check_shows_a_chain(self) -> None:
        """
        Each certificate of a chain is shown, and the fingerprint before where that changed.
        """
        chain: list[JsonValue] = [
            {"subject": f"CN={n}", "sha256": n * 64, "not_after": "2036"} for n in "ef"
        ]
        report = REPORT | {"certificates": chain, "previous_sha256": "cd" * 32}
        self.server.answers = [answer(200, report), answer(200, report)]
        shown = self.server.run("ca", "check", "Test_SCEP").stdout
        for line in (f"certificate 1 +CN=e, {'e' * 64}, 2036", f"sha256 before +{'cd' * 32}"):
            self.assertRegex(shown, f"(?m)^{line} *$")
        self.assertIn(f"certificate 2  CN=f, {'f' * 64}, 2036", shown)
        raw = self.server.run("ca", "check", "Test_SCEP", "--json").stdout
        self.assertEqual(json.loads(raw), report)

    def test_delete(self) -> None:
        """
        It is deleted, by force where that is said.
        """
        self.server.answers = [answer(204), answer(204)]
        self.assertEqual(self.server.run("ca", "delete", "a").exit_code, 0)
        self.assertEqual(self.server.run("ca", "delete", "a", "--force").exit_code, 0)
        self.assertEqual(
            [str(request.url.query, "ascii") for request in self.server.requests], ["", "force=1"]
        )

    def test_delete_is_refused(self) -> None:
        """
        A conflict ends with exit code 1 and its sentence.
        """
        self.server.answers = [problem(409, "Conflict", "profiles use it: com.example")]
        result = self.server.run("ca", "delete", "a")
        self.assertEqual(result.exit_code, 1)
        self.assertIn("profiles use it: com.example", result.stderr)


class BreakerTests(SynchronousTestCase):
    """
    Tests for how circuit breakers are shown.
    """

    def shown(self, *arguments: str, found: dict[str, JsonValue]) -> str:
        """
        What a command prints.
        """
        folder = Path(self.mktemp())
        folder.mkdir()
        result = Pretend(folder, [answer(200, found)]).run("ca", *arguments)
        self.assertEqual(result.exit_code, 0, result.output)
        return result.output

    def test_open(self) -> None:
        """
        Of one that is out it says since when, why, and when it is probed.
        """
        breaker: JsonValue = {
            "state": "open",
            "failures": 5,
            "since": "2026-06-01T12:00:00Z",
            "reason": "ca.example refused the connection",
            "next_probe_at": "2026-06-01T12:00:30Z",
        }
        found: dict[str, JsonValue] = {"name": "Test_SCEP", "breaker": breaker}
        shown = self.shown("show", "Test_SCEP", found=found)
        for text in ("open", "2026-06-01 12:00:30", "ca.example refused the connection"):
            self.assertIn(text, shown.replace("T12", " 12"))
        listed = self.shown("list", found={"items": [found], "next": None})
        self.assertIn("BREAKER", listed)
        self.assertIn("open", listed)

    def test_closed(self) -> None:
        """
        Of one that works it says no more than that.
        """
        breaker: JsonValue = {
            "state": "closed",
            "failures": 0,
            "since": None,
            "reason": "",
            "next_probe_at": None,
        }
        shown = self.shown("show", "Test_SCEP", found={"name": "Test_SCEP", "breaker": breaker})
        self.assertIn("closed", shown)
        self.assertNotIn("probe", shown)
