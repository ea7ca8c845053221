"""
Where an HTTP/1.1 message ends; as little of it as the bench needs.
"""

from __future__ import annotations

import re

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_END = b"\r\n\r\n"


def message_end(data: bytes | bytearray) -> int | None:
    """
    The offset at which the first message in ``data`` ends; None when some of it is missing.
    """
    head = data.find(_END)
    if head < 0:
        return None
    length = _LENGTH.search(data, 0, head)
    if length is not None:
        end = head + 4 + int(length[1])
        return end if len(data) >= end else None
    if b"chunked" not in data[:head].lower():
        return head + 4
    # Answers in chunks are awaited one at a time, so that what ends them ends the data.
    return len(data) if data.endswith(b"0\r\n\r\n") else None


def body_of(message: bytes | bytearray) -> bytes:
    """
    What comes after a message's head, chunks as they are.
    """
    return bytes(message[message.find(_END) + 4 :])
