"""
What the APNs double does with requests, other than judge them as Apple would.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from h2.errors import ErrorCodes

from tests.support.apns_requests import Reply


@dataclass(frozen=True, slots=True)
class Silence:
    """
    The request is never answered.
    """


@dataclass(frozen=True, slots=True)
class Held:
    """
    The request is answered by Apple's own verdict when the test releases it.
    """


@dataclass(frozen=True, slots=True)
class Reset:
    """
    The request's stream is reset; REFUSED_STREAM says that nothing was done with it.
    """

    code: ErrorCodes


@dataclass(frozen=True, slots=True)
class GoAway:
    """
    The connection is given up: GOAWAY comes, and this request counts as not processed.
    """

    reason: str | None = None


Answer = Reply | Silence | Held | Reset | GoAway


class End(Enum):
    """
    How a connection ends.
    """

    RST = "TCP RST"
    FIN = "TCP FIN without TLS's close_notify"
    TLS_CLOSE = "close_notify and FIN"
    HALF_CLOSE = "FIN, while it is still read"


@dataclass(slots=True)
class Behaviour:
    """
    What the double does other than answer well; may be changed at any time.

    :param answers: by token in hexadecimal; a list is used up, one answer per request.
    :param always: the answer to whatever ``answers`` does not name; None: Apple's own verdict.
    :param max_streams: that one connection may have.
    :param window: the initial window of each stream.
    :param send_settings: whether SETTINGS come when a connection opens; else the test sends them.
    :param credit: whether received bodies are credited; what was not is owed.
    :param piece: octets of an answer's body in one DATA frame.
    :param padding: octets of padding in each of these; None: they are not padded.
    """

    answers: dict[str, Answer | list[Answer]] = field(default_factory=dict)
    always: Answer | None = None
    max_streams: int = 1000
    window: int = 65_535
    send_settings: bool = True
    credit: bool = True
    piece: int = 16_384
    padding: int | None = None

    def answer_to(self, token: str) -> Answer | None:
        """
        What the next request for a token gets, if not Apple's own verdict.
        """
        answer = self.answers.get(token, self.always)
        if isinstance(answer, list):
            return answer.pop(0) if answer else None
        return answer
