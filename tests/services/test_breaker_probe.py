"""
Tests for our own probe of certificate authorities that are out.
"""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import SecretUnreadable, StorageUnavailable, UpstreamError, UpstreamFault
from scepd.model import BreakerState, CertificateAuthority, Lease
from scepd.pki.keyring import Keyring
from scepd.ports import UpstreamTarget
from scepd.services.breaker_probe import BreakerProbe
from scepd.services.leases import Leases
from scepd.services.upstream_targets import UpstreamTargets
from tests.support.fake_breakers import make_breakers
from tests.support.fake_mdm import FakeLeases
from tests.support.proxy import ProxyWorld, make_ca
from tests.support.scep_messages import authority

_CAPS, _CERT = b"operation=GetCACaps", b"operation=GetCACert"
_REFUSED = UpstreamError(UpstreamFault.REFUSED, "ca.example refused the connection")


class _BrokenTargets(UpstreamTargets):
    """
    Of certificate authorities that can't even be asked.

    :ivar broken: name → what making its target raises.
    """

    def __init__(self, broken: dict[str, Exception]) -> None:
        super().__init__(lambda: Keyring({}))
        self.broken = broken

    def of(self, ca: CertificateAuthority) -> UpstreamTarget:
        """
        Raise what is to be raised.
        """
        if ca.name in self.broken:
            raise self.broken[ca.name]
        return super().of(ca)


class ProbeTestCase(SynchronousTestCase):
    """
    Tests with one certificate authority that is out since now.
    """

    def setUp(self) -> None:
        """
        Let it fail.
        """
        self.world = ProxyWorld()
        self.lease_store = FakeLeases()
        self.probe = self.make_probe()
        for _ in range(5):
            self.look(self.world.breakers.failed("CORP", "refused"))

    def make_probe(self) -> BreakerProbe:
        """
        The probe of this process.
        """
        world = self.world
        return BreakerProbe(
            world.breakers,
            world.authorities,
            world.upstream,
            world.targets,
            Leases(self.lease_store, "process-1"),
            world.clock,
            world.settings,
        )

    def look(self, coroutine: Coroutine[Any, Any, object] | None = None) -> None:
        """
        Look once; it must need no time.
        """
        looked = Deferred.fromCoroutine(coroutine or self.probe.look())
        self.successResultOf(looked)

    def asked(self) -> list[bytes]:
        """
        The queries that the certificate authority was asked.
        """
        return [query for _, query, _ in self.world.upstream.fetched]

    def answers(self, caps: object = (b"", b"SHA-256\n"), certificate: object = None) -> None:
        """
        Let it answer the probe so.
        """
        cert = certificate or (b"", authority().certificate)
        self.world.upstream.answers = {_CAPS: caps, _CERT: cert}  # type: ignore[dict-item]

    @property
    def state(self) -> BreakerState:
        """
        Of its breaker.
        """
        return self.world.breakers.seen("CORP").state


class ProbeTests(ProbeTestCase):
    """
    Tests for what a probe asks, and what it learns.
    """

    def test_in_time(self) -> None:
        """
        It is asked when 30 seconds are over, for both, and half-open when both answers are good.
        """
        self.answers()
        self.world.clock.advance(29)
        self.look()
        self.assertEqual(self.asked(), [])
        self.world.clock.advance(1)
        self.look()
        self.assertEqual(self.asked(), [_CAPS, _CERT])
        self.assertIs(self.state, BreakerState.HALF_OPEN)
        self.look()
        self.assertEqual(len(self.asked()), 2)

    def test_failed(self) -> None:
        """
        An error, a status, or a body that is no certificate: the next probe comes after twice the
        time.
        """
        html = (b"text/html", b"<html>" * 20)
        for caps, certificate in ((_REFUSED, None), ((b"", b"AES\n"), _REFUSED), (html, html)):
            self.setUp()
            self.answers(caps, certificate)
            self.world.clock.advance(30)
            self.look()
            self.assertIs(self.state, BreakerState.OPEN)
            asked = len(self.asked())
            self.world.clock.advance(59)
            self.look()
            self.assertEqual(len(self.asked()), asked)
            self.world.clock.advance(1)
            self.look()
            self.assertEqual(len(self.asked()), 2 * asked)

    def test_without_capabilities(self) -> None:
        """
        One that never told capabilities is not asked for them.
        """
        self.world.authorities.by_name["CORP"] = make_ca(capabilities=(), ca_identifier="a b")
        self.world.upstream.answers = {
            _CERT + b"&message=a%20b": (b"", authority().certificate),
        }
        self.world.clock.advance(30)
        self.look()
        self.assertIs(self.state, BreakerState.HALF_OPEN)

    def test_silent(self) -> None:
        """
        One that does not answer at all has failed after ``check_timeout``.
        """
        self.world.upstream.answers = {_CAPS: None}
        self.world.clock.advance(30)
        looking = Deferred.fromCoroutine(self.probe.look())
        self.world.clock.advance(self.world.settings.check_timeout - 1)
        self.assertNoResult(looking)
        self.world.clock.advance(1)
        self.successResultOf(looking)
        self.assertEqual(self.world.upstream.cancelled, [_CAPS])
        self.assertIn("did not answer", self.world.breakers.seen("CORP").reason)

    def test_one_process(self) -> None:
        """
        While another process has the lease, this one does not ask; what it found is seen.
        """
        self.world.clock.advance(30)
        self.lease_store.stolen_after = 0
        self.look()
        self.assertEqual(self.asked(), [])
        other = make_breakers(self.world.breaker_store, self.world.clock, self.world.metrics)
        self.look(other.refresh())
        self.look(other.probe_succeeded("CORP"))
        self.look()
        self.assertIs(self.state, BreakerState.HALF_OPEN)

    def test_removed(self) -> None:
        """
        Of one that is gone nothing stays.
        """
        self.world.authorities.by_name.clear()
        self.world.clock.advance(30)
        self.look()
        self.assertEqual(self.world.breaker_store.by_name, {})


