"""
Tests for ``scepctl init``.
"""

from __future__ import annotations

import sqlite3
from hashlib import sha256
from pathlib import Path

from click.testing import CliRunner, Result
from twisted.trial.unittest import SynchronousTestCase

from scepd import config
from scepd.ctl import main
from scepd.pki.keyring import Keyring


class InitTests(SynchronousTestCase):
    """
    Tests for everything that is needed before the first start.
    """

    def setUp(self) -> None:
        """
        Name a folder that does not exist.
        """
        self.folder = Path(self.mktemp()).absolute() / "etc"

    def init(self) -> Result:
        """
        Run it.
        """
        return CliRunner().invoke(main, ["init", "--directory", str(self.folder)])

    def tokens(self) -> list[tuple[str, str, str]]:
        """
        The tokens in the database.
        """
        with sqlite3.connect(self.folder / "scepd.sqlite") as connection:
            return connection.execute("SELECT sha256, name, role FROM api_token").fetchall()

    def test_writes(self) -> None:
        """
        Configuration, keyring, token and database are made, readable by their owner alone.
        """
        result = self.init()
        self.assertEqual(result.exit_code, 0, result.output)
        names = ["admin.token", "keyring", "scepd.sqlite", "scepd.toml"]
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), names)
        for name in names:
            self.assertEqual((self.folder / name).stat().st_mode & 0o777, 0o600, name)
        config.load(self.folder / "scepd.toml")
        (key,) = Keyring.parse((self.folder / "keyring").read_text()).keys.values()
        self.assertEqual(len(key), 32)

    def test_token_is_known(self) -> None:
        """
        The database holds the SHA-256 of the token in the file, as an admin's.
        """
        self.init()
        token = (self.folder / "admin.token").read_text().strip()
        self.assertGreaterEqual(len(token), 43)
        self.assertEqual(self.tokens(), [(sha256(token.encode()).hexdigest(), "admin", "admin")])

    def test_secrets_are_not_shown(self) -> None:
        """
        The output names the files and the next steps, and holds neither token nor key.
        """
        output = self.init().output
        self.assertIn(f"wrote  {self.folder}/keyring", output)
        self.assertIn(f"twistd -n --pidfile= scepd --config {self.folder}/scepd.toml", output)
        for name in ("admin.token", "keyring"):
            secret = (self.folder / name).read_text().strip().splitlines()[-1]
            self.assertNotIn(secret.partition(":")[2] or secret, output)

    def test_again(self) -> None:
        """
        Run again it keeps every file, and names it.
        """
        self.init()
        before = {path.name: path.read_bytes() for path in self.folder.glob("*[!e]")}
        result = self.init()
        self.assertEqual(result.exit_code, 0, result.output)
        self.assertEqual(result.output.count("kept   "), 3)
        self.assertNotIn("wrote", result.output)
        after = {path.name: path.read_bytes() for path in self.folder.glob("*[!e]")}
        self.assertEqual(before, after)
        self.assertEqual(len(self.tokens()), 1)

    def test_database_is_new(self) -> None:
        """
        A token file that is kept is made known to a new database.
        """
        self.init()
        (self.folder / "scepd.sqlite").unlink()
        self.init()
        self.assertEqual(len(self.tokens()), 1)

    def test_keyring_elsewhere(self) -> None:
        """
        A configuration that is there already says where the keyring is.
        """
        self.folder.mkdir(parents=True)
        (self.folder / "scepd.toml").write_text('[secrets]\nkeyring_file = "keys"\n')
        self.assertEqual(self.init().exit_code, 0)
        self.assertTrue((self.folder / "keys").exists())
        self.assertFalse((self.folder / "keyring").exists())

    def test_wrong_files(self) -> None:
        """
        A configuration, keyring or token that can't be used ends it, by name, with exit code 1.
        """
        for name, text in (("scepd.toml", "[nothing]"), ("keyring", "x"), ("admin.token", "")):
            self.folder = Path(self.mktemp()).absolute()
            self.folder.mkdir(parents=True)
            (self.folder / name).write_text(text)
            result = self.init()
            self.assertEqual(result.exit_code, 1, result.output)
            self.assertIn(f"{self.folder}/{name}", result.stderr)

    def test_folder_can_not_be_made(self) -> None:
        """
        A folder that can't be made ends it with exit code 1.
        """
        self.folder.parent.write_text("a file")
        result = self.init()
        self.assertEqual(result.exit_code, 1)
        self.assertIn("Error: ", result.stderr)
