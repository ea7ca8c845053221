"""
What the admin API answers of hosts, and of a profile host by host.

Push tokens and the PushMagic are in no answer.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from pydantic import BaseModel, Field

from scepd.model import (
    CommandRecord,
    Enrollment,
    Host,
    HostProfile,
    ManagedCertificate,
    PushState,
)
from scepd.services.hosts import MOST_RECORDS, HostRecord, ProfileOnHost
from scepd.web.api.identity_models import IdentityView
from scepd.web.api.inventories import InventoryView
from scepd.web.api.models import ExchangeView


class HostView(BaseModel):
    """
    A host.
    """

    uuid: str = Field(description="Apple's UDID")
    serial_number: str
    platform: str = Field(description="macos, ios or ipados")
    model: str = Field(description="Apple's model name or identifier; empty: not told")
    os_version: str = Field(description="empty: not told")
    labels: list[str]
    facts: dict[str, str] = Field(
        description="what operators said of it, by the variable's name without FLEET_VAR_"
    )
    last_seen: datetime | None = Field(description="when it last spoke to the server")

    @classmethod
    def of(cls, host: Host) -> HostView:
        """
        The view of a stored record.
        """
        return cls(
            uuid=host.uuid,
            serial_number=host.serial_number,
            platform=host.platform,
            model=host.model,
            os_version=host.os_version,
            labels=list(host.labels),
            facts=dict(host.facts),
            last_seen=host.last_seen,
        )


class ListedHost(HostView):
    """
    A host, and whether it is there.
    """

    enrolled: bool = Field(description="whether it can be sent something; false after CheckOut")

    @classmethod
    def among(cls, host: Host, enrolled: Collection[str]) -> ListedHost:
        """
        The view of a stored record, and whether it is one of those.
        """
        return cls(**dict(HostView.of(host)), enrolled=host.uuid in enrolled)


class HostList(BaseModel):
    """
    A page of hosts, by uuid.
    """

    items: list[ListedHost]
    next: str | None = Field(description="the `after` of the next page; null at the end")


class EnrollmentView(BaseModel):
    """
    A device, or a user channel of it, in MDM.
    """

    id: str = Field(description="UDID, UDID:UserID or EnrollmentID[:EnrollmentUserID]")
    kind: str = Field(description="device, user, user-enrollment or user-enrollment-user")
    enabled: bool = Field(description="whether it may be sent commands")
    user_name: str = Field(description="the short name of a user channel's user; may be empty")
    enrolled_at: datetime
    last_seen: datetime | None

    @classmethod
    def of(cls, enrollment: Enrollment) -> EnrollmentView:
        """
        The view of a stored record.
        """
        return cls(**{name: getattr(enrollment, name) for name in cls.model_fields})


class AssignmentView(BaseModel):
    """
    How far a profile got on a host.
    """

    operation: str = Field(description="install or remove")
    scope: str = Field(description="User: it goes by the user channel of a Mac; System: all others")
    status: str = Field(description="pending, verifying, verified or failed")
    detail: str = Field(description="why; empty when there is nothing to say")
    attempts: int = Field(description="deliveries that failed since the last success")
    ca_name: str | None = Field(description="where its certificate comes from; null: it needs none")
    command_uuid: str | None = Field(description="its current command")
    due_at: datetime | None = Field(description="when it is looked at next; null: not by itself")
    delivered_at: datetime | None = Field(description="when the device was handed the command")
    acknowledged_at: datetime | None = Field(description="when the device acknowledged it")


class HostProfileView(AssignmentView):
    """
    A profile that a host should have, or lose.
    """

    uuid: str = Field(description="of the profile")
    identifier: str = Field(description="PayloadIdentifier")

    @classmethod
    def of(cls, assignment: HostProfile) -> HostProfileView:
        """
        The view of a stored record.
        """
        return cls(
            uuid=assignment.profile_uuid,
            identifier=assignment.profile_identifier,
            **{name: getattr(assignment, name) for name in AssignmentView.model_fields},
        )


class ProfileStatusView(AssignmentView):
    """
    How far a profile got on one of its hosts.
    """

    host: str = Field(description="its uuid")
    serial_number: str = Field(description="of the host")

    @classmethod
    def of(cls, found: ProfileOnHost) -> ProfileStatusView:
        """
        The view of what the service answered.
        """
        assignment = found.assignment
        return cls(
            host=assignment.host_uuid,
            serial_number=found.serial_number,
            **{name: getattr(assignment, name) for name in AssignmentView.model_fields},
        )


class ProfileStatusList(BaseModel):
    """
    A page of a profile's hosts, by uuid.
    """

    items: list[ProfileStatusView]
    next: str | None = Field(description="the `after` of the next page; null at the end")


class ManagedCertificateView(BaseModel):
    """
    A certificate on a host that came with a profile.
    """

    subject: str
    issuer: str
    serial: str = Field(description="hex")
    sha1: str = Field(description="fingerprint, hex")
    not_before: datetime
    not_after: datetime
    first_seen: datetime = Field(description="when an inventory first showed it")
    renew_at: datetime = Field(description="when a newer one should be delivered")
    retired_at: datetime | None = Field(
        description="when a newer one was seen, or host or profile left; null: it counts"
    )
    profile_uuid: str
    ca_name: str
    source: str = Field(description="of the inventory: osquery or MDM")
    sha256: str = Field(description="hex; empty until MDM listed it, as osquery does not tell it")

    @classmethod
    def of(cls, certificate: ManagedCertificate) -> ManagedCertificateView:
        """
        The view of a stored record.
        """
        return cls(**{name: getattr(certificate, name) for name in cls.model_fields})


class CommandView(BaseModel):
    """
    A command that was queued for a host.
    """

    uuid: str
    request_type: str = Field(description="Apple's: InstallProfile, …")
    profile_uuid: str | None = Field(description="of InstallProfile and RemoveProfile")
    status: str = Field(description="queued, offered, NotNow, Acknowledged, Error or cancelled")
    detail: str = Field(description="what went wrong; empty when nothing did")
    created_at: datetime
    offered_at: datetime | None = Field(description="when the device was handed it last")
    finished_at: datetime | None = Field(description="when its final result came")
    answer_size: int | None = Field(description="bytes of the device's final answer; null: none")
    answer_kept: bool = Field(description="whether that answer can be read")

    @classmethod
    def of(cls, command: CommandRecord) -> CommandView:
        """
        The view of a stored record.
        """
        return cls(**{name: getattr(command, name) for name in cls.model_fields})


class PushView(BaseModel):
    """
    How pushing to an enrollment went.
    """

    enrollment_id: str
    has_address: bool = Field(description="whether there is a token that is not known to be dead")
    state: str = Field(
        description="what it waits for: due, claimed, sent, not-now, unanswered, suspended, parked"
    )
    due_at: datetime | None = Field(description="when the next one is due; null: none is wished")
    attempts: int = Field(description="that failed since the last success")
    status: int | None = Field(description="HTTP status of the last answer; null: none came")
    reason: str = Field(description="Apple's word, or what went wrong before it")
    answered_at: datetime | None

    @classmethod
    def of(cls, state: PushState) -> PushView:
        """
        The view of a stored record.
        """
        return cls(**{name: getattr(state, name) for name in cls.model_fields})


class HostDetails(HostView):
    """
    A host with everything that it has.
    """

    enrollments: list[EnrollmentView]
    profiles: list[HostProfileView] = Field(description="by identifier")
    certificates: list[ManagedCertificateView] = Field(description="the newest first")
    commands: list[CommandView] = Field(description=f"newest first, at most {MOST_RECORDS}")
    exchanges: list[ExchangeView] = Field(
        description=f"newest first, at most {MOST_RECORDS}; /exchanges has all"
    )
    pushes: list[PushView]
    inventory: InventoryView | None = Field(
        description="how the looks at it went; null: it has acknowledged no profile yet"
    )
    identities: list[IdentityView] = Field(description="the newest first")

    @classmethod
    def with_records(cls, record: HostRecord) -> HostDetails:
        """
        The view of what the service answered.
        """
        return cls(
            **HostView.of(record.host).model_dump(),
            enrollments=[EnrollmentView.of(one) for one in record.enrollments],
            profiles=[HostProfileView.of(one) for one in record.profiles],
            certificates=[ManagedCertificateView.of(one) for one in record.certificates],
            commands=[CommandView.of(one) for one in record.commands],
            exchanges=[ExchangeView.of(one) for one in record.exchanges],
            pushes=[PushView.of(one) for one in record.pushes],
            inventory=None if record.inventory is None else InventoryView.of(record.inventory),
            identities=[IdentityView.of(one) for one in record.identities],
        )
