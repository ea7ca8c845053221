"""
Tests for what all of scepctl's commands share, and for its smaller ones.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from subprocess import run

import httpx
from click import Context, Group
from click.testing import CliRunner
from pydantic import JsonValue
from twisted.trial.unittest import SynchronousTestCase

from scepd import __version__
from scepd.ctl import main
from tests.ctl.pretend import TOKEN, Pretend, answer, problem


class ConnectionTests(SynchronousTestCase):
    """
    Tests for the way to the server, and for exit codes.
    """

    def setUp(self) -> None:
        """
        Make a server.
        """
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.server = Pretend(self.folder, [answer(200, {"version": "1"})])

    def test_default(self) -> None:
        """
        The server is the one of the sample configuration, and the token goes with each request.
        """
        self.assertEqual(self.server.run("status").exit_code, 0)
        (request,) = self.server.requests
        self.assertEqual(str(request.url), "http://127.0.0.1:8081/api/v1/status")
        self.assertEqual(request.headers["authorization"], f"Bearer {TOKEN}")

    def test_server(self) -> None:
        """
        The server comes from the environment, an option before the command, or one behind it.
        """
        self.server.answers *= 3
        environment = {"SCEPCTL_SERVER": "https://one.example"}
        self.server.run("status", environment=environment)
        self.server.run("--server", "https://two.example/", "status", environment=environment)
        arguments = (
            "--server",
            "https://two.example",
            "status",
            "--server",
            "http://three.example",
        )
        self.server.run(*arguments, environment=environment)
        self.assertEqual(
            [request.url.host for request in self.server.requests],
            ["one.example", "two.example", "three.example"],
        )

    def test_unix_socket(self) -> None:
        """
        A Unix socket's path is a server; where there is none, that is told.
        """
        result = CliRunner().invoke(
            main,
            [
                *("--token-file", str(self.server.token_file)),
                *("--server", f"unix:{self.folder.absolute()}/s"),
                "status",
            ],
        )
        self.assertEqual(result.exit_code, 3)

    def test_odd_server(self) -> None:
        """
        Another form of address is wrong usage.
        """
        for address in ("127.0.0.1:8081", "ftp://x", "unix:relative"):
            self.assertEqual(self.server.run("--server", address, "status").exit_code, 2)

    def test_unreachable(self) -> None:
        """
        A server that can't be reached is exit code 3.
        """

        def refuse(request: httpx.Request) -> None:
            """
            Refuse the connection.
            """
            raise httpx.ConnectError("Connection refused")

        self.server.on_request = refuse
        result = self.server.run("status")
        self.assertEqual(result.exit_code, 3)
        self.assertEqual(
            result.stderr,
            "Error: http://127.0.0.1:8081 can't be reached: Connection refused\n",
        )

    def test_not_scepd(self) -> None:
        """
        An answer that is not scepd's is exit code 3.
        """
        for other in (
            httpx.Response(200, text="It works!"),
            httpx.Response(200, json=[]),
            httpx.Response(404, text="<html>"),
            httpx.Response(301, headers={"location": "http://elsewhere/"}),
        ):
            self.server.answers = [other]
            self.assertEqual(self.server.run("status").exit_code, 3)

    def test_not_authenticated(self) -> None:
        """
        A token that the server does not know is exit code 4.
        """
        self.server.answers = [problem(401, "Access denied", "a valid API token is needed")]
        result = self.server.run("status")
        self.assertEqual(result.exit_code, 4)
        self.assertEqual(result.stderr, "Error: Access denied: a valid API token is needed\n")

    def test_no_token(self) -> None:
        """
        A token file that is missing, empty or odd is exit code 4, and says what makes one.
        """
        result = self.server.run("--token-file", "/nowhere/x", "status")
        self.assertEqual(result.exit_code, 4)
        self.assertIn("`scepctl init` makes the first API token", result.stderr)
        for text in ("", "\n", "two words", "two\nlines", "ü"):
            self.server.token_file.write_text(text)
            self.assertEqual(self.server.run("status").exit_code, 4)
        self.assertEqual(self.server.requests, [])

    def test_token_is_not_shown(self) -> None:
        """
        No output holds the token.
        """
        self.server.answers = [problem(401, "Access denied")]
        self.assertNotIn(TOKEN, self.server.run("status").output)


class ArgumentTests(SynchronousTestCase):
    """
    Tests for arguments that are no text.
    """

    def test_no_text(self) -> None:
        """
        Bytes of another encoding are wrong usage, in the body, the path or the query alike.
        """
        folder = Path(self.mktemp())
        folder.mkdir()
        server = Pretend(folder)
        for arguments in (
            ("enroll-token", "create", "--name", "Zo\udceb"),
            ("host", "show", "\udceb"),
            ("exchange", "list", "--host", "\udceb"),
        ):
            result = server.run(*arguments)
            self.assertEqual(result.exit_code, 2, result.output)
            self.assertIn("no text in the encoding of the locale", result.output)
        self.assertEqual(server.requests, [])


class HelpTests(SynchronousTestCase):
    """
    Tests for the texts that teach.
    """

    def test_version(self) -> None:
        """
        The version is the package's.
        """
        result = CliRunner().invoke(main, ["--version"])
        self.assertEqual(result.stdout, f"scepctl, version {__version__}\n")

    def test_exit_codes_and_examples(self) -> None:
        """
        The help has examples and the exit codes.
        """
        text = CliRunner().invoke(main, ["--help"]).stdout
        self.assertIn("  scepctl init\n", text)
        self.assertIn("  4  no API token, or none that the server knows\n", text)
        text = CliRunner().invoke(main, ["ca", "add", "--help"]).stdout
        self.assertIn("--challenge-file challenge.txt", text)

    def test_every_command_has_help(self) -> None:
        """
        Each command says in a sentence what it does.
        """
        groups: list[Group] = [main]
        count = 0
        while groups:
            group = groups.pop()
            context = Context(group)
            for name in group.list_commands(context):
                command = group.get_command(context, name)
                assert command is not None, name
                self.assertTrue(command.get_short_help_str(), name)
                count += 1
                if isinstance(command, Group):
                    groups.append(command)
        self.assertGreater(count, 50)

    def test_light(self) -> None:
        """
        A command does not import what only others need, and long.
        """
        program = (
            "import sys; from scepd.ctl import main\n"
            "try: main(['profile', 'add', '--help'])\n"
            "except SystemExit: pass\n"
            "print(*sorted(name for name in sys.modules if '.' not in name))"
        )
        done = run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        modules = set(done.stdout.splitlines()[-1].split())
        self.assertIn("httpx", modules)
        self.assertEqual(
            modules & {"alembic", "sqlalchemy", "twisted", "cryptography", "pydantic"}, set()
        )

    def test_unknown(self) -> None:
        """
        What is no command is told so.
        """
        result = CliRunner().invoke(main, ["profiles"])
        self.assertEqual(result.exit_code, 2)
        self.assertIn("No such command 'profiles'", result.stderr)


class ProfileCommandTests(SynchronousTestCase):
    """
    Tests for ``scepctl profile``, ``exchange`` and ``activity``.
    """

    def setUp(self) -> None:
        """
        Make a server and a profile's file.
        """
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.server = Pretend(self.folder)
        self.file = self.folder / "wifi.mobileconfig"
        self.file.write_bytes(b"\x00profile")

    def test_add(self) -> None:
        """
        The file's bytes are sent as they are, with the label; warnings go to standard error.
        """
        view: JsonValue = {"uuid": "a1", "identifier": "com.example"}
        self.server.answers = [answer(201, {"profile": view, "warnings": ["Keysize is small."]})]
        result = self.server.run("profile", "add", str(self.file), "--label", "staff & co")
        self.assertEqual(result.exit_code, 0, result.output)
        (request,) = self.server.requests
        self.assertEqual(request.content, b"\x00profile")
        self.assertEqual(dict(request.url.params), {"labels_any": "staff & co"})
        self.assertIn("com.example", result.stdout)
        self.assertEqual(result.stderr, "Warning: Keysize is small.\n")

    def test_add_nothing(self) -> None:
        """
        A file that can't be read ends it.
        """
        result = self.server.run("profile", "add", str(self.folder / "none"))
        self.assertEqual(result.exit_code, 1)
        self.assertIn("can't be read", result.stderr)

    def test_preview(self) -> None:
        """
        With a host the profile itself is written, byte by byte.
        """
        self.server.answers = [httpx.Response(200, content=b"\x00<plist/>\n")]
        result = self.server.run("profile", "show", "a1", "--host", "h 1")
        self.assertEqual(result.stdout_bytes, b"\x00<plist/>\n")
        (request,) = self.server.requests
        self.assertEqual(request.url.path, "/api/v1/profiles/a1/preview")
        self.assertEqual(dict(request.url.params), {"host": "h 1"})

    def test_show_list_delete(self) -> None:
        """
        Profiles are shown, listed and deleted.
        """
        self.server.answers = [
            answer(200, {"uuid": "a1", "display_name": None}),
            answer(200, {"items": [{"uuid": "a1", "certificate_authorities": ["x", "y"]}]}),
            answer(204),
        ]
        self.assertIn("display name  -", self.server.run("profile", "show", "a1").stdout)
        self.assertIn("x, y", self.server.run("profile", "list").stdout)
        self.assertEqual(self.server.run("profile", "delete", "a1").exit_code, 0)

    def test_exchanges_of_no_host(self) -> None:
        """
        That a host has none is said of hosts only that there are.
        """
        missing = problem(404, "Not found", "There is no host of this uuid.")
        self.server.answers = [answer(200, {"items": []}), missing]
        result = self.server.run("exchange", "list", "--host", "h1")
        self.assertEqual((result.exit_code, result.stdout), (1, ""))
        self.server.answers = [answer(200, {"items": []})]
        self.assertEqual(self.server.run("exchange", "list").stdout, "There are no exchanges.\n")

    def test_records(self) -> None:
        """
        Exchanges and activities are tables, or arrays.
        """
        items: JsonValue = [{"host_uuid": "h1", "fail_info": "badRequest", "actor": "alice"}]
        page: JsonValue = {"items": items}
        self.server.answers = [answer(200, page), answer(200, page), answer(200, page)]
        result = self.server.run("exchange", "list", "--host", "h1", "--limit", "5")
        self.assertIn("badRequest", result.stdout)
        self.assertEqual(dict(self.server.requests[0].url.params), {"limit": "5", "host": "h1"})
        self.assertIn("alice", self.server.run("activity", "list").stdout)
        result = self.server.run("exchange", "list", "--json")
        self.assertEqual(json.loads(result.stdout), items)
