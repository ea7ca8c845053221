"""
Tests for the settings of ``scepd-verify-csr``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd import verify_csr
from scepd.verify_csr import Settings, VerifierError, ask, read_settings
from tests.test_layers import imported_names

TOKEN = "the-token-of-scepserver"


class ImportTests(SynchronousTestCase):
    """
    Tests for what the program needs.
    """

    def test_standard_library(self) -> None:
        """
        It needs nothing but the standard library: a CA starts it for each request.
        """
        source = Path(verify_csr.__file__).read_bytes()
        tops = {name.partition(".")[0] for name in imported_names(source)}
        self.assertEqual(tops - set(sys.stdlib_module_names), set())


class SettingsTests(SynchronousTestCase):
    """
    Tests for L{read_settings}.
    """

    def setUp(self) -> None:
        """
        A file with all settings.
        """
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.token_file = self.folder / "token"
        self.token_file.write_text(f"{TOKEN}\n")
        self.file = self.folder / "verify.toml"
        self.write(url="http://127.0.0.1:8081/", token_file=str(self.token_file), ca="CORP")

    def write(self, **values: str) -> None:
        """
        Write the file.
        """
        self.file.write_text("".join(f'{key} = "{text}"\n' for key, text in values.items()))

    def read(self, **environment: str) -> Settings:
        """
        The settings with this environment.
        """
        return read_settings({"SCEPD_VERIFY_CONFIG": str(self.file)} | environment)

    def fault(self, **environment: str) -> str:
        """
        What is wrong with the settings.
        """
        with self.assertRaises(VerifierError) as caught:
            self.read(**environment)
        text = str(caught.exception)
        self.assertNotIn(TOKEN, text)
        self.assertNotIn("\n", text)
        return text

    def test_file(self) -> None:
        """
        The file alone is enough; the token does not show.
        """
        settings = self.read()
        self.assertEqual(settings, Settings("http://127.0.0.1:8081", TOKEN, "CORP", None))
        self.assertNotIn(TOKEN, repr(settings))

    def test_environment(self) -> None:
        """
        The environment goes before the file, and is enough without one.
        """
        found = self.read(SCEPD_VERIFY_CA="OTHER", SCEPD_VERIFY_TRUSTED_CERTIFICATES="/roots.pem")
        self.assertEqual((found.ca, found.trusted_certificates), ("OTHER", "/roots.pem"))
        found = read_settings(
            {
                "SCEPD_VERIFY_URL": "unix:/run/scepd/admin.sock",
                "SCEPD_VERIFY_TOKEN_FILE": str(self.token_file),
                "SCEPD_VERIFY_CA": "CORP",
            }
        )
        self.assertEqual(found, Settings("unix:/run/scepd/admin.sock", TOKEN, "CORP", None))

    def test_missing(self) -> None:
        """
        What is missing is named; a file that is named has to be there.
        """
        self.write(url="http://127.0.0.1", ca="CORP")
        self.assertEqual(self.fault(), "token_file is not set: see --help")
        self.assertIn("No such file", self.fault(SCEPD_VERIFY_CONFIG="/nowhere/verify.toml"))
        self.assertIn("No such file", self.fault(SCEPD_VERIFY_TOKEN_FILE="/nowhere/token"))

    def test_wrong(self) -> None:
        """
        Files and values that can't be used are named.
        """
        self.assertIn("must begin with", self.fault(SCEPD_VERIFY_URL="ftp://127.0.0.1"))
        for text in ("", "two words", "é", "a\x00b"):
            self.token_file.write_text(text)
            self.assertIn("it holds no API token", self.fault())
        for text, said in (
            ("url", "it is not TOML"),
            ("urls = 'x'", "'urls' is not known; allowed: url, token_file, ca"),
            ("url = 7", "url must be a text"),
        ):
            self.file.write_text(text)
            self.assertIn(said, self.fault())
        self.file.write_bytes(b"\xff")
        self.assertIn("it is not UTF-8", self.fault())

    @given(st.binary(max_size=200))
    def test_any_file(self, content: bytes) -> None:
        """
        Whatever stands in the file, the settings are read or the error is ours.
        """
        self.file.write_bytes(content)
        self.fault()

    def test_size(self) -> None:
        """
        Nothing is asked about a request that is none, or too large.
        """
        settings = Settings("http://127.0.0.1:1", TOKEN, "CORP", None)
        for csr in (b"", bytes(65_537)):
            with self.assertRaises(VerifierError) as caught:
                ask(settings, csr)
            self.assertIn("1 to 65536 are allowed", str(caught.exception))
