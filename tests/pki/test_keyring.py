"""
Tests for encryption at rest; the expected bytes come from ``cryptography``'s AES-GCM directly.
"""

from __future__ import annotations

import base64
from dataclasses import replace

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import KeyringError, SecretUnreadable
from scepd.pki.keyring import Keyring, SealedSecret, SecretPlace, new_keyring_line

_NEW, _OLD = bytes(range(32)), bytes(range(100, 132))
_NONCE = b"0123456789ab"
_PLACE = SecretPlace("certificate_authority", "challenge", "Test_SCEP")
_DATA = b"certificate_authority|challenge|Test_SCEP|"


def _line(key_id: str, key: bytes) -> str:
    return f"{key_id}:{base64.b64encode(key).decode()}"


def _keyring() -> Keyring:
    return Keyring.parse(f"{_line('new', _NEW)}\n{_line('old', _OLD)}\n")


def _nonce(length: int) -> bytes:
    assert length == len(_NONCE)
    return _NONCE


class SealingTests(SynchronousTestCase):
    """
    Tests of seal and open.
    """

    def test_seal(self) -> None:
        """
        A secret is sealed with the first key, bound to its place and the key's id.
        """
        sealed = _keyring().seal(b"s3cret", _PLACE, _nonce)
        expected = AESGCM(_NEW).encrypt(_NONCE, b"s3cret", _DATA + b"new")
        self.assertEqual(sealed, SealedSecret("new", _NONCE + expected))

    def test_open(self) -> None:
        """
        Every key opens what was sealed with it.
        """
        for key_id, key in (("new", _NEW), ("old", _OLD)):
            data = AESGCM(key).encrypt(_NONCE, b"s3cret", _DATA + key_id.encode())
            opened = _keyring().open(SealedSecret(key_id, _NONCE + data), _PLACE)
            self.assertEqual(opened, b"s3cret")

    def check_unreadable(self, secret: SealedSecret, place: SecretPlace) -> str:
        """
        Fail unless the secret is unreadable, by an error that names its row and key id.
        """
        error = str(self.assertRaises(SecretUnreadable, _keyring().open, secret, place))
        self.assertIn(f"{place.table}.{place.column} of {place.row!r}: ", error)
        self.assertIn(repr(secret.key_id), error)
        self.assertNotIn("s3cret", error)
        return error

    def test_moved(self) -> None:
        """
        A secret opens at its own place only.
        """
        sealed = _keyring().seal(b"s3cret", _PLACE, _nonce)
        for place in (
            replace(_PLACE, row="Other"),
            replace(_PLACE, column="webhook_secret"),
            replace(_PLACE, table="profile"),
        ):
            self.assertIn("does not open with the key", self.check_unreadable(sealed, place))

    def test_unknown_key(self) -> None:
        """
        A key that the keyring lacks is named.
        """
        sealed = Keyring.parse(_line("gone", _NEW)).seal(b"s3cret", _PLACE, _nonce)
        error = self.check_unreadable(sealed, _PLACE)
        self.assertTrue(error.endswith("the keyring has no key 'gone'"), error)

    def test_other_key_id(self) -> None:
        """
        A secret is bound to its key's id, too.
        """
        keyring = Keyring.parse(f"{_line('a', _NEW)}\n{_line('b', _NEW)}")
        sealed = keyring.seal(b"s3cret", _PLACE, _nonce)
        moved = SealedSecret("b", sealed.data)
        self.assertRaises(SecretUnreadable, keyring.open, moved, _PLACE)

    @given(st.data())
    def test_altered(self, data: st.DataObject) -> None:
        """
        A secret with any bit changed, or cut off anywhere, does not open.
        """
        sealed = _keyring().seal(b"s3cret", _PLACE, _nonce).data
        bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
        altered = bytearray(sealed)
        altered[bit // 8] ^= 1 << bit % 8
        self.check_unreadable(SealedSecret("new", bytes(altered)), _PLACE)
        length = data.draw(st.integers(0, len(sealed) - 1))
        self.check_unreadable(SealedSecret("new", sealed[:length]), _PLACE)

    @given(st.binary(max_size=200), st.text(st.characters(exclude_categories=["Cs"])))
    def test_round_trip(self, secret: bytes, row: str) -> None:
        """
        Any secret at any row comes out as it went in.
        """
        place = replace(_PLACE, row=row)
        keyring = _keyring()
        self.assertEqual(keyring.open(keyring.seal(secret, place, _nonce), place), secret)

    def test_no_key_in_repr(self) -> None:
        """
        A keyring that gets into a log shows no keys.
        """
        self.assertEqual(repr(_keyring()), "Keyring()")


class FileTests(SynchronousTestCase):
    """
    Tests of the keyring file's text.
    """

    def refusal(self, text: str) -> str:
        """
        Why a text is refused.
        """
        return str(self.assertRaises(KeyringError, Keyring.parse, text))

    def test_lines(self) -> None:
        """
        Comments and blank lines are passed over; the order stays.
        """
        text = f"# keys\n\n{_line('b', _NEW)}\r\n  \n{_line('a', _OLD)}"
        self.assertEqual(list(Keyring.parse(text).keys.items()), [("b", _NEW), ("a", _OLD)])

    def test_new_line(self) -> None:
        """
        A fresh line is read back as the key that was drawn.
        """
        line = new_keyring_line("k1", lambda length: _NEW[:length])
        self.assertEqual(Keyring.parse(line).keys, {"k1": _NEW})

    def test_empty(self) -> None:
        """
        A file without a key is refused.
        """
        for text in ("", "# nothing\n\n"):
            self.assertEqual(self.refusal(text), "it holds no key; a line is `id:base64(32 bytes)`")

    def test_bad_lines(self) -> None:
        """
        A bad line is named by its number, and its content is not shown.
        """
        good = _line("good", _NEW)
        secret = base64.b64encode(b"s3cret-s3cret-s3cret-s3cret-s3cr").decode()
        form = "line 2: a key id is 1 to 64 of A-Z a-z 0-9 _ -, then a colon"
        cases = {
            secret: form,
            secret.rstrip("="): form,
            f"{secret.rstrip('=')}:k1": "line 2: the key is not base64",
            f":{secret}": form,
            f"a b:{secret}": form,
            f"{'x' * 65}:{secret}": form,
            f"k1:{secret}!": "line 2: the key is not base64",
            f"k1:{secret[:-1]}": "line 2: the key is not base64",
            f"k1: {secret}": "line 2: the key is not base64",
            "k1:czNjcmV0": "line 2: the key has 6 bytes; 32 are needed",
            "k1:": "line 2: the key has 0 bytes; 32 are needed",
            f"good:{secret}": "line 2: the key id 'good' stands there twice",
        }
        for line, sentence in cases.items():
            self.assertEqual(self.refusal(f"{good}\n{line}\n"), sentence)

    @given(st.text(max_size=100))
    def test_any_text(self, text: str) -> None:
        """
        Any text is a keyring or refused.
        """
        try:
            self.assertTrue(Keyring.parse(text).keys)
        except KeyringError as error:
            self.assertRegex(str(error), r"^(line \d+: |it holds no key)")

    @given(
        st.dictionaries(
            st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True),
            st.binary(min_size=32, max_size=32),
            min_size=1,
        )
    )
    def test_round_trip(self, keys: dict[str, bytes]) -> None:
        """
        Keys that are written are read, in their order.
        """
        text = "\n".join(_line(key_id, key) for key_id, key in keys.items())
        self.assertEqual(list(Keyring.parse(text).keys.items()), list(keys.items()))
