"""
Tests for ``/healthz``, ``/readyz`` and ``/metrics``.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource

from scepd.metrics import Metrics
from scepd.web.health import HealthResource, MetricsResource, ReadinessResource
from scepd.web.streaming import StreamingSite
from tests.support.fakes import FakeHealth
from tests.support.http_device import DeviceEnd, HTTPAnswer


class SlowHealth:
    """
    A Health that answers when it is told to.
    """

    def __init__(self) -> None:
        self.answer: Deferred[None] = Deferred()

    async def ping(self) -> None:
        """
        As the port says, later.
        """
        await self.answer


class HealthTestCase(SynchronousTestCase):
    """
    An admin listener with nothing but health.
    """

    def setUp(self) -> None:
        """
        Everything is well.
        """
        self.database: FakeHealth | SlowHealth = FakeHealth()
        self.parts: dict[str, Callable[[], str]] = {"listeners": lambda: ""}
        self.metrics = Metrics()

    def connect(self) -> DeviceEnd:
        """
        A client of the listener.
        """
        root = Resource()
        root.putChild(b"healthz", HealthResource())
        root.putChild(b"readyz", ReadinessResource(self.database, self.parts))
        root.putChild(b"metrics", MetricsResource(self.metrics))
        site = StreamingSite(root, reactor=Clock(), body_limit=1000, request_timeout=30)
        return DeviceEnd(site)

    def get(self, path: bytes) -> HTTPAnswer:
        """
        The answer to a GET.
        """
        client = self.connect()
        client.get(b"", path=path)
        return client.answer()

    def ready(self) -> tuple[int, str, dict[str, str]]:
        """
        What ``/readyz`` says: HTTP status, overall status, parts.
        """
        answer = self.get(b"/readyz")
        body = json.loads(answer.body)
        self.assertEqual(answer.headers["content-type"], "application/json")
        return answer.status, body["status"], body["parts"]


class AliveTests(HealthTestCase):
    """
    Tests for ``/healthz`` and ``/metrics``.
    """

    def test_alive(self) -> None:
        """
        Whoever answers is alive, also without a database.
        """
        self.database = FakeHealth(broken=True)
        answer = self.get(b"/healthz")
        self.assertEqual((answer.status, answer.body), (200, b"alive\n"))

    def test_metrics(self) -> None:
        """
        The metrics come in Prometheus' text format.
        """
        self.metrics.database_units.inc(3)
        answer = self.get(b"/metrics")
        self.assertTrue(answer.headers["content-type"].startswith("text/plain; version="))
        self.assertIn(b"\nscepd_database_units_total 3.0\n", answer.body)
        self.assertIn(b"# HELP scepd_proxy_requests_total ", answer.body)


class ReadyTests(HealthTestCase):
    """
    Tests for ``/readyz``.
    """

    def test_ready(self) -> None:
        """
        200 when everything is well.
        """
        parts = {"listeners": "ready", "database": "ready"}
        self.assertEqual(self.ready(), (200, "ready", parts))

    def test_degraded(self) -> None:
        """
        A degraded part is told, and requests are served all the same.
        """
        self.parts["push"] = lambda: "degraded: Apple does not answer"
        status, overall, parts = self.ready()
        self.assertEqual((status, overall), (200, "degraded"))
        self.assertEqual(parts["push"], "degraded: Apple does not answer")

    def test_part_down(self) -> None:
        """
        Any other complaint makes the whole unready.
        """
        self.parts["push"] = lambda: "degraded: slow"
        self.parts["listeners"] = lambda: "readying"
        self.assertEqual(self.ready()[:2], (503, "not ready"))

    def test_database_down(self) -> None:
        """
        Without its database nothing is ready, and the reason is told.
        """
        self.database = FakeHealth(broken=True)
        status, overall, parts = self.ready()
        self.assertEqual((status, overall), (503, "not ready"))
        self.assertEqual(parts["database"], "the database is locked")

    def test_head(self) -> None:
        """
        HEAD says the same without the body.
        """
        client = self.connect()
        client.send(b"HEAD /readyz HTTP/1.1\r\n\r\nHEAD /readyz HTTP/1.1\r\n\r\n")
        answers = client.answers("HEAD", "HEAD")
        self.assertEqual([answer.status for answer in answers], [200, 200])
        self.assertGreater(int(answers[0].headers["content-length"]), 0)

    def test_vanished(self) -> None:
        """
        A client that does not wait for the database is no error.
        """
        self.database = SlowHealth()
        client = self.connect()
        client.get(b"", path=b"/readyz")
        client.vanish()
        self.database.answer.callback(None)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_unexpected(self) -> None:
        """
        A part that can't be asked makes the whole unready, and is logged.
        """

        def fail() -> str:
            raise ZeroDivisionError

        self.parts["listeners"] = fail
        self.assertEqual(self.ready(), (503, "not ready", {}))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
