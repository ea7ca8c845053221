"""
When hosts are asked for their inventory, by their osquery agent and over MDM: pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from scepd.model import HostInventory

OSQUERY = "osquery"
MDM = "MDM"
# A part of the interval by which hosts differ, so that those of one moment drift apart.
_JITTER = 0.1


@dataclass(frozen=True, slots=True)
class InventorySchedule:
    """
    When inventories are asked for.

    :param interval: between two inventories of a host.
    :param after_acknowledgement: between two by osquery while something acknowledged is not proved;
        over MDM the pause doubles.
    :param grace: after an acknowledgement, until what is missing counts as missing.
    :param silence: of an osquery agent, after which its host is asked over MDM.
    """

    interval: timedelta = timedelta(hours=1)
    after_acknowledgement: timedelta = timedelta(seconds=60)
    grace: timedelta = timedelta(hours=1)
    silence: timedelta = timedelta(hours=2)

    def waits_for_agent(self, state: HostInventory, now: datetime) -> datetime | None:
        """
        Until when a host that acknowledged something for the first time is left to its agent,
        which may not be installed yet; None: it has none, or had its time.
        """
        is_new = state.agent_at is None and state.agent_until is None
        return now + self.silence if is_new and state.platform == "macos" else None

    def again(self, now: datetime, random: float) -> datetime:
        """
        When a host that was asked now is asked next, if no answer says otherwise.

        :param random: from 0 up to 1.
        """
        return now + self.interval * (1 + _JITTER * (2 * random - 1))

    def agent_again(self, now: datetime, unsettled_since: datetime | None) -> datetime:
        """
        When an agent that has answered now is asked next.

        :param unsettled_since: the newest acknowledgement that is not settled, if any.
        """
        wait = self.interval if unsettled_since is None else self.after_acknowledgement
        return now + wait

    def mdm_after_mdm(
        self, state: HostInventory, now: datetime, unsettled_since: datetime | None, random: float
    ) -> datetime:
        """
        When a host that has answered over MDM now is asked so next.
        """
        if state.agent_until is not None and state.agent_until > now:
            return state.agent_until
        if unsettled_since is None:
            return self.again(now, random)
        # Twice as long after the acknowledgement as now, but once at the end of the grace.
        wait = max(self.after_acknowledgement, now - unsettled_since)
        return min(now + wait, unsettled_since + self.grace)

    def mdm_after_agent(
        self,
        state: HostInventory,
        now: datetime,
        unsettled_since: datetime | None,
        agent_until: datetime | None,
        *,
        is_doubtful: bool,
    ) -> datetime:
        """
        When a host whose agent has answered now is asked over MDM.

        :param agent_until: until when that answer is enough; None: it listed no profiles.
        :param is_doubtful: whether only MDM can tell more.
        """
        asked = state.mdm_asked_at
        if is_doubtful:
            since = unsettled_since
            if asked is None or (since is not None and asked < since):
                return now
            pause = self.interval if since is None else asked - since
            return max(now, asked + max(self.after_acknowledgement, min(pause, self.interval)))
        if agent_until is not None:
            return agent_until
        return state.mdm_due_at or (now if asked is None else max(now, asked + self.interval))
