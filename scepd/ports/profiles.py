"""
Profiles, hosts, and which host should have which profile.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from scepd.model import Activity, EnrollmentWindow, Host, HostProfile, Profile


class ProfileStore(Protocol):
    """
    The configuration profiles that operators uploaded.
    """

    async def add_profile(self, profile: Profile, activity: Activity) -> None:
        """
        Store a new one, and assign it to every host with an enabled device enrollment that it
        targets, due now.

        :raises Conflict: its identifier is taken, or still being removed from a host; or one of its
            certificate authorities is gone.
        """

    async def profile(self, uuid: str) -> Profile | None:
        """
        The one of that uuid, or None.
        """

    async def profiles(self, *, after: str = "", limit: int = 100) -> Sequence[Profile]:
        """
        At most ``limit`` of them by identifier, from the first greater than ``after``.
        """

    async def remove_profile(self, uuid: str, activity: Activity) -> None:
        """
        Remove it; windows of it are closed. UNASSIGNED happens to its assignments (or
        UNASSIGNED_UNOFFERED, where no device was ever handed it), so that devices lose it too.

        :raises NotFound: there is none of that uuid.
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
