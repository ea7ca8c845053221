"""
The HPACK block of a push's request (RFC 7541), from a template.

Nothing ever enters the server's dynamic table: a field is a static entry or a literal without
indexing. So a block never depends on those before it, nor on the size of that table, and a push
costs a few pieces that are joined.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from scepd.apns.frames import LARGEST_PAYLOAD
from scepd.apns.notification import Notification
from scepd.errors import LimitExceeded

# Appendix A: whole fields, then names.
_METHOD_POST = b"\x83"
_SCHEME_HTTPS = b"\x87"
_AUTHORITY = b"\x01"
_PATH = b"\x04"
_AUTHORIZATION = b"\x0f\x08"

_TABLE_SIZE_0 = b"\x20"
_APNS_ID = b"\x00\x07apns-id\x24"
_APNS_EXPIRATION = b"\x00\x0fapns-expiration"
# What a field counts besides name and value (RFC 9113 section 6.5.2).
_FIELD_OVERHEAD = 32
_MOST_VARIANTS = 16


def no_authorization() -> None:
    """
    What there is to say with a client certificate: nothing.
    """


@dataclass(frozen=True, slots=True)
class _Variant:
    """
    What pushes of one kind have in common.

    :param head: the block up to the path.
    :param tail: the block from behind the path to the last two fields.
    :param size: of the header list, without the values of path and expiration.
    """

    head: bytes
    tail: bytes
    size: int


class HeaderTemplate:
    """
    Makes header blocks.

    :param authority: Apple's host name.
    :param authorization: tells the value of the header of that name, or None.
    :ivar largest_list: the server's SETTINGS_MAX_HEADER_LIST_SIZE.
    """

    def __init__(self, authority: bytes, authorization: Callable[[], bytes | None]) -> None:
        self.largest_list: int | None = None
        self._authority = authority
        self._authorization = authorization
        self._variants: dict[tuple[str, str, int, bytes | None], _Variant] = {}
        self._size_update = b""

    def table_size_changed(self) -> None:
        """
        The server set SETTINGS_HEADER_TABLE_SIZE.

        The next block says that the table has size 0, which suits whatever was set (RFC 7541
        section 4.2): a server that made it smaller insists on a word about it.
        """
        self._size_update = _TABLE_SIZE_0

    def block(self, notification: Notification) -> bytes:
        """
        The header block of a push.

        :raises LimitExceeded: the server would not take it.
        """
        kind = (
            notification.topic,
            notification.push_type,
            notification.priority,
            self._authorization(),
        )
        variant = self._variants.get(kind) or self._add(kind)
        path, expiration = notification.path(), b"%d" % notification.expiration
        size = variant.size + len(path) + len(expiration)
        if self.largest_list is not None and size > self.largest_list:
            raise LimitExceeded(f"the server takes header lists of {self.largest_list} octets only")
        block = b"".join(
            (
                self._size_update,
                variant.head,
                _LENGTHS[len(path)],
                path,
                variant.tail,
                _APNS_ID,
                notification.apns_id.encode("ascii"),
                _APNS_EXPIRATION,
                _LENGTHS[len(expiration)],
                expiration,
            )
        )
        if len(block) > LARGEST_PAYLOAD:
            raise LimitExceeded("its header fields are longer than a frame")
        self._size_update = b""
        return block

    def _add(self, kind: tuple[str, str, int, bytes | None]) -> _Variant:
        topic, push_type, priority, authorization = kind
        fields = [
            (b"apns-topic", topic.encode("ascii")),
            (b"apns-push-type", push_type.encode("ascii")),
            (b"apns-priority", b"%d" % priority),
        ]
        tail = b"".join(b"\x00" + _string(name) + _string(value) for name, value in fields)
        if authorization is not None:
            fields.append((b"authorization", authorization))
            tail += _AUTHORIZATION + _string(authorization)
        fields += [
            (b":method", b"POST"),
            (b":scheme", b"https"),
            (b":authority", self._authority),
            (b":path", b""),
            (b"apns-id", b"x" * 36),
            (b"apns-expiration", b""),
        ]
        head = _METHOD_POST + _SCHEME_HTTPS + _AUTHORITY + _string(self._authority) + _PATH
        size = sum(len(name) + len(value) + _FIELD_OVERHEAD for name, value in fields)
        if len(self._variants) >= _MOST_VARIANTS:
            # A provider token lives an hour; its variants would stay.
            self._variants.clear()
        variant = self._variants[kind] = _Variant(head, tail, size)
        return variant


def _string(value: bytes) -> bytes:
    return _length(len(value)) + value


def _length(octets: int) -> bytes:
    """
    The length of a string that is not Huffman-coded (RFC 7541 sections 5.1 and 5.2).
    """
    if octets < 127:
        return bytes((octets,))
    rest, encoded = octets - 127, bytearray((127,))
    while rest >= 128:
        encoded.append(rest & 127 | 128)
        rest >>= 7
    encoded.append(rest)
    return bytes(encoded)


# A path has at most 210 octets, an expiration 19.
_LENGTHS = tuple(_length(octets) for octets in range(256))
