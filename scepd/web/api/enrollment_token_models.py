"""
What the admin API takes and answers of enrollment tokens.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from scepd.model import EnrollmentToken
from scepd.services.enrolling import (
    DEFAULT_VALIDITY,
    CreatedEnrollmentToken,
    NewEnrollmentToken,
    token_id,
)


class EnrollmentTokenInput(BaseModel):
    """
    An enrollment token to be made.
    """

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        hide_input_in_errors=True,
        json_schema_extra={"required": ["name"]},
    )

    # Left out, it is an empty one, so that it is reported together with the other faults.
    name: str = Field("", description="what it is called; 1 to 255 characters, need not be unique")
    labels: list[str] = Field([], description="what hosts that enroll with it get")
    uses: int | None = Field(
        None, description="hosts that may enroll with it, 1 to 1000000; null: as many as wanted"
    )
    valid_for: int = Field(DEFAULT_VALIDITY, description="seconds, at most a year")
    allow_reenrollment: bool = Field(
        False, description="whether a host that is enrolled may enroll anew with it"
    )

    def described(self) -> NewEnrollmentToken:
        """
        As the service takes it.
        """
        return NewEnrollmentToken(
            name=self.name,
            labels=tuple(self.labels),
            uses=self.uses,
            valid_for=self.valid_for,
            allow_reenrollment=self.allow_reenrollment,
        )


class EnrollmentTokenView(BaseModel):
    """
    A stored enrollment token, without its text.
    """

    id: str = Field(description="the first 16 hex digits of its text's SHA-256")
    name: str
    labels: list[str]
    uses_left: int | None = Field(description="null: as many as wanted")
    allow_reenrollment: bool
    expires_at: datetime
    created_at: datetime

    @classmethod
    def of(cls, token: EnrollmentToken) -> EnrollmentTokenView:
        """
        The view of a stored record.
        """
        return cls(
            id=token_id(token.sha256),
            name=token.name,
            labels=list(token.labels),
            uses_left=token.uses_left,
            allow_reenrollment=token.allow_reenrollment,
            expires_at=token.expires_at,
            created_at=token.created_at,
        )


class EnrollmentTokenList(BaseModel):
    """
    All enrollment tokens, newest first.
    """

    items: list[EnrollmentTokenView]
    next: None = Field(description="there is one page only")


class EnrollmentTokenCreated(EnrollmentTokenView):
    """
    An enrollment token that was made.
    """

    token: str = Field(repr=False, description="its text; never shown again")
    url: str = Field(repr=False, description="where devices get their enrollment profile")

    @classmethod
    def with_text(cls, created: CreatedEnrollmentToken) -> EnrollmentTokenCreated:
        """
        The view of what the service answered.
        """
        view = EnrollmentTokenView.of(created.token)
        return cls(**view.model_dump(), token=created.text, url=created.url)
