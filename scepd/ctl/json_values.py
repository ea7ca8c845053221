"""
What JSON can hold, as a type: to import pydantic's takes longer than most commands.
"""

from __future__ import annotations

from typing import TypeAlias

JsonValue: TypeAlias = "list[JsonValue] | dict[str, JsonValue] | str | int | float | bool | None"
"""
A value that an answer of the admin API holds, or a request to it.
"""
