"""
Tests for the quick reader of plain property lists.
"""

from __future__ import annotations

import plistlib

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import EncodingError, LimitExceeded, MessageError
from scepd.plist.flat import LARGEST, read_flat_plist
from scepd.plist.reading import read_plist
from scepd.plist.values import Budget, PlistValue
from scepd.plist.xml import read_xml_plist

_IDLE = {"Status": "Idle", "UDID": "0FB0F8E0-9C2B-4A3C-8E0B-0123456789AB", "NotOnConsole": False}
_HEAD = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN"'
    b' "http://www.apple.com/DTDs/PropertyList-1.0.dtd">\n<plist version="1.0">\n'
)
_PIECES = (
    b"<key>A</key>",
    b"<key>B c</key>",
    b"<key></key>",
    b"<string>x</string>",
    b"<string></string>",
    b"<string> y\t</string>",
    b"<string>a &amp; b</string>",
    b"<string>&#x41;</string>",
    b"<string>]]&gt;</string>",
    b"<string>]]></string>",
    b"<string>\xc3\xa9</string>",
    b"<string>a\rb</string>",
    b"<string/>",
    b"<true/>",
    b"<false/>",
    b"<true></true>",
    b"<integer>1</integer>",
    b"<!-- -->",
    b"<![CDATA[x]]>",
    b" \t\r\n",
    b"\x0b",
    b"text",
    b"<dict></dict>",
    b"</dict><dict>",
)


def read_slowly(data: bytes) -> PlistValue:
    """
    What the whole reader makes of it.
    """
    return read_xml_plist(data, Budget(max_depth=32, max_objects=1000, max_content=100_000))


class FlatTests(SynchronousTestCase):
    """
    Tests for read_flat_plist.
    """

    def test_what_devices_send(self) -> None:
        """
        What Python's own writer and Apple's write of an idle device is read.
        """
        data = plistlib.dumps(_IDLE)
        self.assertEqual(read_flat_plist(data), _IDLE)
        older = data.replace(b"-//Apple//DTD", b"-//Apple Computer//DTD")
        self.assertEqual(read_flat_plist(older), _IDLE)
        self.assertEqual(read_flat_plist(data.replace(b"\n", b"\r\n").replace(b"\t", b"")), _IDLE)
        self.assertEqual(read_flat_plist(_HEAD + b"<dict></dict></plist>"), {})

    def test_left_to_the_other(self) -> None:
        """
        Anything that is not plain is left to the other reader: arrays, data, entities, binary
        lists, keys that occur twice, what is long.
        """
        values: tuple[object, ...] = ([], b"x", 1, "&", "\u00e9", {})
        left = [plistlib.dumps({"a": value}) for value in values]
        left += [
            plistlib.dumps(_IDLE, fmt=plistlib.FMT_BINARY),
            plistlib.dumps({"a": "x" * LARGEST}),
            _HEAD + b"<dict><key>a</key><true/><key>a</key><false/></dict></plist>",
            _HEAD + b"<dict><key>a</key></dict></plist>",
            plistlib.dumps(_IDLE) + b"x",
            b"x" + plistlib.dumps(_IDLE),
            plistlib.dumps(_IDLE)[:-2],
            b"",
        ]
        for data in left:
            self.assertIsNone(read_flat_plist(data), data)

    def test_doubled_key(self) -> None:
        """
        A key that occurs twice is refused also in a plain list.
        """
        data = _HEAD + b"<dict><key>a</key><true/><key>a</key><false/></dict></plist>"
        with self.assertRaises(EncodingError):
            read_plist(data)

    def test_limits(self) -> None:
        """
        Limits hold for plain lists, too.
        """
        data = plistlib.dumps(_IDLE)
        self.assertEqual(read_plist(data, max_objects=7, max_depth=1), _IDLE)
        for limits in ({"max_objects": 6}, {"max_depth": 0}, {"max_size": len(data) - 1}):
            with self.assertRaises(LimitExceeded):
                read_plist(data, **limits)

    @settings(max_examples=300, deadline=None, derandomize=True, database=None)
    @given(st.lists(st.sampled_from(_PIECES), max_size=8), st.binary(max_size=2))
    def test_never_otherwise(self, pieces: list[bytes], tail: bytes) -> None:
        """
        What it reads, the other reader reads as the same.
        """
        data = _HEAD + b"<dict>" + b"".join(pieces) + b"</dict></plist>" + tail
        found = read_flat_plist(data)
        if found is not None:
            self.assertEqual(found, read_slowly(data))

    @settings(max_examples=300, deadline=None, derandomize=True, database=None)
    @given(st.integers(0, 400), st.binary(max_size=3), st.integers(0, 3))
    def test_no_damage(self, at: int, put: bytes, cut: int) -> None:
        """
        The same with something put in place of a few octets anywhere.
        """
        data = plistlib.dumps(_IDLE)
        data = data[:at] + put + data[at + cut :]
        found = read_flat_plist(data)
        if found is not None:
            self.assertEqual(found, read_slowly(data))

    @settings(max_examples=200, deadline=None, derandomize=True, database=None)
    @given(st.dictionaries(st.text(max_size=8), st.text(max_size=8) | st.booleans(), max_size=4))
    def test_any_texts(self, value: dict[str, str | bool]) -> None:
        """
        Whatever the texts are, what is read is what was written.
        """
        try:
            data = plistlib.dumps(value)
        except ValueError:
            return
        found = read_flat_plist(data)
        if found is None:
            try:
                found = read_slowly(data)  # type: ignore[assignment]
            except MessageError:
                return
        self.assertEqual(found, plistlib.loads(data))
