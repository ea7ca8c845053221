"""
The proxy's view of enrollment windows and exchanges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from scepd.model import Reservation, SCEPExchange, WindowOutcome


@dataclass(frozen=True, slots=True)
class Subject:
    """
    Whom a proxied request speaks for: the three parts of its URL.

    :param token: the fourth part of a one-time URL, which no repr shows; empty: there is none. It
        is no part of who the subject is.
    """

    host_uuid: str
    profile_uuid: str
    ca_name: str
    token: str = field(default="", repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class SignedBy:
    """
    Who signed a PKIOperation, for a locked window; only from a verified signature.
    """

    signer_key_sha256: str
    transaction_id: str


class EnrollmentStore(Protocol):
    """
    The proxy's view of windows and exchanges.
    """

    async def is_assigned(self, subject: Subject) -> bool:
        """
        Whether the host has that profile as an install with that certificate authority.
        """

    async def reserve_window(
        self,
        subject: Subject,
        exchange_id: str,
        *,
        now: datetime,
        until: datetime,
        signed_by: SignedBy | None = None,
    ) -> Reservation:
        """
        Reserve the subject's window for one exchange until ``until`` at the latest.

        An open window, or one whose reservation ran out, is reserved. A locked one is reserved only
        for its
        ``signed_by``; without one the answer is LOCKED. A window past its deadline is CLOSED, and
        so is one that has another token than the subject.
        """

    async def settle_window(
        self, exchange: SCEPExchange, outcome: WindowOutcome, signed_by: SignedBy | None
    ) -> None:
        """
        Store the exchange and give its window back, in one transaction.

        REOPEN: open again (or locked as before, when it was). LOCK: locked to ``signed_by`` (to
        nobody when None).
        LOCK_PENDING: likewise, and its deadline becomes 7 days from the exchange. A window that
        another exchange
        reserved meanwhile is left as it is; the exchange is stored all the same.
        """

    async def record_refusal(self, exchange: SCEPExchange, *, redeliver: bool) -> None:
        """
        Store the exchange of a PKIOperation that was not let through. With ``redeliver``, and while
        its assignment is
        pending or verifying, make the assignment due at once, at most once per hour and host.
        """

    async def exchanges_of_delivery(
        self, host_uuid: str, profile_uuid: str, *, limit: int = 100
    ) -> Sequence[SCEPExchange]:
        """
        At most ``limit`` exchanges since a profile was last handed to a host, newest first.
        """

    async def exchanges(
        self, *, host_uuid: str | None = None, before: datetime | None = None, limit: int = 100
    ) -> Sequence[SCEPExchange]:
        """
        At most ``limit`` exchanges, newest first: of one host, or of all; older than ``before``, or
        from the newest.
        """
