"""
What the admin API takes and answers when labels and facts of hosts change.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from scepd.services.host_changes import MOST_LINES, FactsLine


class LabelsChange(BaseModel):
    """
    Labels that a host gets and loses.
    """

    model_config = ConfigDict(extra="forbid")

    add: list[str] = Field([], description="1 to 255 characters each; not automatic ones")
    remove: list[str] = []


class FactsModel(BaseModel):
    """
    Facts that are told of a host.
    """

    model_config = ConfigDict(extra="forbid")

    facts: dict[str, str | None] = Field(
        description="value by the variable's name without FLEET_VAR_; null takes a fact away"
    )


class FactsLineModel(BaseModel):
    """
    What one line of an import tells.
    """

    model_config = ConfigDict(extra="forbid")

    number: int = Field(description="of the line in the caller's file, for messages", ge=1)
    host: str = Field(description="its uuid or serial number", min_length=1, max_length=255)
    facts: dict[str, str | None] = Field(description="as for one host")


class FactsImport(BaseModel):
    """
    Facts of many hosts; when anything is wrong with a line, nothing changes.
    """

    model_config = ConfigDict(extra="forbid")

    lines: list[FactsLineModel] = Field(description=f"1 to {MOST_LINES}")
    only_check: bool = Field(False, description="true: nothing changes in any case")

    def values(self) -> list[FactsLine]:
        """
        The lines for the service.
        """
        return [FactsLine(line.number, line.host, line.facts) for line in self.lines]


class FactsImported(BaseModel):
    """
    What an import did.
    """

    lines: int
    changed: int = Field(description="hosts that have other facts than before")
