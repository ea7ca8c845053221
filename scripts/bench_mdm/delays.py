"""
How late a daemon's reactor was, by its own histogram.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.support.daemon import Daemon

_NAME = "scepd_reactor_delay_seconds"


@dataclass(frozen=True, slots=True)
class Delays:
    """
    How often the reactor was late by at most so many seconds.

    :param buckets: upper end → how often, those below included.
    """

    buckets: Mapping[float, float]

    @classmethod
    def of(cls, daemon: Daemon) -> Delays:
        """
        Since the daemon's start.
        """
        token = (daemon.folder / "admin.token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        shown = httpx.get(f"{daemon.admin_url}/metrics", headers=headers, trust_env=False)
        families = text_string_to_metric_families(shown.raise_for_status().text)
        samples = [one for family in families if family.name == _NAME for one in family.samples]
        return cls(
            {float(one.labels["le"]): one.value for one in samples if one.name == f"{_NAME}_bucket"}
        )

    def __sub__(self, earlier: Delays) -> Delays:
        """
        What came after those.
        """
        return Delays({upper: n - earlier.buckets[upper] for upper, n in self.buckets.items()})

    @property
    def count(self) -> int:
        """
        How often was looked.
        """
        return int(max(self.buckets.values(), default=0))

    def quantile(self, part: float) -> float:
        """
        Milliseconds that this part of the looks did not exceed: the upper end of a bucket.
        """
        wanted = part * self.count
        return 1000 * min(upper for upper, count in self.buckets.items() if count >= wanted)
