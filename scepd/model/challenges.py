"""
The one-time challenges of deliveries.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from scepd.profiles.requested_names import RequestedNames


@dataclass(frozen=True, slots=True)
class DeliveryChallenge:
    """
    The challenge of one delivery; only the SHA-256 of its text is known.

    :param sha256: hex.
    :param window_id: the enrollment window that the delivery opened: the challenge is good while
        that one is not closed, until its deadline.
    :param names: what the rendered profile makes the device ask for.
    :param deadline: of the window when it was opened.
    :param csr_sha256: of the one request that it was allowed for, hex; None: not yet.
    """

    sha256: str
    host_uuid: str
    profile_uuid: str
    ca_name: str
    window_id: str
    names: RequestedNames
    deadline: datetime
    csr_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class ChallengeUse:
    """
    A challenge as a request brings it.

    :param sha256: of its text, hex.
    :param ca_name: the certificate authority that the request is for.
    :param csr_sha256: of the request's CSR in DER, hex.
    """

    sha256: str
    ca_name: str
    csr_sha256: str
