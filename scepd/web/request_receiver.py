"""
Who takes a request's body as it arrives.
"""

from __future__ import annotations

from typing import Protocol


class RequestReceiver(Protocol):
    """
    Takes a request's body as it arrives, and hears how the answer's way is.
    """

    @property
    def is_hurried(self) -> bool:
        """
        Whether the site's least speed holds for the body.
        """

    def request_started(self) -> None:
        """
        The request is the receiver's from now on; it may be answered at once.
        """

    def request_received(self, data: bytes) -> None:
        """
        Some bytes of the body.
        """

    def request_finished(self) -> None:
        """
        The body is complete.
        """

    def request_too_long(self, limit: int) -> None:
        """
        The body is above the limit of ``limit`` bytes; nothing more of it comes.
        """

    def request_too_slow(self, sentence: str) -> None:
        """
        The body did not come in time, as the sentence says; nothing more of it comes.
        """

    def connection_lost(self) -> None:
        """
        The client is gone before its answer was complete.
        """

    def pause_answer(self) -> None:
        """
        The client is slow to read.
        """

    def resume_answer(self) -> None:
        """
        The client reads again.
        """
