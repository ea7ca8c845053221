"""
An HTTP proxy's answer to CONNECT (RFC 9110 section 9.3.6), without I/O: bytes in, a verdict out.
"""

from __future__ import annotations

import re

_MAX_HEAD = 16384
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?:[ \t][^\r\n]*)?\r?\n")
_END = re.compile(rb"\r?\n\r?\n")


class TunnelAnswer:
    """
    Reads the head of the answer; interim ones (1xx) before it are passed over.

    :ivar status: the HTTP status, once the head is in.
    """

    def __init__(self) -> None:
        self.status: int | None = None
        self._head = b""

    def receive(self, data: bytes) -> bool:
        """
        Take bytes from the connection.

        :returns: whether the head is complete.
        :raises ValueError: it is not HTTP, too long, or bytes follow an answer that opens a tunnel,
            in which we are the first to speak; the text is the end of a sentence.
        """
        self._head += data
        while self.status is None:
            end = _END.search(self._head, 0, _MAX_HEAD)
            if end is None:
                self._check_beginning()
                return False
            self._take(end)
        return True

    def _take(self, end: re.Match[bytes]) -> None:
        line = _STATUS_LINE.match(self._head)
        if line is None:
            raise ValueError("its answer is not HTTP")
        status, self._head = int(line[1]), self._head[end.end() :]
        if status < 200:
            return
        if status < 300 and self._head:
            raise ValueError("it sent more than its answer")
        self.status = status

    def _check_beginning(self) -> None:
        if len(self._head) > _MAX_HEAD:
            raise ValueError("the head of its answer is too long")
        if not self._head.startswith(b"HTTP/1."[: len(self._head)]):
            raise ValueError("its answer is not HTTP")
