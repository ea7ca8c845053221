"""
What the admin API takes and answers of profiles.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from scepd.model import Profile, TargetCount, Targets
from scepd.services.profiles import UploadedProfile


class TargetsModel(BaseModel):
    """
    The hosts that a profile is for; all hosts when the three lists are empty.
    """

    model_config = ConfigDict(extra="forbid")

    labels_any: list[str] = Field([], description="a host has one of these at least")
    labels_all: list[str] = Field([], description="a host has every one of these")
    labels_none: list[str] = Field([], description="a host has none of these")

    @classmethod
    def of(cls, targets: Targets) -> TargetsModel:
        """
        The view of a stored value.
        """
        return cls(
            labels_any=list(targets.labels_any),
            labels_all=list(targets.labels_all),
            labels_none=list(targets.labels_none),
        )

    def value(self) -> Targets:
        """
        The value, not checked yet.
        """
        return Targets(tuple(self.labels_any), tuple(self.labels_all), tuple(self.labels_none))


class ProfileView(BaseModel):
    """
    A stored configuration profile, without its content.
    """

    uuid: str
    identifier: str
    display_name: str
    scope: str = Field(description="System or User")
    sha256: str = Field(description="of its content, hex")
    size: int = Field(description="of its content, in bytes")
    targets: TargetsModel
    certificate_authorities: list[str] = Field(description="those that its variables name")
    host_variables: list[str] = Field(
        description="what of a host its variables name, without FLEET_VAR_"
    )
    created_at: datetime

    @classmethod
    def of(cls, profile: Profile) -> ProfileView:
        """
        The view of a stored record.
        """
        return cls(
            uuid=profile.uuid,
            identifier=profile.identifier,
            display_name=profile.display_name,
            scope=profile.scope,
            sha256=profile.sha256,
            size=len(profile.content),
            targets=TargetsModel.of(profile.targets),
            certificate_authorities=list(profile.ca_names),
            host_variables=list(profile.host_variables),
            created_at=profile.created_at,
        )


class HostCountView(BaseModel):
    """
    How many hosts a profile has.
    """

    targeted: int = Field(description="enrolled hosts that should have it, whether they do or not")
    leaving: int = Field(description="hosts that are still to lose it")
    applied: bool = Field(
        description="false while the last change has yet to reach some hosts: the numbers move"
    )

    @classmethod
    def of(cls, count: TargetCount) -> HostCountView:
        """
        The view of what was counted.
        """
        return cls(targeted=count.hosts, leaving=count.leaving, applied=count.is_applied)


class ProfileDetails(ProfileView):
    """
    A stored configuration profile, with the number of its hosts.
    """

    hosts: HostCountView

    @classmethod
    def counted(cls, profile: Profile, count: TargetCount) -> ProfileDetails:
        """
        The view of a stored record and what was counted.
        """
        return cls(**ProfileView.of(profile).model_dump(), hosts=HostCountView.of(count))


class ProfileList(BaseModel):
    """
    A page of profiles, by identifier.
    """

    items: list[ProfileView]
    next: str | None = Field(description="the `after` of the next page; null at the end")


class ProfileUpload(BaseModel):
    """
    A profile that was stored.
    """

    profile: ProfileDetails
    changed: bool = Field(description="false: it is the same as before, and nothing happens")
    warnings: list[str] = Field(description="sentences about what works but is unwise")

    @classmethod
    def of(cls, uploaded: UploadedProfile, count: TargetCount) -> ProfileUpload:
        """
        The view of what the service answered.
        """
        return cls(
            profile=ProfileDetails.counted(uploaded.profile, count),
            changed=uploaded.is_changed,
            warnings=list(uploaded.warnings),
        )
