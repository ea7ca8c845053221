"""
Tests for the files of ``[apns]``.
"""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from twisted.trial.unittest import SynchronousTestCase

from scepd.apns.credentials import PushCredentials
from scepd.config import parse, push_credentials
from scepd.errors import ConfigurationError
from tests.apns.notifications import TOPIC
from tests.apns.test_credentials_forms import KEY_ID, PASSWORD, TEAM_ID, encrypted, packed
from tests.support.apns_certificates import PushAuthority


class FilesTests(SynchronousTestCase):
    """
    Tests for each way of telling Apple who we are.
    """

    def setUp(self) -> None:
        """
        Write files of every kind.
        """
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        pair = PushAuthority().push(TOPIC)
        key = ec.generate_private_key(ec.SECP256R1())
        contents = {
            "push.crt": pair.certificate,
            "push.key": pair.key,
            "both.pem": pair.key + pair.certificate,
            "locked.key": encrypted(pair.key),
            "push.p12": packed(pair, []),
            "password": PASSWORD + b"\n",
            "empty": b"\n",
            "token.p8": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        }
        for name, content in contents.items():
            (self.folder / name).write_bytes(content)

    def load(self, *lines: str) -> PushCredentials | None:
        """
        Read what these lines of the section name.
        """
        text = "\n".join(("[apns]", *lines))
        return push_credentials(parse(text, self.folder / "scepd.toml").apns, lambda: 7.0)

    def test_none(self) -> None:
        """
        Without any there are no credentials.
        """
        self.assertIsNone(self.load())

    def test_certificate(self) -> None:
        """
        Every form of the same certificate and key is the same.
        """
        first = self.load('certificate_file = "push.crt"', 'key_file = "push.key"')
        assert first is not None
        self.assertEqual(first.topic, TOPIC)
        password = 'password_file = "password"'
        for lines in (
            ('certificate_file = "both.pem"',),
            ('certificate_file = "push.crt"', 'key_file = "locked.key"', password),
            ('pkcs12_file = "push.p12"', password),
        ):
            self.assertEqual(self.load(*lines), first)

    def test_token(self) -> None:
        """
        A provider token has the topic that the file says.
        """
        loaded = self.load(
            'token_key_file = "token.p8"',
            f'token_key_id = "{KEY_ID}"',
            f'token_team_id = "{TEAM_ID}"',
            f'token_topic = "{TOPIC}"',
        )
        assert loaded is not None
        self.assertEqual(loaded.topic, TOPIC)
        self.assertTrue((loaded.authorization() or b"").startswith(b"bearer "))

    def test_refused(self) -> None:
        """
        Each sentence names section and file.
        """
        cases = (
            (('certificate_file = "none.pem"',), "[apns] certificate_file: ", "No such file"),
            (('certificate_file = "push.crt"',), f"[apns] {self.folder / 'push.crt'}: ", "key"),
            (('pkcs12_file = "push.p12"',), f"[apns] {self.folder / 'push.p12'}: ", "password"),
            (
                ('pkcs12_file = "push.p12"', 'password_file = "empty"'),
                "[apns] password_file: ",
                "empty",
            ),
        )
        for lines, beginning, complaint in cases:
            with self.assertRaises(ConfigurationError) as caught:
                self.load(*lines)
            self.assertTrue(str(caught.exception).startswith(beginning), caught.exception)
            self.assertIn(complaint, str(caught.exception))
