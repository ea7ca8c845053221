"""
Tests for the command line of ``twistd scepd``.
"""

from __future__ import annotations

import os
import sys
import threading
from io import StringIO
from pathlib import Path

from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from scepd.config import load
from scepd.mdm.profile_signing import profile_content
from scepd.tap import Options, makeService
from scepd.tap.files import device_secrets
from tests.support.processes import run, tool
from tests.tap.folders import make_folder, write_tls


class ImportTests(SynchronousTestCase):
    """
    Tests of what a start imports.
    """

    def test_light(self) -> None:
        """
        The daemon does not import what only upgrades or other programs need, and long; and the
        search for garbage, which rests meanwhile, goes on.
        """
        program = (
            "import gc, sys, scepd.tap\n"
            "print(gc.isenabled(), *sorted(name for name in sys.modules if '.' not in name))"
        )
        done = run([sys.executable, "-c", program], Path.cwd())
        enabled, *modules = done.stdout.split()
        self.assertEqual(enabled, "True", done.stderr)
        self.assertIn("sqlalchemy", modules)
        self.assertEqual(set(modules) & {"alembic", "click", "httpx", "psycopg", "rich"}, set())


class OptionsTests(SynchronousTestCase):
    """
    Tests of what is refused before anything starts.
    """

    def setUp(self) -> None:
        """
        Make a folder.
        """
        self.path = make_folder(Path(self.mktemp()).absolute())

    def refusal(self, *arguments: str) -> str:
        """
        What twistd ends with.
        """
        end = self.assertRaises(
            SystemExit, Options().parseOptions, ["--config", str(self.path), *arguments]
        )
        # Python writes a code that is a text to standard error and exits with 1.
        self.assertIsInstance(end.code, str)
        return str(end.code)

    def test_check(self) -> None:
        """
        ``--check`` says that the file is valid and exits with 0.
        """
        output = StringIO()
        self.patch(sys, "stdout", output)
        end = self.assertRaises(
            SystemExit, Options().parseOptions, ["--config", str(self.path), "--check"]
        )
        self.assertEqual(end.code, 0)
        self.assertEqual(output.getvalue(), f"{self.path}: the configuration is valid\n")

    def test_profile_signature(self) -> None:
        """
        What signs enrollment profiles, and the makers of devices, are read at the start; both files
        of the signature are needed.
        """
        folder = self.path.parent
        write_tls(folder)
        pair = 'signing_certificate_file = "tls.crt"\nsigning_key_file = "{}"\n'
        for text, sentence in (
            ('signing_key_file = "tls.key"', "are set together, or none"),
            (pair.format("gone.key"), "[mdm] signing_key_file: "),
            (pair.format("tls.crt"), "signing_key_file: the signing key"),
            ('device_ca_file = "gone.pem"', "[mdm] device_ca_file: "),
            ('device_ca_file = "tls.key"', "the certificates of device authorities"),
        ):
            self.path.write_text(f"[mdm]\n{text}\n")
            self.assertIn(sentence, self.refusal("--check"))
        self.path.write_text("[mdm]\n" + pair.format("tls.key") + 'device_ca_file = "tls.crt"\n')
        secrets = device_secrets(load(self.path))
        assert secrets.sign_profile is not None
        self.assertEqual(profile_content(secrets.sign_profile(b"x"), max_size=10_000), b"x")
        self.assertEqual(len(secrets.device_anchors), 1)

    def test_configuration(self) -> None:
        """
        A fault of the file is told in its sentence, with ``--check`` and without.
        """
        self.path.write_text('[log]\nlevel = "loud"')
        sentence = (
            f"scepd: {self.path}: [log] level: found 'loud'; "
            'allowed: "debug", "info", "warn" or "error"'
        )
        self.assertEqual(self.refusal(), sentence)
        self.assertEqual(self.refusal("--check"), sentence)

    def test_endpoint(self) -> None:
        """
        An endpoint string that Twisted can't read is refused.
        """
        for text in ("tcp:https", "tcp:", "tcp:80:colour=red", "unix:/x:mode=rw"):
            self.path.write_text(f'[listen]\nadmin = "{text}"')
            self.assertIn(
                f"{self.path}: [listen] admin: found '{text}'; allowed: a Twisted endpoint string",
                self.refusal("--check"),
            )

    def test_keyring(self) -> None:
        """
        A keyring that is missing, that others can read, or that is none is refused.
        """
        keyring = self.path.parent / "keyring"
        os.chmod(keyring, 0o640)
        self.assertEqual(
            self.refusal("--check"),
            f"scepd: {keyring}: the keyring is readable by others; run: chmod 600 {keyring}",
        )
        os.chmod(keyring, 0o600)
        keyring.write_text("k1:AAAA\n")
        self.assertEqual(
            self.refusal(), f"scepd: {keyring}: line 1: the key has 3 bytes; 32 are needed"
        )
        keyring.write_bytes(b"\xff")
        self.assertIn("can't be read: it is not ASCII", self.refusal())
        keyring.unlink()
        self.assertEqual(
            self.refusal(),
            f"scepd: {keyring}: the keyring can't be read: No such file or directory; "
            "`scepctl init` makes one",
        )

    def test_tls(self) -> None:
        """
        TLS files that are no pair are refused.
        """
        folder = self.path.parent
        self.path.write_text('[listen]\ntls_certificate_file = "tls.crt"\ntls_key_file = "tls.key"')
        self.assertIn(f"{folder / 'tls.crt'}: No such file or directory", self.refusal())
        write_tls(folder, 1)
        key = (folder / "tls.key").read_bytes()
        write_tls(folder, 0)
        Options().parseOptions(["--config", str(self.path)])
        (folder / "tls.key").write_bytes(key)
        self.assertIn(f"TLS files {folder / 'tls.crt'} and {folder / 'tls.key'}: ", self.refusal())

    def test_unknown_option(self) -> None:
        """
        An unknown option is a mistake in usage.
        """
        self.assertRaises(UsageError, Options().parseOptions, ["--colour"])

    def test_make_service(self) -> None:
        """
        Making the service opens nothing: twistd may fork after it.
        """
        options = Options()
        options.parent = Options()
        options.parent["nodaemon"] = 1
        options.parseOptions(["--config", str(self.path)])
        threads = set(threading.enumerate())
        files = os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd") else []
        makeService(options)
        self.assertEqual(set(threading.enumerate()), threads)
        if files:
            self.assertEqual(os.listdir("/proc/self/fd"), files)
        self.assertEqual(
            sorted(path.name for path in self.path.parent.iterdir()), ["keyring", "scepd.toml"]
        )


