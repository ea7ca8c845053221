"""
Who is to be asked for an inventory over MDM, and what was last seen of hosts.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from scepd.model import Activity, HostInventory, InventoryAsk, Lease, UnprovedDelivery


class InventoryStore(Protocol):
    """
    The looks at hosts, over MDM and by osquery. A host has one from its first acknowledgement on.
    """

    async def inventory(self, host_uuid: str) -> HostInventory | None:
        """
        How the looks at a host went; None: it never acknowledged anything.
        """

    async def due_inventories(self, now: datetime, limit: int) -> Sequence[HostInventory]:
        """
        At most ``limit`` hosts that are to be asked over MDM by now, the longest due first.
        """

    async def ask(self, asks: Sequence[InventoryAsk], now: datetime, lease: Lease | None) -> int:
        """
        Queue what hosts are asked, wish their pushes now, and set when they are due again.

        :param lease: None: an operator asks.
        :returns: how many hosts were sent a command that did not wait already.
        :raises Conflict: the lease has passed to another owner.
        """

    async def ask_agent(self, host_uuid: str, now: datetime, activity: Activity) -> None:
        """
        Let a host's agent have its queries at once, and store the activity.
        """

    async def unproved(self, before: datetime, limit: int) -> Sequence[UnprovedDelivery]:
        """
        At most ``limit`` deliveries that were acknowledged before that time, that nothing was said
        of since, and that are still verifying, the oldest first.
        """

    async def count_unproved(self, before: datetime) -> int:
        """
        How many deliveries that were acknowledged before that time are still verifying.
        """
