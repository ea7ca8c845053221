"""
Enrollments, their identities, and commands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from scepd.model.offers import Offers
from scepd.pki.keyring import SealedSecret, SecretPlace
from scepd.profiles.lifecycle import Event


@dataclass(frozen=True, slots=True)
class PushAddress:
    """
    Where a push to an enrollment goes.

    :param topic: of the push certificate, such as ``com.apple.mgmt.External.…``.
    :param secret: token (hex), a colon and the PushMagic, sealed for :func:`push_place`.
    """

    topic: str
    secret: SealedSecret


def push_place(enrollment_id: str) -> SecretPlace:
    """
    Where the push token and magic of an enrollment are stored.
    """
    return SecretPlace("enrollment", "push", enrollment_id)


def bootstrap_place(enrollment_id: str) -> SecretPlace:
    """
    Where the bootstrap token of an enrollment is stored.
    """
    return SecretPlace("enrollment", "bootstrap_token", enrollment_id)


@dataclass(frozen=True, slots=True)
class Enrollment:
    """
    A device, or a user channel of it, in MDM.

    :param id: Apple's: the UDID, or UDID:UserID, or EnrollmentID[:EnrollmentUserID].
    :param kind: ``device``, ``user``, ``user-enrollment`` or ``user-enrollment-user``.
    :param enabled: whether it may be sent commands: from TokenUpdate to CheckOut.
    :param user_name: the short name of a user channel's user; empty: not told, or a device.
    """

    id: str
    host_uuid: str
    kind: str
    enabled: bool
    push: PushAddress | None
    enrolled_at: datetime
    last_seen: datetime | None = None
    user_name: str = ""


@dataclass(frozen=True, slots=True)
class KnownIdentity:
    """
    What is known of the certificate that a device signed with.

    :param certificate_sha256: hex.
    :param enrollment_id: the enrollment that it is pinned to; None: not pinned yet.
    :param enabled: whether that enrollment is enabled.
    :param host_uuid: of that enrollment.
    :param labels: of the enrollment token that it was issued for.
    :param allow_reenrollment: of that token.
    :param revoked: whether an operator revoked it.
    :param renews: whether it was issued to take the place of an identity, by its record of issue.
    :param confirmed: whether its device has begun to use it.
    :param retired: whether another one has its place.
    :param renewal_command: the command that renews it, whatever became of it; None: none did.
    :param bound_host: the only host that may use it; None: any.
    :param bound_serial: the serial number of the only device that may use it; None: any.
    :param expired: whether it has expired, and is heard all the same.
    """

    certificate_sha256: str
    enrollment_id: str | None
    enabled: bool
    host_uuid: str | None
    labels: tuple[str, ...]
    allow_reenrollment: bool
    not_after: datetime
    revoked: bool = False
    renews: bool = False
    confirmed: bool = True
    retired: bool = False
    renewal_command: str | None = None
    bound_host: str | None = None
    bound_serial: str | None = None
    expired: bool = False


ENROLLMENT_PROFILE = "enrollment"
"""
What stands for the uuid of a profile in the command that sends the enrollment profile again, which
renews the device's identity. Profiles of operators have longer ones.
"""


@dataclass(frozen=True, slots=True)
class Poll:
    """
    What a device's poll meets.

    :param identity: what is known of the certificate that it signed with; None: nothing.
    :param waits: whether a command without a final result waits for its enrollment.
    """

    identity: KnownIdentity | None
    waits: bool


@dataclass(frozen=True, slots=True)
class QueuedCommand:
    """
    A command that waits for its final result.

    :param request_type: Apple's, such as ``InstallProfile``.
    :param profile_uuid: of InstallProfile and RemoveProfile: rendered when it is handed over;
        :data:`ENROLLMENT_PROFILE` for a renewal of the identity.
    :param body: of every other: the whole command plist.
    :param priority: a smaller one goes first.
    :param offers: how often it was offered without an answer.
    """

    uuid: str
    enrollment_id: str
    request_type: str
    profile_uuid: str | None
    body: bytes | None = field(repr=False)
    priority: int
    created_at: datetime
    offers: Offers = field(default_factory=Offers)

    @property
    def renews_identity(self) -> bool:
        """
        Whether it sends the enrollment profile again.
        """
        return self.profile_uuid == ENROLLMENT_PROFILE


@dataclass(frozen=True, slots=True)
class CommandAnswer:
    """
    What a device answered to a command, as it came.

    :param size: octets.
    :param plist: the property list, XML or binary; None: it is not kept.
    """

    size: int
    plist: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class CommandRecord:
    """
    A command as operators see it.

    :param status: ``queued``, ``offered``, ``NotNow``, ``Acknowledged``, ``Error``, ``cancelled``.
    :param answer_size: octets of the device's final answer; None: there is none.
    :param answer_kept: whether that answer can be read.
    """

    uuid: str
    request_type: str
    profile_uuid: str | None
    status: str
    detail: str
    created_at: datetime
    offered_at: datetime | None
    finished_at: datetime | None
    answer_size: int | None = None
    answer_kept: bool = False


@dataclass(frozen=True, slots=True)
class RowEvent:
    """
    Something that happened to a profile on a host, for the lifecycle table.

    :param detail: the reason, where the table asks for one.
    """

    host_uuid: str
    profile_uuid: str
    event: Event
    detail: str = ""


@dataclass(frozen=True, slots=True)
class RowVersion:
    """
    An assignment as it was read, so that what was found out about it counts only while it is so.

    :param enrollment_id: by which it goes; None: it is nobody's work.
    """

    operation: str = ""
    status: str = ""
    due_at: datetime | None = None
    command_uuid: str | None = None
    delivered_at: datetime | None = None
    acknowledged_at: datetime | None = None
    content_sha256: str | None = None
    enrollment_id: str | None = None


RowVersions = Mapping[tuple[str, str], RowVersion]
"""
The versions of some assignments, by host and profile uuid.
"""


@dataclass(frozen=True, slots=True)
class DueRow:
    """
    An assignment that the processor has claimed.
    """

    host_uuid: str
    profile_uuid: str
    operation: str
    ca_name: str | None
    enrollment_id: str
    profile_identifier: str
    attempts: int
    version: RowVersion = field(default_factory=RowVersion, compare=False)


@dataclass(frozen=True, slots=True)
class Lease:
    """
    The right to do periodic work, until it ends.

    :param epoch: grows with each change of owner; writes under an old one are refused.
    """

    name: str
    owner: str
    epoch: int
