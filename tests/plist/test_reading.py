"""
Tests for reading property lists.
"""

from __future__ import annotations

import contextlib
import datetime
import plistlib
import struct

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import EncodingError, LimitExceeded, MessageError
from scepd.plist.reading import read_plist
from tests.profiles.builders import SAMPLE, in_plist

_DATE = datetime.datetime(2024, 2, 29, 12, 30, 59)
_VALUES = {
    "text": "a <&> \u00e9 \U0001f600",
    "empty": "",
    "numbers": [0, -1, 255, 65536, 2**63 - 1, -(2**63), 2**64 - 1, 1.5, -0.25],
    "flags": {"yes": True, "no": False},
    "data": bytes(range(256)),
    "nothing": b"",
    "date": _DATE,
    "deep": [[[{"a": [{}]}]]],
}
_EXPECTED = {**_VALUES, "date": _DATE.replace(tzinfo=datetime.UTC)}
_ALL_FORMS = [plistlib.dumps(_VALUES, fmt=form) for form in plistlib.PlistFormat]
_HOSTILE = settings(max_examples=150, deadline=None, derandomize=True, database=None)


def read_or_refuse(data: bytes) -> None:
    """
    Read bytes; any other error than our own ends the test.

    :param data: possibly a property list.
    """
    with contextlib.suppress(MessageError):
        read_plist(data, max_size=65536, max_objects=2000)


def binary_list(objects: list[bytes], *, top: int = 0, count: int | None = None) -> bytes:
    """
    Build a binary property list by hand, with references and offsets of one byte.

    :param objects: the encoded objects.
    :param top: the number of the top object.
    :param count: the number of objects that the trailer claims.
    :returns: the property list.
    """
    body, offsets = b"bplist00", b""
    for each in objects:
        offsets += bytes([len(body)])
        body += each
    number = len(objects) if count is None else count
    return body + offsets + struct.pack(">6xBBQQQ", 1, 1, number, top, len(body))


