"""
How late the daemon's reactor was, over all its processes.
"""

from __future__ import annotations

from collections import Counter

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.support.daemon import Daemon

_DELAY = "scepd_reactor_delay_seconds"


class Delays:
    """
    How often the reactor was late by at most so many seconds.
    """

    def __init__(self) -> None:
        self._counts: Counter[float] = Counter()

    def end_process(self, daemon: Daemon) -> None:
        """
        Add what a process has measured; it is about to end.
        """
        token = (daemon.folder / "admin.token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        try:
            shown = httpx.get(
                f"{daemon.admin_url}/metrics", headers=headers, trust_env=False, timeout=10
            )
        except httpx.TransportError:
            return
        for family in text_string_to_metric_families(shown.text):
            if family.name != _DELAY:
                continue
            for one in family.samples:
                if one.name == f"{_DELAY}_bucket":
                    self._counts[float(one.labels["le"])] += int(one.value)

    def quantile(self, part: float) -> str:
        """
        Such as ``≤ 50 ms``.
        """
        if not self._counts:
            return "not measured"
        buckets = sorted(self._counts.items())
        wanted = part * buckets[-1][1]
        most = next(upper for upper, count in buckets if count >= wanted)
        last = buckets[-2][0] if len(buckets) > 1 else 0.0
        return f"> {1000 * last:g} ms" if most == float("inf") else f"≤ {1000 * most:g} ms"
