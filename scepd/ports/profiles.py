"""
Profiles, hosts, and which host should have which profile.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from scepd.model import (
    Activity,
    DeviceDetails,
    EnrollmentWindow,
    FactsChange,
    Host,
    HostProfile,
    Profile,
    TargetCount,
    Targets,
)


class ProfileStore(Protocol):
    """
    The configuration profiles that operators uploaded.
    """

    async def add_profile(self, profile: Profile, activity: Activity) -> str:
        """
        Store a new one, and assign it to every host with an enabled device enrollment that it
        targets, due now: at the activity's time. While hosts still have to lose a former one of
        the same identifier it takes that one's place, and its uuid.

        :returns: the uuid that it got.
        :raises Conflict: its identifier (or uuid) is taken, or a former one of another scope is
            still being removed; or one of its certificate authorities is gone.
        """

    async def profile(self, uuid: str) -> Profile | None:
        """
        The one of that uuid, or None.
        """

    async def profiles(self, *, after: str = "", limit: int = 100) -> Sequence[Profile]:
        """
        At most ``limit`` of them by identifier, from the first greater than ``after``.
        """

    async def replace_profile(self, new: Profile, activity: Activity) -> None:
        """
        Store other content of the profile of the same uuid; targets stay. CONTENT_CHANGED happens
        to its assignments: at once, or where there are many step by step, by ``advance_sweep``.

        :raises NotFound: there is none of that uuid.
        :raises Conflict: identifier or scope are others; or one of its certificate authorities is
            gone.
        """

    async def set_targets(self, uuid: str, targets: Targets, activity: Activity) -> None:
        """
        Aim a profile at other hosts: those that it did not have get it, and those that are no
        longer meant lose it; at once, or step by step as in :meth:`replace_profile`.

        :raises NotFound: there is none of that uuid.
        """

    async def remove_profile(self, uuid: str, activity: Activity) -> None:
        """
        Remove it; windows of it are closed. UNASSIGNED happens to its assignments (or
        UNASSIGNED_UNOFFERED, where no device was ever handed it), so that devices lose it too; at
        once, or step by step as in :meth:`replace_profile`.

        :raises NotFound: there is none of that uuid.
        """

    async def target_count(self, uuid: str) -> TargetCount:
        """
        How many hosts have, or are to lose, the profile of that uuid, whether it is there or not.
        """

    async def unfinished_sweeps(self) -> Sequence[str]:
        """
        The uuids of the profiles, also of former ones, a change of which has not reached all their
        hosts; at most 1,000.
        """

    async def advance_sweep(self, uuid: str, now: datetime) -> bool:
        """
        Let the last change of a profile reach the next of its hosts.

        :returns: whether there are more of them.
        """


class HostStore(Protocol):
    """
    The hosts.
    """

    async def put_host(self, host: Host) -> None:
        """
        Store a host, in place of one of the same uuid.
        """

    async def host(self, uuid: str) -> Host | None:
        """
        The one of that uuid, or None.
        """

    async def hosts_of(self, uuids: Collection[str]) -> Mapping[str, Host]:
        """
        Those of these uuids that there are, by uuid.
        """

    async def hosts(self, *, after: str = "", limit: int = 100) -> Sequence[Host]:
        """
        At most ``limit`` of them by uuid, from the first greater than ``after``.
        """


class HostChangeStore(Protocol):
    """
    What changes of hosts, and what of their profiles changes with it.
    """

    async def change_labels(
        self, host_uuid: str, add: Collection[str], remove: Collection[str], activity: Activity
    ) -> bool:
        """
        Give a host labels and take others away; those of its profiles that target it by then, or
        no longer do, are assigned and unassigned.

        :returns: whether that changed anything; if not there is no activity either.
        :raises NotFound: there is no such host.
        """

    async def change_facts(self, changes: Sequence[FactsChange], activity: Activity) -> int:
        """
        Set and unset facts, of all these hosts or of none. HOST_FACT_CHANGED happens to the
        assignments of enrolled hosts whose profile uses a value that changed.

        :returns: how many hosts changed; if none did there is no activity either.
        :raises NotFound: one of the hosts is not there.
        """

    async def learn(self, host_uuid: str, details: DeviceDetails, now: datetime) -> bool:
        """
        Keep what a device says that it is; what it does not say stays, and so do a platform and a
        serial number that are known. Automatic labels and the values of its variables follow, and
        its profiles with them.

        :returns: whether that changed anything; never when the host is not known.
        """

    async def uuids_of(self, names: Collection[str]) -> Mapping[str, Sequence[str]]:
        """
        The uuids of the hosts that have each of these as their uuid or serial number.
        """


class AssignmentStore(Protocol):
    """
    Which host should have which profile, and the windows that deliveries open.
    """

    async def assign(self, assignment: HostProfile) -> None:
        """
        Store an assignment, in place of one of the same host and profile.

        :raises NotFound: the host or the profile does not exist.
        """

    async def assignment(self, host_uuid: str, profile_uuid: str) -> HostProfile | None:
        """
        The assignment of that profile to that host, or None.
        """

    async def assignments_of_profile(
        self, profile_uuid: str, *, after: str = "", limit: int = 100
    ) -> Sequence[HostProfile]:
        """
        At most ``limit`` assignments of a profile by host uuid, from the first greater than
        ``after``.
        """

    async def assignments_of_host(self, host_uuid: str) -> Sequence[HostProfile]:
        """
        All assignments of a host, by profile identifier.
        """

    async def explain(self, host_uuid: str, profile_uuid: str, detail: str) -> None:
        """
        Set the detail of an assignment; nothing happens when there is none.
        """

    async def open_window(self, window: EnrollmentWindow) -> None:
        """
        Store a fresh open window and close every other one of the same host and profile.
        """
