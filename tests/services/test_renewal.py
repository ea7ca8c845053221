"""
Tests for the runs of the renewal, and for the counting of certificates.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import StorageUnavailable
from scepd.metrics import Metrics
from scepd.model import Alarm, CertificateCounts, OverdueCase
from scepd.services.certificate_counting import CertificateCounting
from scepd.services.leases import Leases
from scepd.services.renewal import Renewal, RenewalRunSettings
from tests.support.fake_mdm import FakeLeases
from tests.support.fake_renewals import FakeRenewals

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def keys(count: int) -> list[tuple[str, str]]:
    """
    So many hosts with a certificate.
    """
    return [(f"HOST-{number}", "aPROFILE-1") for number in range(count)]


def case(
    number: int, alarm: Alarm = Alarm.OVERDUE, detail: str = "", *, is_unseen: bool = False
) -> OverdueCase:
    """
    Something that operators have to be told.
    """
    return OverdueCase(f"HOST-{number}", "aPROFILE-1", alarm, is_unseen, detail)


class RenewalTests(SynchronousTestCase):
    """
    Tests for L{Renewal}.
    """

    def setUp(self) -> None:
        """
        Make a renewal in batches of 2, at most 5 in a run.
        """
        self.store, self.leases = FakeRenewals(), FakeLeases()
        self.renewal = Renewal(
            self.store,
            Leases(self.leases, "process-1"),
            Clock(),
            RenewalRunSettings(batch=2, most=5),
        )

    def run_once(self) -> Deferred[None]:
        """
        One run.
        """
        return Deferred.fromCoroutine(self.renewal.run())

    def test_batches(self) -> None:
        """
        What is due is begun in batches, in order, each a little later, the last now; each renewal
        is logged.
        """
        self.store.due = keys(3)
        with capturedLogs() as logged:
            self.successResultOf(self.run_once())
        self.assertEqual([call[0] for call in self.store.renewed], [keys(2), keys(3)[2:]])
        moments = [call[1] - _EPOCH for call in self.store.renewed]
        self.assertEqual(moments, [timedelta(microseconds=-1), timedelta(0)])
        self.assertEqual([event["host"] for event in logged], ["HOST-0", "HOST-1", "HOST-2"])
        self.assertEqual({call[2].name for call in self.store.renewed}, {"renewal"})

    def test_limit(self) -> None:
        """
        One run begins no more than it may.
        """
        self.store.due = keys(9)
        self.successResultOf(self.run_once())
        self.assertEqual([len(call[0]) for call in self.store.renewed], [2, 2, 1])

    def test_told(self) -> None:
        """
        What is overdue is told in batches; the log warns of each, with its reason.
        """
        self.store.cases = [
            case(0, detail="renewing (1 failure): refused"),
            case(1, is_unseen=True),
            case(2, Alarm.EXPIRED, "why"),
        ]
        with capturedLogs() as logged:
            self.successResultOf(self.run_once())
        self.assertEqual([len(call[0]) for call in self.store.told], [2, 1])
        found = [
            event["log_format"].format(
                **{name: event[name] for name in ("host", "profile", "reason")}
            )
            for event in logged
        ]
        self.assertEqual(
            found,
            [
                "The renewal of the certificate of profile aPROFILE-1 on host HOST-0 is overdue: "
                "renewing (1 failure): refused",
                "The certificate of profile aPROFILE-1 was never seen on host HOST-1",
                "The certificate of profile aPROFILE-1 on host HOST-2 has expired: why",
            ],
        )
        self.assertEqual({event["log_level"].name for event in logged}, {"warn"})

    def test_lease(self) -> None:
        """
        Without the lease nothing is renewed; when it is lost, nothing more.
        """
        self.leases.stolen_after = 0
        self.store.due, self.store.cases = keys(4), [case(0)]
        self.successResultOf(self.run_once())
        self.assertEqual(self.store.renewed, [])
        self.leases.stolen_after = 2
        self.successResultOf(self.run_once())
        self.assertEqual((len(self.store.renewed), self.store.told), (1, []))


class CertificateCountingTests(SynchronousTestCase):
    """
    Tests for L{CertificateCounting}.
    """

    def test_gauges(self) -> None:
        """
        The gauges show what was counted last, also while the database is out.
        """
        store, metrics = FakeRenewals(), Metrics()
        store.counts = CertificateCounts({7: 1, 14: 2, 30: 3}, overdue=4, expired=5)
        counting = CertificateCounting(store, Clock(), metrics)
        self.successResultOf(Deferred.fromCoroutine(counting.run()))
        store.broken = True
        self.failureResultOf(Deferred.fromCoroutine(counting.run()), StorageUnavailable)
        told = metrics.exposition().decode()
        for line in (
            'scepd_certificates_expiring{days="7"} 1.0',
            'scepd_certificates_expiring{days="14"} 2.0',
            'scepd_certificates_expiring{days="30"} 3.0',
            "scepd_certificates_expired 5.0",
            "scepd_renewals_overdue 4.0",
        ):
            self.assertIn(f"\n{line}\n", told)
