"""
The records that are kept for some time only.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from scepd.model import Lease, Pruned


class RecordPruning(Protocol):
    """
    Forgets records step by step, the oldest first.

    Each method looks at no more than ``limit`` records that are older than ``before``; there may be
    more when it has seen as many as that. It raises :class:`~scepd.errors.Conflict` when the lease
    has passed to another owner.
    """

    async def prune_exchanges(self, before: datetime, limit: int, lease: Lease) -> Pruned:
        """
        Forget exchanges that began before that time. That a certificate was granted in a window is
        known as long as the window is.
        """

    async def prune_windows(self, before: datetime, limit: int, lease: Lease) -> Pruned:
        """
        Forget enrollment windows whose deadline was before that time; the last one of an assignment
        that there still is stays: it tells which certificates are younger than the delivery.
        """

    async def prune_activities(self, before: datetime, limit: int, lease: Lease) -> Pruned:
        """
        Forget activities before that time.
        """

    async def prune_certificates(self, before: datetime, limit: int, lease: Lease) -> Pruned:
        """
        Forget what the embedded certificate authority issued and what expired before that time, and
        the pins of identities that are retired; an identity that an enrollment may still use stays.
        """
