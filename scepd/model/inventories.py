"""
What was last seen of what a host has, and when it is asked again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from scepd.model.mdm import QueuedCommand

USER_PROFILE_LIST = "ProfileList of the user"
"""
The name of the ProfileList that goes by a user channel; all others go by their request type.
"""


def list_name(command: QueuedCommand, host_uuid: str) -> str:
    """
    The name of the list that a command asks a host for.
    """
    # The enrollment of the device itself has the host's uuid as its id.
    return command.request_type if command.enrollment_id == host_uuid else USER_PROFILE_LIST


@dataclass(frozen=True, slots=True)
class HostInventory:
    """
    How the looks at a host went.

    :param platform: ``macos``, ``ios`` or ``ipados``; empty when it is not known.
    :param enabled: whether the host may be sent commands.
    :param mdm_due_at: when it is to be asked over MDM; None: not by time.
    :param mdm_asked_at: when it was last.
    :param agent_until: until when the word of its osquery agent is enough; None: it is not.
    :param agent_at: when its agent last answered.
    :param profiles_at: when an inventory last listed its profiles, from ``profiles_source``.
    :param certificates_at: when one last listed its certificates, from ``certificates_source``.
    :param unreadable: certificates of that list that can't be read.
    :param profile_list: uuid of the newest ProfileList, also when it is answered.
    :param certificate_list: likewise of CertificateList.
    :param waiting: the names of the lists (see :func:`list_name`) that were asked for and did not
        come yet.
    :param user_channel: the enrollment by which profiles go to its user; None: none do.
    :param user_profile_list: uuid of the newest ProfileList that went there.
    """

    host_uuid: str
    platform: str
    enabled: bool
    mdm_due_at: datetime | None = None
    mdm_asked_at: datetime | None = None
    agent_until: datetime | None = None
    agent_at: datetime | None = None
    profiles_at: datetime | None = None
    profiles_source: str = ""
    certificates_at: datetime | None = None
    certificates_source: str = ""
    unreadable: int = 0
    profile_list: str | None = None
    certificate_list: str | None = None
    waiting: frozenset[str] = frozenset()
    user_channel: str | None = None
    user_profile_list: str | None = None


@dataclass(frozen=True, slots=True)
class InventoryAsk:
    """
    What becomes of a host that is due.

    :param commands: one for each list; where one still waits none is queued again, and what was
        answered before is forgotten.
    :param again_at: when it is due next; None: not by time.
    :param agent_until: as in :class:`HostInventory`.
    """

    host_uuid: str
    commands: Sequence[QueuedCommand]
    again_at: datetime | None
    agent_until: datetime | None


@dataclass(frozen=True, slots=True)
class InventoryTaken:
    """
    That an inventory came, and when the next one is wanted.

    :param source: ``osquery`` or ``MDM``.
    :param profiles: whether it listed profiles.
    :param certificates: whether it listed certificates.
    :param unreadable: certificates that can't be read.
    :param listed: uuids of the profiles that it listed without a date.
    :param agent_until: as in :class:`HostInventory`.
    :param agent_due_at: when the agent is given its queries again; None: as it was. One that
        acknowledged something meanwhile stays due.
    :param mdm_due_at: as in :class:`HostInventory`.
    :param shown: SHA-1 of each certificate that it listed; None: not of all that there are.
    """

    source: str
    profiles: bool
    certificates: bool
    unreadable: int
    listed: frozenset[str]
    agent_until: datetime | None
    agent_due_at: datetime | None
    mdm_due_at: datetime | None
    shown: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class UnprovedDelivery:
    """
    A profile that was acknowledged long ago and neither proved nor missed.

    :param ca_name: the certificate authority of its certificate, if any.
    :param profiles_at: when the host's profiles were last listed.
    :param certificates_at: when its certificates were.
    """

    host_uuid: str
    profile_uuid: str
    ca_name: str | None
    acknowledged_at: datetime
    profiles_at: datetime | None
    certificates_at: datetime | None
