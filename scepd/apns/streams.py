"""
One push in flight.
"""

from __future__ import annotations

from collections.abc import Iterable

from scepd.apns.events import PushAnswered, PushLost
from scepd.apns.reasons import parse_body

# Apple's bodies have about 100 octets; of longer ones the rest is dropped.
_LARGEST_BODY = 4096


class PushStream:
    """
    What of a push is not sent yet, and what of its answer is in.

    :ivar unsent: the rest of the push's body.
    :ivar status: the answer's HTTP status; None: its head is not in.
    """

    def __init__(self, body: bytes) -> None:
        self.unsent = body
        self.status: int | None = None
        self._apns_id: str | None = None
        self._body = bytearray()

    def receive_head(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """
        Take the head of the answer.
        """
        for name, value in headers:
            if name == b":status" and value.isdigit() and len(value) == 3:
                self.status = int(value)
            elif name == b"apns-id":
                self._apns_id = value[:64].decode("ascii", "replace")

    def receive_body(self, data: bytes) -> None:
        """
        Take some bytes of the answer's body.
        """
        self._body += data[: _LARGEST_BODY - len(self._body)]

    def answer(self, stream_id: int) -> PushAnswered | PushLost:
        """
        The answer, which is complete.
        """
        if self.status is None:
            return PushLost(stream_id, "its answer has no status")
        reason, timestamp = parse_body(bytes(self._body))
        return PushAnswered(stream_id, self.status, reason, timestamp, self._apns_id)
