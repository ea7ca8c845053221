"""
The characters of an XML document and back: its encoding, its stretches of text, and escaping.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

from scepd.errors import EncodingError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARED = re.compile(
    r"""<\?xml\s[^>]{0,200}?\bencoding\s{0,20}=\s{0,20}["']([A-Za-z0-9._-]{1,40})["']"""
)
_WITHOUT_MARK = {
    "utf-8": "utf-8",
    "us-ascii": "ascii",
    "ascii": "ascii",
    "iso-8859-1": "iso-8859-1",
}
# Comments, CDATA sections, processing instructions, then tags, whose attributes may hold ">".
_MARKUP = re.compile(
    r"""<!--.*?-->|<!\[CDATA\[(?P<cdata>.*?)\]\]>|<\?.*?\?>|<(?:[^<>"']|"[^"]*"|'[^']*')*+>""",
    re.DOTALL,
)
# XML 1.0 section 2.2, production 2: what a document can't carry, even as a reference.
_UNCARRIABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
# A bare carriage return would be read as a line feed (XML 1.0 section 2.11).
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})


@dataclass(frozen=True, slots=True)
class XMLDocument:
    """
    An XML document as characters.

    :param text: the document without its byte order mark.
    :param encoding: the Python codec that it came in.
    :param mark: its byte order mark, or nothing.
    """

    text: str
    encoding: str
    mark: bytes

    def encode(self, text: str) -> bytes:
        """
        Encode a changed text as the document was; what its encoding lacks becomes a reference.

        :param text: the whole document, with references outside of text left as they were.
        :returns: the bytes, byte order mark included.
        """
        return self.mark + text.encode(self.encoding, "xmlcharrefreplace")


@dataclass(frozen=True, slots=True)
class Stretch:
    """
    A piece of a document; all pieces joined are the document.

    :param text: the characters as they stand, or those inside a CDATA section.
    :param is_markup: whether this is a tag, comment, instruction or document type.
    :param is_cdata: whether the text stood inside ``<![CDATA[`` and ``]]>``.
    """

    text: str
    is_markup: bool = False
    is_cdata: bool = False


def decode_xml(data: bytes) -> XMLDocument:
    """
    Decode UTF-8, UTF-16 with a byte order mark, US-ASCII or ISO-8859-1 (XML 1.0 appendix F).

    :param data: a whole document; its size is the caller's to limit.
    :returns: the document as characters.
    :raises EncodingError: for another encoding, or one that contradicts the byte order mark.
    """
    mark, encoding = next((each for each in _MARKS if data.startswith(each[0])), (b"", ""))
    body = data[len(mark) :]
    head = body[:600].decode(encoding or "ascii", "replace")
    found = _DECLARED.match(head)
    codec = _codec(found[1].lower() if found else "", encoding)
    try:
        text = body.decode(codec)
    except UnicodeDecodeError as error:
        raise EncodingError(f"the document is not in the encoding {codec}") from error
    if "\0" in text:
        # Expat would take it for UTF-16, whatever it is told.
        raise EncodingError(f"the document is not in the encoding {codec}")
    return XMLDocument(text, codec, mark)


def _codec(declared: str, marked: str) -> str:
    """
    Choose the codec from the declaration and the byte order mark; both must agree.
    """
    if marked:
        if declared and not marked.startswith(declared):
            raise EncodingError("the declared encoding contradicts the byte order mark")
        return marked
    if declared not in _WITHOUT_MARK and declared:
        raise EncodingError(
            "the document's encoding is not supported: use UTF-8, UTF-16 with a byte order mark, "
            "US-ASCII or ISO-8859-1"
        )
    return _WITHOUT_MARK.get(declared, "utf-8")


def stretches(text: str) -> Iterator[Stretch]:
    """
    Cut a document into text and markup.

    :param text: a well-formed document without internal document type subset: read it first.
    :returns: its pieces in order.
    """
    start = 0
    for found in _MARKUP.finditer(text):
        if found.start() > start:
            yield Stretch(text[start : found.start()])
        cdata = found["cdata"]
        if cdata is None:
            yield Stretch(found[0], is_markup=True)
        else:
            yield Stretch(cdata, is_cdata=True)
        start = found.end()
    if start < len(text):
        yield Stretch(text[start:])


def escape_text(value: str) -> str:
    """
    Escape characters so that they can stand in an element.

    :param value: characters that XML can carry.
    :returns: the text that a parser reads back as exactly ``value``.
    """
    return value.translate(_ESCAPES)


def is_carriable(value: str) -> bool:
    """
    Tell whether XML can carry a value (XML 1.0 section 2.2).

    :param value: any characters.
    :returns: False when there is a control character, a surrogate, U+FFFE or U+FFFF in it.
    """
    return _UNCARRIABLE.search(value) is None
