"""
Operators: their tokens and what they did.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class APIToken:
    """
    A bearer token of the admin API; only its SHA-256 is known.

    :param sha256: of the token's text, hex.
    :param role: ``admin``, who may do everything, or ``verifier``, who may do nothing but ask
        whether a challenge is to be allowed.
    """

    sha256: str
    name: str
    role: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Activity:
    """
    A change that an operator made.

    :param actor: the name of the API token.
    :param action: a verb and a noun, such as ``added certificate authority``.
    :param subject: the name or id of what was changed.
    """

    at: datetime
    actor: str
    action: str
    subject: str
