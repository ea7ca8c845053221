"""
Tests for ``scepctl ca change``, and for the options of trust and way.
"""

from __future__ import annotations

import json
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import JsonValue
from twisted.trial.unittest import SynchronousTestCase

from tests.ctl.pretend import Pretend, answer, problem
from tests.ctl.test_certificate_authorities import ADD, REPORT
from tests.services.ca_certificates import certificate, sha256

CHANGE = ("ca", "change", "Test_SCEP")


class ChangeTests(SynchronousTestCase):
    """
    Tests for ``scepctl ca change``.
    """

    def setUp(self) -> None:
        """
        Make a server that takes it, and some files.
        """
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.server = Pretend(self.folder, [answer(200, REPORT)])
        self.files = {}
        for name in ("challenge", "roots", "certificate", "key"):
            self.files[name] = str(self.folder / name)
            Path(self.files[name]).write_text(f"the {name}\n")

    def sent(self) -> dict[str, JsonValue]:
        """
        The body of the one request.
        """
        (request,) = self.server.requests
        path = "/api/v1/certificate_authorities/Test_SCEP"
        self.assertEqual((request.method, request.url.path), ("PATCH", path))
        value: dict[str, JsonValue] = json.loads(request.content)
        return value

    def test_only_what_is_given(self) -> None:
        """
        Only what is given is sent, and the report is shown.
        """
        result = self.server.run(*CHANGE, "--max-concurrency", "4")
        self.assertEqual(result.exit_code, 0, result.output)
        self.assertEqual(self.sent(), {"max_concurrency": 4})
        self.assertIn("CN=Test CA", result.stdout)

    def test_all_options(self) -> None:
        """
        All settings can be given; files are read.
        """
        result = self.server.run(
            *CHANGE,
            *("--url", "https://ca.example/", "--challenge-file", self.files["challenge"]),
            *("--max-concurrency", "4", "--ca-identifier", "x", "--allow-single-des"),
            *("--trusted-certificates", self.files["roots"], "--requests-per-second", "2.5"),
            *("--pinned-sha256", "AB:CD", "--client-certificate", self.files["certificate"]),
            *("--client-key", self.files["key"], "--outgoing-proxy", "http://proxy:3128"),
        )
        self.assertEqual(result.exit_code, 0, result.output)
        self.assertEqual(
            self.sent(),
            {
                "url": "https://ca.example/",
                "challenge": "the challenge",
                "max_concurrency": 4,
                "ca_identifier": "x",
                "allow_single_des": True,
                "trusted_certificates": "the roots\n",
                "requests_per_second": 2.5,
                "pinned_sha256": "AB:CD",
                "client_certificate": "the certificate\n",
                "client_key": "the key\n",
                "outgoing_proxy": "http://proxy:3128",
            },
        )

    def test_cleared(self) -> None:
        """
        What is taken away is sent as null, and single DES forbidden as false.
        """
        names = (
            "ca-identifier",
            "trusted-certificates",
            "requests-per-second",
            "pinned-sha256",
            "client-certificate",
            "outgoing-proxy",
        )
        result = self.server.run(*CHANGE, *(f"--no-{n}" for n in names), "--forbid-single-des")
        self.assertEqual(result.exit_code, 0, result.output)
        expected: dict[str, JsonValue] = {name.replace("-", "_"): None for name in names}
        self.assertEqual(self.sent(), expected | {"allow_single_des": False})

    def test_wrong_usage(self) -> None:
        """
        Nothing at all, two challenges, and what is both given and taken away are wrong usage.
        """
        for arguments in (
            (),
            ("--challenge-stdin", "--challenge-file", self.files["challenge"]),
            ("--pinned-sha256", "AB", "--no-pinned-sha256"),
            ("--requests-per-second", "x"),
            ("--challenge", "s3cret"),
            ("--challenge-mode", "one_time", "--challenge-stdin"),
        ):
            result = self.server.run(*CHANGE, *arguments)
            self.assertEqual(result.exit_code, 2, arguments)
        self.assertEqual(self.server.requests, [])

    def test_challenge_from_stdin(self) -> None:
        """
        The challenge is the line on standard input; alone it may be changed, too.
        """
        self.server.run(*CHANGE, "--challenge-stdin", stdin="s3cret\n")
        self.assertEqual(self.sent(), {"challenge": "s3cret"})

    def test_challenge_from_environment(self) -> None:
        """
        SCEPCTL_CHALLENGE counts where a challenge is needed, and only there.
        """
        environment = {"SCEPCTL_CHALLENGE": "s3cret"}
        for arguments, field in (
            (("--url", "https://b/"), "url"),
            (("--outgoing-proxy", "http://p:1"), "outgoing_proxy"),
        ):
            self.server.requests.clear()
            self.server.answers = [answer(200, REPORT)]
            self.server.run(*CHANGE, *arguments, environment=environment)
            self.assertEqual(self.sent(), {field: arguments[1], "challenge": "s3cret"})
        others: tuple[tuple[tuple[str, ...], dict[str, JsonValue]], ...] = (
            (("--max-concurrency", "4"), {"max_concurrency": 4}),
            (
                ("--url", "https://b/", "--challenge-mode", "one_time"),
                {"url": "https://b/", "challenge_mode": "one_time"},
            ),
            (
                ("--challenge-mode", "static"),
                {"challenge_mode": "static", "challenge": "s3cret"},
            ),
        )
        for options, expected in others:
            self.server.requests.clear()
            self.server.answers = [answer(200, REPORT)]
            self.server.run(*CHANGE, *options, environment=environment)
            self.assertEqual(self.sent(), expected)

    def test_refused(self) -> None:
        """
        What the server refuses is told field by field, with exit code 1.
        """
        self.server.answers = [problem(400, "The input is not valid", challenge="Again.")]
        result = self.server.run(*CHANGE, "--url", "https://b/")
        self.assertEqual(result.exit_code, 1)
        self.assertEqual(result.stderr, "Error: The input is not valid\n  challenge: Again.\n")
        missing = self.server.run(*CHANGE, "--client-key", "/nowhere/x")
        self.assertEqual(missing.exit_code, 1)
        self.assertIn("/nowhere/x: can't be read", missing.stderr)

    def test_show(self) -> None:
        """
        Certificates are shown by subject, fingerprint and end, as PEM only in JSON.
        """
        made = certificate("CN of ours")
        pem = made.public_bytes(Encoding.PEM).decode()
        found: dict[str, JsonValue] = {
            "client_certificate": pem + pem,
            "trusted_certificates": "junk",
            "client_key": "********",
        }
        self.server.answers = [answer(200, found), answer(200, found)]
        shown = self.server.run("ca", "show", "Test_SCEP").stdout
        one = f"CN=CN of ours (sha256 {sha256(made)}, until 2036-05-29T12:00:00+00:00)"
        self.assertIn(f"{one}, {one}", shown)
        self.assertIn("junk", shown)
        self.assertNotIn("BEGIN", shown)
        raw = self.server.run("ca", "show", "Test_SCEP", "--json").stdout
        self.assertEqual(json.loads(raw), found)

    def test_add(self) -> None:
        """
        The settings of trust and way can be given when it is added.
        """
        self.server.answers = [answer(201, REPORT)]
        result = self.server.run(
            *(*ADD, "--challenge-file", self.files["challenge"]),
            *("--requests-per-second", "2.5", "--pinned-sha256", "AB:CD"),
            *("--client-certificate", self.files["certificate"], "--client-key", self.files["key"]),
            *("--outgoing-proxy", "http://proxy:3128"),
        )
        self.assertEqual(result.exit_code, 0, result.output)
        body = json.loads(self.server.requests[0].content)
        self.assertEqual(body["requests_per_second"], 2.5)
        self.assertEqual(body["pinned_sha256"], "AB:CD")
        self.assertEqual(body["client_certificate"], "the certificate\n")
        self.assertEqual(body["client_key"], "the key\n")
        self.assertEqual(body["outgoing_proxy"], "http://proxy:3128")
