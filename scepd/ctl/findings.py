"""
What a check of ``scepctl doctor`` found.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from scepd.ctl.json_values import JsonValue


class Verdict(Enum):
    """
    How it is; the values are shown.
    """

    GOOD = "ok"
    DOUBTFUL = "warning"
    """
    It works, but will not for long, or not as well as it could.
    """
    BAD = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """
    One thing that was looked at.

    :param detail: a sentence.
    """

    what: str
    verdict: Verdict
    detail: str

    def as_json(self) -> dict[str, JsonValue]:
        """
        For programs.
        """
        return {"what": self.what, "verdict": self.verdict.value, "detail": self.detail}


def good(what: str, detail: str) -> Finding:
    """
    It is as it should be.
    """
    return Finding(what, Verdict.GOOD, detail)


def doubtful(what: str, detail: str) -> Finding:
    """
    It wants a look.
    """
    return Finding(what, Verdict.DOUBTFUL, detail)


def bad(what: str, detail: str) -> Finding:
    """
    It does not work.
    """
    return Finding(what, Verdict.BAD, detail)