class ProcessTests(SynchronousTestCase):
    """
    Tests with the real program.
    """

    def test_failed_start(self) -> None:
        """
        A listener that can't be opened ends it with 1, in the foreground and in the background.
        """
        path = make_folder(
            Path(self.mktemp()).absolute(), '[listen]\ndevices = "unix:/nowhere/scepd.sock"'
        )
        sentence = (
            "[listen] devices: can't listen on unix:/nowhere/scepd.sock: No such file or directory"
        )
        command = [tool("twistd"), "--pidfile=pid", "--logfile=log", "scepd", "-c", "scepd.toml"]
        background = run(command, path.parent)
        self.assertEqual(background.returncode, 1)
        self.assertIn("[listen] devices: can't listen on unix", background.stderr)
        self.assertIn(f"Not started: {sentence}\n", (path.parent / "log").read_text())
        self.assertFalse((path.parent / "pid").exists())
        command = [tool("twistd"), "-n", "--pidfile=", "scepd", "-c", "scepd.toml"]
        foreground = run(command, path.parent)
        self.assertEqual(foreground.returncode, 1)
        self.assertTrue(foreground.stdout.endswith(f"Not started: {sentence}\n"))
        self.assertNotIn("Traceback", foreground.stdout + foreground.stderr)

    def test_check(self) -> None:
        """
        It exits with 0 and the message, or with 1 and nothing but the sentence.
        """
        path = make_folder(Path(self.mktemp()).absolute())
        command = [tool("twistd"), "-n", "--pidfile=", "scepd", "--check", "--config", "scepd.toml"]
        done = run(command, path.parent)
        self.assertEqual(
            (done.returncode, done.stdout, done.stderr),
            (0, f"{path}: the configuration is valid\n", ""),
        )
        path.write_text("[logs]")
        done = run(command, path.parent)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertRegex(done.stderr, rf"^scepd: {path}: \[logs\]: unknown section; allowed: .*\n$")
        self.assertEqual(sorted(os.listdir(path.parent)), ["keyring", "scepd.toml"])
