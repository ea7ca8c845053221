"""
Tests for our own probe of certificate authorities that are out.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import UpstreamError, UpstreamFault
from scepd.model import BreakerState
from scepd.services.breaker_probe import BreakerProbe
from scepd.services.leases import Leases
from tests.support.fake_breakers import make_breakers
from tests.support.fake_mdm import FakeLeases
from tests.support.proxy import ProxyWorld, make_ca
from tests.support.scep_messages import authority

_CAPS, _CERT = b"operation=GetCACaps", b"operation=GetCACert"
_REFUSED = UpstreamError(UpstreamFault.REFUSED, "ca.example refused the connection")


class ProbeTests(SynchronousTestCase):
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