class ReadPlistTests(SynchronousTestCase):
    """
    Tests for read_plist.
    """

    def test_both_forms(self) -> None:
        """
        Every kind of value comes out of XML and binary as plistlib put it in; dates carry UTC.
        """
        for data in _ALL_FORMS:
            self.assertEqual(read_plist(data), _EXPECTED)

    def test_sample(self) -> None:
        """
        A profile with Apple's document type is read like plistlib reads it.
        """
        self.assertEqual(read_plist(SAMPLE), plistlib.loads(SAMPLE))

    def test_encodings(self) -> None:
        """
        UTF-8 and UTF-16 with byte order marks, ISO-8859-1 and US-ASCII are read.
        """
        text = "<plist><string>caf\u00e9</string></plist>"
        for encoded in (
            text.encode("utf-8-sig"),
            text.encode("utf-16"),
            b'<?xml version="1.0" encoding="UTF-16"?>'.decode()
            .encode("utf-16-be")
            .join((b"\xfe\xff", text.encode("utf-16-be"))),
            b'<?xml version="1.0" encoding="ISO-8859-1"?>' + text.encode("latin-1"),
            b"<?xml version='1.0' encoding='us-ascii'?>"
            + text.encode("ascii", "xmlcharrefreplace"),
        ):
            self.assertEqual(read_plist(encoded), "caf\u00e9")

    def test_wrong_encodings(self) -> None:
        """
        Other encodings, and marks that contradict the declaration, are refused.
        """
        text = "<plist><string>x</string></plist>"
        for encoded in (
            f'<?xml version="1.0" encoding="UTF-7"?>{text}'.encode(),
            f'<?xml version="1.0" encoding="UTF-16"?>{text}'.encode(),
            f'<?xml version="1.0" encoding="UTF-8"?>{text}'.encode("utf-16"),
            f'<?xml version="1.0" encoding="UTF-16"?>{text}'.encode("utf-8-sig"),
            text.encode("utf-32"),
            text.encode("utf-16-le"),
            b"<plist><string>\xff</string></plist>",
        ):
            self.assertRaises(EncodingError, read_plist, encoded)

    def test_entities(self) -> None:
        """
        Entities, internal subsets and external references never get anywhere.
        """
        apple = '<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://localhost:9/x.dtd"'
        for doctype in (
            '<!DOCTYPE plist [<!ENTITY e "x">]>',
            '<!DOCTYPE plist [<!ENTITY e SYSTEM "file:///etc/passwd">]>',
            '<!DOCTYPE plist [<!ENTITY % e SYSTEM "http://localhost:9/"> %e;]>',
            f'{apple} [<!ENTITY e "x">]>',
            f"{apple}>",
            "<!DOCTYPE html>",
        ):
            document = f"{doctype}<plist><string>&e;</string></plist>".encode()
            self.assertRaises(EncodingError, read_plist, document)

    def test_structure(self) -> None:
        """
        Whatever is not strictly a property list is refused.
        """
        for inner in (
            "",
            "<string>a</string><string>b</string>",
            "stray",
            "<array>stray</array>",
            "<dict><string>no key</string></dict>",
            "<dict><key>no value</key></dict>",
            "<dict><key>a</key><key>b</key></dict>",
            "<dict><key>a</key><true/><key>a</key><false/></dict>",
            "<dict><key></key></dict>",
            "<array><key>a</key></array>",
            "<key>a</key>",
            "<string><b>x</b></string>",
            "<set/>",
            "<plist/>",
            "<true>x</true>",
            "<integer>1_0</integer>",
            "<integer>\u0661</integer>",
            "<integer></integer>",
            f"<integer>{2**64}</integer>",
            f"<integer>{'9' * 5000}</integer>",
            "<real>1_0</real>",
            "<real>x</real>",
            "<date>2024-13-01T00:00:00Z</date>",
            "<date>2024-01-01</date>",
            "<data>$FLEET_VAR_X</data>",
            "<data>QQ=</data>",
            "<data>\u00e9</data>",
            "<string>\x01</string>",
            "<string>\ufffe</string>",
        ):
            self.assertRaises(EncodingError, read_plist, in_plist(inner))
        for document in (b"", b"x", b"<dict/>", b"<plist><true/>", b"<plist/><plist/>", b"bplist0"):
            self.assertRaises(EncodingError, read_plist, document)

    def test_liberal_numbers(self) -> None:
        """
        White space, signs and hexadecimal integers are read.
        """
        self.assertEqual(
            read_plist(in_plist("<array><integer> +5\n</integer><integer>0xFf</integer></array>")),
            [5, 255],
        )

    def test_errors_tell_lines(self) -> None:
        """
        An error names the line, and none of the contents.
        """
        error = self.assertRaises(EncodingError, read_plist, in_plist("\n<dict>\n<secret/></dict>"))
        self.assertIn("line 4", str(error))
        self.assertNotIn("secret", str(error))

    def test_size(self) -> None:
        """
        One byte above the limit is refused; 1 MiB is the default.
        """
        self.assertEqual(read_plist(SAMPLE, max_size=len(SAMPLE)), plistlib.loads(SAMPLE))
        self.assertRaises(LimitExceeded, read_plist, SAMPLE, max_size=len(SAMPLE) - 1)
        self.assertRaises(LimitExceeded, read_plist, bytes(1048577))

    def test_depth(self) -> None:
        """
        32 levels are read in both forms, 33 are refused.
        """
        for levels, refused in ((32, False), (33, True), (100, True)):
            nested: list[object] = []
            for _ in range(levels - 1):
                nested = [nested]
            for form in plistlib.PlistFormat:
                data = plistlib.dumps(nested, fmt=form)
                if refused:
                    self.assertRaises(LimitExceeded, read_plist, data)
                else:
                    self.assertEqual(read_plist(data), nested)

    def test_many_objects(self) -> None:
        """
        Keys and values are counted in both forms.
        """
        for form in plistlib.PlistFormat:
            data = plistlib.dumps({"a": 1, "b": [2]}, fmt=form)
            self.assertEqual(read_plist(data, max_objects=6), {"a": 1, "b": [2]})
            self.assertRaises(LimitExceeded, read_plist, data, max_objects=5)

    def test_binary_bombs(self) -> None:
        """
        Objects that share each other exponentially, hold themselves, or share a long text are
        refused before they grow.
        """
        doubling = [b"\xa2" + bytes([n + 1, n + 1]) for n in range(30)] + [b"\x09"]
        self.assertRaises(LimitExceeded, read_plist, binary_list(doubling))
        self.assertRaises(LimitExceeded, read_plist, binary_list([b"\xa1\x00"]))
        self.assertRaises(LimitExceeded, read_plist, binary_list([b"\xd1\x01\x00", b"\x51k"]))
        text = b"\x5f\x11\x27\x10" + b"x" * 10000
        sharing = b"bplist00" + text + b"\xaf\x11\x03\xe8" + bytes(1000)
        table = b"\x00\x08" + struct.pack(">H", 8 + len(text))
        bomb = sharing + table + struct.pack(">6xBBQQQ", 2, 1, 2, 1, len(sharing))
        self.assertRaises(LimitExceeded, read_plist, bomb)

    def test_broken_binaries(self) -> None:
        """
        Wrong offsets, counts, kinds and encodings are refused.
        """
        good = binary_list([b"\x09"])
        self.assertIs(read_plist(good), True)
        for broken in (
            binary_list([b"\x09"], top=1),
            binary_list([b"\x09"], count=2**63),
            binary_list([]),
            binary_list([b"\x00"]),
            binary_list([b"\x0f"]),
            binary_list([b"\x80\x01"]),
            binary_list([b"\xc1\x00"]),
            binary_list([b"\x15"]),
            binary_list([b"\x5f\x14" + bytes(16)]),
            binary_list([b"\x5f\x13" + b"\xff" * 8]),
            binary_list([b"\x51\xff"]),
            binary_list([b"\x61\xd8\x00"]),
            binary_list([b"\x62\x00"]),
            binary_list([b"\x33" + struct.pack(">d", 1e300)]),
            binary_list([b"\x33" + struct.pack(">d", float("nan"))]),
            binary_list([b"\x14" + b"\x7f" * 16]),
            binary_list([b"\xd1\x01\x01", b"\x09"]),
            binary_list([b"\xd2\x01\x01\x01\x01", b"\x51k"]),
            good[:-1],
            good[:20],
            b"bplist00",
            b"bplist00" + struct.pack(">6xBBQQQ", 1, 1, 1, 0, 0),
            b"bplist00\x09\x08" + struct.pack(">6xBBQQQ", 0, 1, 1, 0, 9),
            b"bplist00\x09\x08" + struct.pack(">6xBBQQQ", 1, 0, 1, 0, 9),
            b"bplist00\x09\x08" + struct.pack(">6xBBQQQ", 1, 1, 1, 0, 2**63),
        ):
            self.assertRaises(EncodingError, read_plist, broken)

    @_HOSTILE
    @given(st.binary(max_size=300))
    def test_random_bytes(self, data: bytes) -> None:
        """
        Random bytes raise our errors only, also behind each form's first bytes.
        """
        read_or_refuse(data)
        read_or_refuse(b"bplist00" + data)
        read_or_refuse(b"<?xml version='1.0'?><plist>" + data)

    @_HOSTILE
    @given(st.data())
    def test_mutations(self, data: st.DataObject) -> None:
        """
        Good property lists with some bytes changed, or cut off, raise our errors only.
        """
        for good in _ALL_FORMS:
            mutated = bytearray(good)
            for _ in range(data.draw(st.integers(1, 4))):
                mutated[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
            read_or_refuse(bytes(mutated[: data.draw(st.integers(0, len(good)))]))
            read_or_refuse(bytes(mutated))

    @_HOSTILE
    @given(
        st.lists(st.binary(min_size=1, max_size=12), min_size=1, max_size=12), st.integers(0, 12)
    )
    def test_random_objects(self, objects: list[bytes], top: int) -> None:
        """
        Random objects with a good table and trailer raise our errors only.
        """
        read_or_refuse(binary_list(objects, top=top))

    @_HOSTILE
    @given(
        st.recursive(
            st.text(
                st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")
            )
            | st.integers(-(2**63), 2**64 - 1)
            | st.booleans()
            | st.binary()
            | st.floats(allow_nan=False),
            lambda inner: st.lists(inner) | st.dictionaries(st.text("abc &<\u00e9"), inner),
            max_leaves=20,
        )
    )
    def test_round_trip(self, value: str) -> None:
        """
        What plistlib writes, of any kind, is read back as the same values.
        """
        for form in plistlib.PlistFormat:
            self.assertEqual(read_plist(plistlib.dumps(value, fmt=form)), value)
