"""
A reader for property lists in XML, without entities and external fetches, within limits.

Source: Apple's PropertyList-1.0.dtd. It is stricter than ``plistlib``, which reads a document with
stray text, keys given twice or unknown entities as something else than Apple's devices may.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable
from datetime import UTC, datetime
from xml.parsers import expat

from scepd.errors import EncodingError
from scepd.plist.values import Budget, PlistValue, checked_integer
from scepd.plist.xml_text import decode_xml

_SPACE = " \t\r\n"
_DECIMAL = re.compile(r"[+-]?[0-9]{1,40}")
_HEXADECIMAL = re.compile(r"[+-]?0[xX][0-9A-Fa-f]{1,32}")
_REAL = re.compile(r"[+-]?(?:[0-9]{1,400}\.?[0-9]{0,400}|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,5})?")
_UNUSUAL_REAL = re.compile(r"nan|[+-]?inf(?:inity)?", re.IGNORECASE)
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})Z")


def read_xml_plist(data: bytes, budget: Budget) -> PlistValue:
    """
    Read a property list in XML.

    :param data: the document; its size is the caller's to limit.
    :param budget: what it may hold.
    :returns: its one value.
    :raises EncodingError: for anything that is not a property list, or uses entities.
    :raises LimitExceeded: when it holds more than the budget.
    """
    return _XMLReader(budget).read(decode_xml(data).text)


class _XMLReader:
    """
    Builds values from what expat reports.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._open: list[list[PlistValue] | dict[str, PlistValue]] = []
        self._keys: list[str | None] = []
        self._roots: list[PlistValue] = []
        self._plists = 0
        self._leaf = ""
        self._text: list[str] = []
        self._parser = parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._doctype_started
        parser.EntityDeclHandler = self._entity_declared
        parser.SkippedEntityHandler = self._entity_skipped
        parser.StartElementHandler = self._element_started
        parser.EndElementHandler = self._element_ended
        parser.CharacterDataHandler = self._text_found

    def read(self, text: str) -> PlistValue:
        """
        Read one document, once.
        """
        try:
            self._parser.Parse(text, True)
        except expat.ExpatError as error:
            reason = expat.ErrorString(error.code)
            raise self._wrong(f"{reason}, column {error.offset + 1}") from error
        if len(self._roots) != 1:
            raise self._wrong("it must hold exactly one value")
        return self._roots[0]

    def _wrong(self, reason: str) -> EncodingError:
        """
        Make an error that names the line; the text of the document is never in it.
        """
        line = self._parser.CurrentLineNumber
        return EncodingError(f"not a readable property list: line {line}: {reason}")

    # -- what must not occur -----------------------------------------------------------------------

    def _doctype_started(
        self, name: str, system: str | None, public: str | None, internal: int
    ) -> None:
        if internal:
            raise self._wrong("the document type has an internal subset")
        if name != "plist":
            raise self._wrong("the document type is not plist")

    def _entity_declared(
        self,
        name: str,
        is_parameter: int,
        value: str | None,
        base: str | None,
        system: str,
        public: str | None,
        notation: str | None,
    ) -> None:
        raise self._wrong("it declares an entity")

    def _entity_skipped(self, name: str, is_parameter: bool) -> None:
        # With an external document type expat drops an unknown entity silently, and its text.
        raise self._wrong("it uses an entity that is not defined")

    # -- elements ----------------------------------------------------------------------------------

    def _element_started(self, name: str, attributes: dict[str, str]) -> None:
        if self._leaf:
            raise self._wrong("there is an element inside a simple value")
        if (name == "plist") != (not self._plists):
            raise self._wrong("there must be one plist element, the outermost one")
        if name == "plist":
            self._plists += 1
        elif name in ("dict", "array"):
            self._container_started({} if name == "dict" else [])
        elif name == "key" or name in _READERS:
            self._leaf = name
            self._text = []
        else:
            raise self._wrong("there is an element that property lists don't have")

    def _container_started(self, container: list[PlistValue] | dict[str, PlistValue]) -> None:
        self._budget.spend()
        self._budget.check_depth(len(self._open) + 1)
        self._add(container)
        self._open.append(container)
        self._keys.append(None)

    def _element_ended(self, name: str) -> None:
        if name in ("dict", "array"):
            if self._keys.pop() is not None:
                raise self._wrong("a key has no value")
            self._open.pop()
        elif name != "plist":
            self._leaf_ended(name, "".join(self._text))

    def _leaf_ended(self, name: str, text: str) -> None:
        self._leaf = ""
        self._budget.spend(len(text))
        if name == "key":
            self._set_key(text)
            return
        try:
            value = _READERS[name](text)
        except EncodingError as error:
            raise self._wrong(str(error)) from error
        except ValueError as error:
            raise self._wrong(f"there is a {name} element that holds none") from error
        self._add(value)

    def _text_found(self, text: str) -> None:
        if self._leaf:
            self._text.append(text)
        elif text.strip(_SPACE):
            raise self._wrong("there is text outside of a value")

    # -- values ------------------------------------------------------------------------------------

    def _set_key(self, key: str) -> None:
        container = self._open[-1] if self._open else None
        if not isinstance(container, dict) or self._keys[-1] is not None:
            raise self._wrong("there is a key where none can be")
        if key in container:
            # Readers differ in which of the two they take: what was checked might not be used.
            raise self._wrong("a key occurs twice in a dictionary")
        self._keys[-1] = key

    def _add(self, value: PlistValue) -> None:
        container = self._open[-1] if self._open else self._roots
        if isinstance(container, list):
            container.append(value)
            return
        key = self._keys[-1]
        if key is None:
            raise self._wrong("a value in a dictionary has no key")
        container[key] = value
        self._keys[-1] = None


def _integer(text: str) -> int:
    """
    Read a decimal or hexadecimal integer.
    """
    text = text.strip(_SPACE)
    if _DECIMAL.fullmatch(text):
        return checked_integer(int(text))
    if _HEXADECIMAL.fullmatch(text):
        return checked_integer(int(text, 16))
    raise ValueError("not an integer")


def _real(text: str) -> float:
    """
    Read a real number; ``float`` alone would take underscores and other scripts' digits.
    """
    text = text.strip(_SPACE)
    if not _REAL.fullmatch(text) and not _UNUSUAL_REAL.fullmatch(text):
        raise ValueError("not a real number")
    return float(text)


def _date(text: str) -> datetime:
    """
    Read a date, which is always in UTC.
    """
    found = _DATE.fullmatch(text.strip(_SPACE))
    if found is None:
        raise ValueError("not a date")
    year, month, day, hour, minute, second = (int(part) for part in found.groups())
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)


def _data(text: str) -> bytes:
    """
    Read base64 with any white space in it.
    """
    packed = "".join(text.split())
    return binascii.a2b_base64(packed.encode("ascii"), strict_mode=bool(packed))


def _constant(value: bool) -> Callable[[str], PlistValue]:
    """
    Make a reader for ``true`` or ``false``, which are empty.
    """

    def read(text: str) -> PlistValue:
        """
        Read an element that must be empty.
        """
        if text.strip(_SPACE):
            raise ValueError("not empty")
        return value

    return read


_READERS: dict[str, Callable[[str], PlistValue]] = {
    "string": str,
    "integer": _integer,
    "real": _real,
    "date": _date,
    "data": _data,
    "true": _constant(True),
    "false": _constant(False),
}
