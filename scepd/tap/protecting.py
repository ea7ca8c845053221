"""
The protection of certificate authorities: breakers and their probe, rates and slots.
"""

from __future__ import annotations

from scepd.metrics import Metrics
from scepd.model import BreakerSettings
from scepd.ports import Upstream
from scepd.services.breaker_probe import BreakerProbe
from scepd.services.breakers import Breakers
from scepd.services.leases import Leases
from scepd.services.periodic import Periodic
from scepd.services.protection import Protection
from scepd.services.rates import Rates
from scepd.services.slots import Slots
from scepd.services.upstream_targets import UpstreamTargets
from scepd.tap.stores import Stores
from scepd.tap.surroundings import Surroundings

_LEASE_MARGIN = 30.0


class Protecting:
    """
    The parts, put together.
    """

    def __init__(
        self,
        around: Surroundings,
        stores: Stores,
        upstream: Upstream,
        targets: UpstreamTargets,
        metrics: Metrics,
    ) -> None:
        settings, clock = around.configuration.scep_proxy, around.reactor
        limits = BreakerSettings(
            settings.breaker_failures, settings.probe_after, settings.probe_longest
        )
        self.breakers = Breakers(stores.breakers, limits, clock, around.jitter, metrics)
        self.protection = Protection(
            self.breakers, Rates(clock), Slots(clock, metrics), clock, metrics, settings
        )
        leases = Leases(stores.leases, around.new_id(), settings.check_timeout + _LEASE_MARGIN)
        probe = BreakerProbe(
            self.breakers, stores.authorities, upstream, targets, leases, clock, settings
        )
        self.periodic = Periodic(
            clock, "probing certificate authorities", probe.interval, probe.look, around.jitter
        )
