"""
The topics that devices can be pushed with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class PushTopics(Protocol):
    """
    What devices enrolled with.
    """

    async def push_topics(self) -> Mapping[str, int]:
        """
        Topic → number of enabled enrollments that can be pushed with it. For operators: it looks at
        all enrollments.
        """
