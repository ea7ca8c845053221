"""
The Prometheus metrics, in one place.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import accumulate

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import HistogramMetricFamily
from prometheus_client.registry import Collector

counter = lru_cache(maxsize=4096)(Counter.labels)
"""
The counter of a family with these labels: looked up in the family only when it is new.
"""
histogram = lru_cache(maxsize=4096)(Histogram.labels)
"""
The same for histograms.
"""
gauge = lru_cache(maxsize=4096)(Gauge.labels)
"""
The same for gauges.
"""
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class BulkHistogram(Collector):
    """
    A histogram without labels that is told many values at once, for a fraction of what they cost
    one by one. For one thread.

    :param buckets: their upper bounds, ascending.
    """

    def __init__(
        self, name: str, documentation: str, buckets: Sequence[float], registry: CollectorRegistry
    ) -> None:
        self._name = name
        self._documentation = documentation
        self._bounds = list(buckets)
        self._counts = [0] * (len(buckets) + 1)
        self._sum = 0.0
        registry.register(self)

    def observe_all(self, values: Iterable[float]) -> None:
        """
        Count each of these.
        """
        counts, bounds, total = self._counts, self._bounds, 0.0
        for value in values:
            counts[bisect_left(bounds, value)] += 1
            total += value
        self._sum += total

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """
        The family, for the registry.
        """
        names = [*(str(float(bound)) for bound in self._bounds), "+Inf"]
        buckets = list(zip(names, accumulate(self._counts), strict=True))
        family = HistogramMetricFamily(self._name, self._documentation)
        family.add_metric([], [(name, float(count)) for name, count in buckets], self._sum)
        return [family]


class Metrics:
    """
    Everything that scepd counts, in a registry of its own.
    """

    def __init__(self) -> None:
        # A second series per counter and histogram that only says when it was made.
        disable_created_metrics()
        registry = self.registry = CollectorRegistry()
        self.proxy_requests = Counter(
            "scepd_proxy_requests",
            "Requests of devices to the SCEP proxy, by operation and result.",
            ("operation", "result"),
            registry=registry,
        )
        self.proxy_bytes = Counter(
            "scepd_proxy_bytes",
            "Bytes of SCEP messages that were passed on, by direction.",
            ("direction",),
            registry=registry,
        )
        self.exchanges = Counter(
            "scepd_scep_exchanges",
            "PKIOperations, by certificate authority, messageType, pkiStatus and failInfo.",
            ("ca", "type", "status", "fail_info"),
            registry=registry,
        )
        self.upstream_seconds = Histogram(
            "scepd_upstream_seconds",
            "Time of exchanges with a certificate authority, from dialling to the answer's end.",
            ("ca", "operation"),
            buckets=_SECONDS,
            registry=registry,
        )
        self.upstream_failures = Counter(
            "scepd_upstream_failures",
            "Exchanges that a certificate authority failed, or that its breaker (breaker), slots "
            "(queue) or rate (rate) kept from it, by kind of failure.",
            ("ca", "fault"),
            registry=registry,
        )
        self.ca_cache = Counter(
            "scepd_ca_cache",
            "Answers to GetCACaps and GetCACert: kept ones (hit), asked for (miss), refreshes that"
            " failed while a kept one goes on (stale).",
            ("ca", "result"),
            registry=registry,
        )
        self.breaker_state = Gauge(
            "scepd_ca_breaker_state",
            "Circuit breaker of a certificate authority: 0 closed, 1 half-open, 2 open.",
            ("ca",),
            registry=registry,
        )
        self.slots_in_use = Gauge(
            "scepd_slots_in_use",
            "Exchanges under way with a certificate authority (at most its max_concurrency).",
            ("ca",),
            registry=registry,
        )
        self.slots_waiting = Gauge(
            "scepd_slots_waiting",
            "Requests that wait for a slot of a certificate authority.",
            ("ca",),
            registry=registry,
        )
        self.challenges = Counter(
            "scepd_challenges",
            "One-time challenges that a certificate authority asked about, by what it was told.",
            ("ca", "result"),
            registry=registry,
        )
        self.ca_answers = Counter(
            "scepd_embedded_ca_answers",
            "What the embedded certificate authority answered, by messageType of the request, "
            "pkiStatus and failInfo.",
            ("type", "status", "fail_info"),
            registry=registry,
        )
        self.client_certificates_refused = Counter(
            "scepd_client_certificates_refused",
            "Messages of devices with a client certificate in a header, from an address that is "
            "not one of trusted_proxies.",
            registry=registry,
        )
        self._make_push_metrics(registry)
        self._make_certificate_metrics(registry)
        self._make_inventory_metrics(registry)
        self._make_identity_metrics(registry)
        self.admin_requests = Counter(
            "scepd_admin_requests",
            "Requests to the admin listener, by method and status.",
            ("method", "status"),
            registry=registry,
        )
        self.database_batch_seconds = Histogram(
            "scepd_database_batch_seconds",
            "Time of a batch of writes, commit included.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.database_units = Counter(
            "scepd_database_units",
            "Units of work that the database took, in batches.",
            registry=registry,
        )
        self.reactor_delay = Histogram(
            "scepd_reactor_delay_seconds",
            "How late a call of the reactor's loop came that was due every 100 ms.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.tick_seconds = Histogram(
            "scepd_tick_seconds",
            "Time of a look at the profiles that are due, with all that was queued.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.deliveries = Counter(
            "scepd_deliveries",
            "Due profiles that were queued for their hosts, or could not be.",
            ("outcome",),
            registry=registry,
        )
        self.command_failures = Counter(
            "scepd_command_failures",
            "Times that a command could not be made when its device asked, by a fault of scepd; "
            "its log has the tracebacks.",
            registry=registry,
        )

    def _make_inventory_metrics(self, registry: CollectorRegistry) -> None:
        self.inventories = Counter(
            "scepd_inventories",
            "Answers of hosts about what they have, by source (osquery, MDM), kind (profiles, "
            "certificates) and outcome (taken, failed, unreadable, NotNow).",
            ("source", "kind", "outcome"),
            registry=registry,
        )
        self.unreadable_certificates = Counter(
            "scepd_unreadable_certificates",
            "Certificates in answers to CertificateList that can't be read and were left out.",
            registry=registry,
        )
        self.unidentified_certificates = Counter(
            "scepd_unidentified_certificates",
            "Granted certificates that even the device's own list does not identify: they are "
            "verified, and not renewed.",
            registry=registry,
        )
        self.unproved_deliveries = Gauge(
            "scepd_unproved_deliveries",
            "Profiles that a device acknowledged, that no inventory has proved, and whose "
            "grace is past.",
            registry=registry,
        )

    def _make_push_metrics(self, registry: CollectorRegistry) -> None:
        self.pushes = Counter(
            "scepd_push",
            "Pushes by Apple's status and reason; without an answer the status is none.",
            ("status", "reason"),
            registry=registry,
        )
        self.push_seconds = BulkHistogram(
            "scepd_push_seconds",
            "Time of a push from being sent to Apple's answer.",
            _SECONDS,
            registry,
        )
        self.push_reconnects = Counter(
            "scepd_push_reconnects",
            "Connections to Apple that replaced another one, or were added, by cause.",
            ("cause",),
            registry=registry,
        )
        self.push_in_flight = Gauge(
            "scepd_push_in_flight",
            "Pushes that were sent and have no answer yet.",
            registry=registry,
        )
        self.push_waiting = Gauge(
            "scepd_push_waiting", "Pushes that wait for a connection.", registry=registry
        )
        self.push_connections = Gauge(
            "scepd_push_connections", "Connections to Apple's push service.", registry=registry
        )
        self.push_suspended = Gauge(
            "scepd_push_suspended",
            "1 while Apple refuses the push credential, so that nothing is pushed.",
            registry=registry,
        )
        self.push_certificate_expiry = Gauge(
            "scepd_push_certificate_expiry_seconds",
            "When the push certificate expires, in epoch seconds; NaN without one.",
            registry=registry,
        )

    def _make_certificate_metrics(self, registry: CollectorRegistry) -> None:
        self.certificates_expiring = Gauge(
            "scepd_certificates_expiring",
            "Certificates on enrolled hosts that expire within so many days, and have not yet.",
            ("days",),
            registry=registry,
        )
        self.certificates_expired = Gauge(
            "scepd_certificates_expired",
            "Certificates on enrolled hosts that expired before a newer one was seen.",
            registry=registry,
        )
        self.renewals_overdue = Gauge(
            "scepd_renewals_overdue",
            "Certificates whose renewal was due long ago, or that were delivered and never seen.",
            registry=registry,
        )

    def _make_identity_metrics(self, registry: CollectorRegistry) -> None:
        self.identities_expiring = Gauge(
            "scepd_identities_expiring",
            "Identities in use of enrolled devices that expire within so many days, or have.",
            ("days",),
            registry=registry,
        )
        self.identities_expired = Gauge(
            "scepd_identities_expired",
            "Identities in use of enrolled devices that have expired: they wait for the device.",
            registry=registry,
        )
        self.identity_renewals = Counter(
            "scepd_identity_renewals",
            "Renewals of device identities: begun, renewed, failed.",
            ("result",),
            registry=registry,
        )
        self.identity_renewals_failing = Gauge(
            "scepd_identity_renewals_failing",
            "Identities in use whose renewal has failed, and not succeeded since.",
            registry=registry,
        )

    def exposition(self) -> bytes:
        """
        All of them in Prometheus' text format 0.0.4.
        """
        return generate_latest(self.registry)