class BrokenProbeTests(ProbeTestCase):
    """
    Tests for two certificate authorities that are out, of which one can't be probed.
    """

    def setUp(self) -> None:
        """
        Let the other one fail, too.
        """
        super().setUp()
        self.world.authorities.by_name["WIFI"] = replace(make_ca(), name="WIFI")
        for _ in range(5):
            self.look(self.world.breakers.failed("WIFI", "refused"))
        self.answers()
        self.targets = _BrokenTargets({})
        self.world.targets = self.targets
        self.probe = self.make_probe()

    def wait_of(self, ca_name: str) -> float:
        """
        Seconds until its next probe.
        """
        due = self.world.breakers.seen(ca_name).next_probe_at
        return due.timestamp() - self.world.clock.seconds() if due else 0.0

    def test_own_failures(self) -> None:
        """
        Whatever it is, it is that one's failed probe, with the doubled wait; the other is probed.
        What nobody expects is logged, once, and not shown.
        """
        lost = "certificate_authority.client_key of 'CORP': the keyring has no key 'k1'"
        for error, reason, logged in (
            (SecretUnreadable(lost), lost, 0),
            (ValueError("a bug"), "scepd failed to probe it; see the log", 1),
        ):
            self.setUp()
            self.targets.broken["CORP"] = error
            self.world.clock.advance(30)
            self.look()
            self.assertIs(self.state, BreakerState.OPEN)
            self.assertEqual(self.world.breakers.seen("CORP").reason, reason)
            self.assertEqual(self.wait_of("CORP"), 60)
            self.assertIs(self.world.breakers.seen("WIFI").state, BreakerState.HALF_OPEN)
            self.look()
            self.assertEqual(len(self.flushLoggedErrors(type(error))), logged)

    def test_all_are_awaited(self) -> None:
        """
        A look is over when its last probe is, also when the first one failed.
        """
        self.targets.broken["CORP"] = ValueError("a bug")
        self.world.upstream.answers = {_CAPS: None}
        self.world.clock.advance(30)
        looking = Deferred.fromCoroutine(self.probe.look())
        self.assertNoResult(looking)
        self.world.clock.advance(self.world.settings.check_timeout)
        self.successResultOf(looking)
        self.flushLoggedErrors(ValueError)

    def test_no_storage(self) -> None:
        """
        A database that does not answer is told, when all probes are over, and holds nothing against
        anybody.
        """
        self.world.clock.advance(30)
        self.lease_store.broken = True
        looked = Deferred.fromCoroutine(self.probe.look())
        self.failureResultOf(looked, StorageUnavailable)
        self.lease_store.broken = False
        self.assertEqual(self.asked(), [])
        self.look()
        self.assertIs(self.state, BreakerState.HALF_OPEN)

    def test_mistake(self) -> None:
        """
        What goes wrong around the probes is logged for each of them, and does not end the look.
        """
        self.world.clock.advance(30)

        async def take_lease(name: str, owner: str, seconds: float) -> Lease | None:
            """
            Fail for one.
            """
            if name == "breaker WIFI":
                raise ValueError("a bug")
            return Lease(name, owner, 1)

        self.lease_store.take_lease = take_lease  # type: ignore[method-assign]
        self.look()
        self.assertIs(self.state, BreakerState.HALF_OPEN)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_cut_off(self) -> None:
        """
        A look that is cancelled cancels its probes, which have not failed.
        """
        self.world.upstream.answers = {_CAPS: None}
        self.world.clock.advance(30)
        looking = Deferred.fromCoroutine(self.probe.look())
        with capturedLogs() as events:
            looking.cancel()
            self.failureResultOf(looking, CancelledError)
        self.assertEqual(self.world.upstream.cancelled, [_CAPS, _CAPS])
        self.assertEqual([event["log_level"].name for event in events], [])
        self.assertLessEqual(self.wait_of("CORP"), 0)
