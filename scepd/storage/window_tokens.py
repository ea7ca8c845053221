"""
The tokens of one-time URLs, as enrollment windows know them: only by their digests.
"""

from __future__ import annotations

from hashlib import sha256
from hmac import compare_digest

from scepd.model import EnrollmentWindow


def fits_token(window: EnrollmentWindow, token: str) -> bool:
    """
    Whether a URL that ends with ``token`` (empty: with none) may use a window; one that was opened
    without a token takes any.
    """
    if window.token_sha256 is None:
        return True
    return compare_digest(window.token_sha256, sha256(token.encode()).hexdigest())
