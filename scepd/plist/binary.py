"""
A reader for binary property lists, within limits.

Source: the format as described in Apple's CFBinaryPList.c: ``bplist00``, objects, a table of their
offsets, and a trailer of 32 bytes. Objects may be shared, even by themselves, so that a few bytes
can stand for very many values: each use of an object is read, and counted, anew.
"""

from __future__ import annotations

import math
import struct
from datetime import UTC, datetime, timedelta

from scepd.errors import EncodingError
from scepd.plist.values import Budget, PlistValue, checked_integer

MAGIC = b"bplist00"

_TRAILER = struct.Struct(">6xBBQQQ")
_EPOCH = datetime(2001, 1, 1, tzinfo=UTC)
_ARRAY = 0xA0
_DICT = 0xD0


def read_binary_plist(data: bytes, budget: Budget) -> PlistValue:
    """
    Read a binary property list.

    :param data: the whole of it; its size is the caller's to limit.
    :param budget: what it may hold.
    :returns: its one value.
    :raises EncodingError: for a broken one, or one with nulls, sets or UIDs, which no profile and
        no message of a device has.
    :raises LimitExceeded: when it holds more than the budget.
    """
    return _BinaryReader(data, budget).read()


def _wrong(reason: str) -> EncodingError:
    """
    Make an error; the contents are never in it.
    """
    return EncodingError(f"not a readable binary property list: {reason}")


class _BinaryReader:
    """
    Follows references from the top object down.
    """

    def __init__(self, data: bytes, budget: Budget) -> None:
        if not data.startswith(MAGIC) or len(data) < len(MAGIC) + _TRAILER.size:
            raise _wrong("it has no header or no trailer")
        self._data = data
        self._budget = budget
        trailer = _TRAILER.unpack(data[-_TRAILER.size :])
        self._offset_size, self._ref_size, self._count, self._top, self._table = trailer
        room = len(data) - _TRAILER.size - self._table
        if not 1 <= self._offset_size <= 8 or not 1 <= self._ref_size <= 8:
            raise _wrong("its offsets have a wrong size")
        if self._table < len(MAGIC) or self._count * self._offset_size > room:
            raise _wrong("its table of offsets is cut off")

    def read(self) -> PlistValue:
        """
        Read the top object and all below it.
        """
        return self._value(self._top, 1)

    def _value(self, reference: int, depth: int) -> PlistValue:
        if reference >= self._count:
            raise _wrong("a reference leads nowhere")
        at = self._table + reference * self._offset_size
        start = int.from_bytes(self._data[at : at + self._offset_size], "big")
        token = self._bytes(start, 1)[0]
        kind, low = token & 0xF0, token & 0x0F
        if kind in (_ARRAY, _DICT):
            return self._container(kind, *self._length(start, low), depth)
        value = self._scalar(token, kind, low, start)
        self._budget.spend(len(value) if isinstance(value, (str, bytes)) else 0)
        return value

    def _bytes(self, start: int, length: int) -> bytes:
        """
        Take bytes of the objects' area only.
        """
        if start < len(MAGIC) or start + length > self._table:
            raise _wrong("an object is cut off")
        return self._data[start : start + length]

    def _length(self, start: int, low: int) -> tuple[int, int]:
        """
        Read an object's length, which may be an integer object behind the token.

        :returns: the length, and where the contents start.
        """
        if low != 0x0F:
            return low, start + 1
        token = self._bytes(start + 1, 1)[0]
        if token & 0xF0 != 0x10 or token & 0x0F > 3:
            raise _wrong("an object has no readable length")
        width = 1 << (token & 0x0F)
        return int.from_bytes(self._bytes(start + 2, width), "big"), start + 2 + width

    # -- dictionaries and arrays -------------------------------------------------------------------

    def _container(self, kind: int, count: int, start: int, depth: int) -> PlistValue:
        self._budget.spend()
        self._budget.check_depth(depth)
        if kind == _ARRAY:
            return [self._value(each, depth + 1) for each in self._references(start, count)]
        references = self._references(start, 2 * count)
        pairs: dict[str, PlistValue] = {}
        for key_at, value_at in zip(references[:count], references[count:], strict=True):
            key = self._value(key_at, depth + 1)
            if not isinstance(key, str) or key in pairs:
                raise _wrong("a key is not a string, or occurs twice")
            pairs[key] = self._value(value_at, depth + 1)
        return pairs

    def _references(self, start: int, count: int) -> list[int]:
        size = self._ref_size
        packed = self._bytes(start, count * size)
        return [int.from_bytes(packed[at : at + size], "big") for at in range(0, len(packed), size)]

    # -- simple values -----------------------------------------------------------------------------

    def _scalar(self, token: int, kind: int, low: int, start: int) -> PlistValue:
        if token in (0x08, 0x09):
            return token == 0x09
        if kind == 0x10 and low <= 4:
            # Only integers of 8 and 16 bytes are signed.
            packed = self._bytes(start + 1, 1 << low)
            return checked_integer(int.from_bytes(packed, "big", signed=low >= 3))
        if token in (0x22, 0x23, 0x33):
            return self._number(token, start + 1)
        if kind in (0x40, 0x50, 0x60):
            length, first = self._length(start, low)
            return _text(kind, self._bytes(first, length * 2 if kind == 0x60 else length))
        raise _wrong("there is an object of an unknown kind")

    def _number(self, token: int, start: int) -> PlistValue:
        wide = token != 0x22
        packed = self._bytes(start, 8 if wide else 4)
        number: float = struct.unpack(">d" if wide else ">f", packed)[0]
        return _date(number) if token == 0x33 else number


def _date(seconds: float) -> datetime:
    """
    Read a date: seconds since the start of 2001, UTC.
    """
    try:
        if not math.isfinite(seconds):
            raise _wrong("a date is out of range")
        return _EPOCH + timedelta(seconds=seconds)
    except OverflowError as error:
        raise _wrong("a date is out of range") from error


def _text(kind: int, packed: bytes) -> str | bytes:
    """
    Read data, a string in ASCII or a string in UTF-16.
    """
    if kind == 0x40:
        return packed
    try:
        return packed.decode("ascii" if kind == 0x50 else "utf-16-be")
    except UnicodeDecodeError as error:
        raise _wrong("a string is not in its encoding") from error
