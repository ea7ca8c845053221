"""
What the admin API takes and answers of its own tokens.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from scepd.model import APIToken
from scepd.services.api_tokens import CreatedAPIToken, api_token_id


class APITokenInput(BaseModel):
    """
    An API token to be made.
    """

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        hide_input_in_errors=True,
        json_schema_extra={"required": ["name", "role"]},
    )

    # Left out, they are empty ones, so that they are reported together with the other faults.
    name: str = Field("", description="of whoever uses it; 1 to 255 characters, unique")
    role: str = Field("", description="admin, or verifier: to ask about challenges, nothing else")


class APITokenView(BaseModel):
    """
    A stored API token, without its text.
    """

    id: str = Field(description="the first 16 hex digits of its text's SHA-256")
    name: str
    role: str
    created_at: datetime

    @classmethod
    def of(cls, token: APIToken) -> APITokenView:
        """
        The view of a stored record.
        """
        return cls(
            id=api_token_id(token.sha256),
            name=token.name,
            role=token.role,
            created_at=token.created_at,
        )


class APITokenList(BaseModel):
    """
    All API tokens, newest first.
    """

    items: list[APITokenView]
    next: None = Field(description="there is one page only")


class APITokenCreated(APITokenView):
    """
    An API token that was made.
    """

    token: str = Field(repr=False, description="its text; never shown again")

    @classmethod
    def with_text(cls, created: CreatedAPIToken) -> APITokenCreated:
        """
        The view of what the service answered.
        """
        return cls(**APITokenView.of(created.token).model_dump(), token=created.text)
