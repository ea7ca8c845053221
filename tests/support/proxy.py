"""
A SCEP proxy in memory, with fakes of its ports.
"""

from __future__ import annotations

from datetime import UTC, datetime

from twisted.internet.task import Clock
from twisted.web.resource import Resource

from scepd.config import SCEPProxySection
from scepd.metrics import Metrics
from scepd.model import (
    Admission,
    CertificateAuthority,
    Reservation,
    SCEPExchange,
    WindowOutcome,
)
from scepd.pki.keyring import Keyring, SealedSecret
from scepd.ports import SignedBy, Subject
from scepd.services.ca_answers import CAAnswers
from scepd.services.ca_directory import CADirectory
from scepd.services.protection import Protection
from scepd.services.proxying import ProxyPorts, SCEPProxy
from scepd.services.rates import Rates
from scepd.services.slots import Slots
from scepd.services.upstream_targets import UpstreamTargets
from scepd.web.scep_proxy import SCEPProxySite
from scepd.web.streaming import StreamingSite
from tests.support.fake_breakers import FakeBreakerStore, make_breakers
from tests.support.fakes import (
    Answer,
    FakeAssignments,
    FakeCertificateAuthorities,
    FakeUpstreamExchange,
)
from tests.support.proxy_fakes import EagerUpstream, HeldEnrollments, HeldWorkers

SUBJECT = Subject("HOST-1", "aPROFILE-1", "CORP")
WINDOW = "window-1"
REQUEST_TIMEOUT = 30.0
_NOW = datetime(2026, 6, 1, tzinfo=UTC)


def make_ca(
    *,
    max_concurrency: int = 2,
    capabilities: tuple[str, ...] = ("POSTPKIOperation", "SHA-256"),
    ca_identifier: str | None = None,
    requests_per_second: float | None = None,
) -> CertificateAuthority:
    """
    The certificate authority of these tests.
    """
    return CertificateAuthority(
        name="CORP",
        url="http://ca.example/scep",
        challenge=SealedSecret("key-1", b"sealed"),
        ca_identifier=ca_identifier,
        trusted_certificates=None,
        max_concurrency=max_concurrency,
        allow_single_des=False,
        certificates=(),
        capabilities=capabilities,
        checked_at=_NOW,
        created_at=_NOW,
        requests_per_second=requests_per_second,
    )


class ProxyWorld:
    """
    A proxy with one certificate authority, one assignment and, at first, one open window.
    """

    def __init__(self, ca: CertificateAuthority | None = None, **settings: float) -> None:
        self.clock = Clock()
        self.clock.advance(_NOW.timestamp())
        self.metrics = Metrics()
        self.authorities = FakeCertificateAuthorities(by_name={"CORP": ca or make_ca()})
        self.assignments = FakeAssignments()
        self.enrollments = HeldEnrollments(
            assigned={SUBJECT}, reservations=[Reservation(Admission.ADMITTED, WINDOW)]
        )
        self.upstream = EagerUpstream()
        self.workers = HeldWorkers()
        self.targets = UpstreamTargets(lambda: Keyring({"key-1": bytes(32)}))
        self.directory = CADirectory(self.authorities, self.clock, self.targets)
        self.noticed: list[tuple[str, bytes]] = []
        self._ids = 0
        self.settings = SCEPProxySection.model_validate(settings)
        self.breaker_store = FakeBreakerStore()
        self.breakers = make_breakers(self.breaker_store, self.clock, self.metrics)
        self.slots = Slots(self.clock, self.metrics)
        self.protection = self._make_protection()
        self.answers = CAAnswers(
            self.upstream,
            self.clock,
            self.protection,
            self.metrics,
            self.settings.max_message_size,
            self._notice,
            self.directory.capabilities_told,
        )
        self.proxy = SCEPProxy(self._ports(), self.settings)

    async def _notice(self, name: str, body: bytes) -> None:
        self.noticed.append((name, body))

    def _ports(self) -> ProxyPorts:
        return ProxyPorts(
            authorities=self.authorities,
            assignments=self.assignments,
            enrollment=self.enrollments,
            upstream=self.upstream,
            workers=self.workers,
            clock=self.clock,
            protection=self.protection,
            metrics=self.metrics,
            new_id=self._new_id,
            directory=self.directory,
            answers=self.answers,
        )

    def _make_protection(self) -> Protection:
        return Protection(
            self.breakers,
            Rates(self.clock),
            self.slots,
            self.clock,
            self.metrics,
            self.settings,
        )

    def _new_id(self) -> str:
        self._ids += 1
        return f"exchange-{self._ids}"

    @property
    def ca_side(self) -> FakeUpstreamExchange:
        """
        The newest exchange, as the certificate authority sees it.
        """
        return self.upstream.exchanges[-1]

    @property
    def settled(self) -> tuple[SCEPExchange, WindowOutcome, SignedBy | None]:
        """
        The one settlement that there was.
        """
        [settled] = self.enrollments.settled
        return settled

    def answer(self, body: bytes, *, status: int = 200, length: int | None = None) -> None:
        """
        Answer the newest exchange, whole.
        """
        consumer = self.ca_side.consumer
        consumer.answer_started(status, None, length)
        consumer.answer_received(body)
        consumer.answer_finished()

    def will_answer(self, operation: str, body: Answer | bytes) -> None:
        """
        What the certificate authority answers to an operation that is the same for all.
        """
        given: Answer = (b"", body) if isinstance(body, bytes) else body
        self.upstream.answers[f"operation={operation}".encode()] = given

    def requests_counted(self, operation: str, result: str) -> float:
        """
        What ``scepd_proxy_requests_total`` shows.
        """
        labels = {"operation": operation, "result": result}
        return self.metrics.registry.get_sample_value("scepd_proxy_requests_total", labels) or 0.0

    def slots_in_use(self) -> float:
        """
        What ``scepd_slots_in_use`` shows.
        """
        value = self.metrics.registry.get_sample_value("scepd_slots_in_use", {"ca": "CORP"})
        return value or 0.0

    def site(self) -> StreamingSite:
        """
        A site that serves this proxy, and nothing else.
        """
        return StreamingSite(
            Resource(),
            reactor=self.clock,
            body_limit=self.settings.max_message_size,
            request_timeout=REQUEST_TIMEOUT,
            minimum_speed=self.settings.minimum_speed,
            minimum_speed_after=self.settings.minimum_speed_after,
            receiver_for=SCEPProxySite(self.proxy).receiver_for,
        )
