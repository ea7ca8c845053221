"""
The admin API on fakes, and requests to it without a network.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256

from pydantic import JsonValue
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.web.resource import Resource

from scepd.config import LimitsSection, ProfilesSection, SCEPProxySection
from scepd.metrics import Metrics
from scepd.model import APIToken
from scepd.pki.keyring import Keyring
from scepd.services.access import Access
from scepd.services.api_tokens import APITokens
from scepd.services.authorities import CertificateAuthorities
from scepd.services.ca_keys import CAKeys
from scepd.services.delivery_challenges import DeliveryChallenges
from scepd.services.enrolling import Enrolling
from scepd.services.host_changes import HostChanges
from scepd.services.host_commands import HostCommandPorts, HostCommands
from scepd.services.hosts import Hosts
from scepd.services.inventories import Inventories, InventoryPorts
from scepd.services.inventory_schedule import InventorySchedule
from scepd.services.issuing_settings import IssuingSettings
from scepd.services.leases import Leases
from scepd.services.managed_certificates import ManagedCertificates
from scepd.services.profiles import Profiles
from scepd.services.pushes import Pushes
from scepd.services.rendering import ProfileRendering
from scepd.services.resending import Resending
from scepd.services.step_ca_webhook import StepCAWebhook
from scepd.web.api.app import make_api
from scepd.web.api.challenges import ChallengeEndpoints
from scepd.web.api.embedded_ca import EmbeddedCAEndpoints
from scepd.web.errors import problem_refusal
from scepd.web.streaming import StreamingSite
from tests.services.ca_certificates import NOW, certificate, der
from tests.support.fake_breakers import FakeBreakerStore
from tests.support.fake_challenges import FakeDeliveryChallenges
from tests.support.fake_identities import FakeIdentities
from tests.support.fake_inventories import FakeInventories
from tests.support.fake_issuing import FakeIssuing
from tests.support.fake_mdm import (
    FakeCheckIns,
    FakeCommandHistory,
    FakeDeliveries,
    FakeLeases,
    FakePushes,
    FakeVerification,
)
from tests.support.fake_push_gateway import FakePushGatewayView, FakePushTopics
from tests.support.fake_renewals import FakeRenewals
from tests.support.fake_resending import FakeResending
from tests.support.fakes import (
    FakeActivities,
    FakeAPITokens,
    FakeAssignments,
    FakeCertificateAuthorities,
    FakeCommandRecords,
    FakeEnrollments,
    FakeHealth,
    FakeHostChanges,
    FakeHosts,
    FakeProfiles,
    FakeUpstream,
    InlineWorkers,
)
from tests.support.identity_parts import IdentityParts
from tests.support.issuing_parts import issuing_parts
from tests.support.pki import rsa_key

TOKEN = "the-token-of-alice"
BODY_LIMIT = 20_000


def embedded_ca_endpoints(store: FakeIssuing, clock: Clock) -> EmbeddedCAEndpoints:
    """
    The endpoints of an embedded certificate authority on fakes.
    """
    workers, keyring = InlineWorkers(), Keyring({"k1": bytes(32)})
    keys = CAKeys(
        store, lambda: keyring, clock, os.urandom, workers, generate_key=lambda bits: rsa_key(77)
    )
    parts = issuing_parts(
        keys, store, clock, workers, lambda: keyring, IssuingSettings(), None, manual=True
    )
    return EmbeddedCAEndpoints(parts.certificates, parts.approval, parts.roll_over)


@dataclass
class Answer:
    """
    An HTTP answer.

    :param headers: by lower-case name.
    """

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, JsonValue]:
        """
        The body as a JSON object.
        """
        value = json.loads(self.body)
        assert isinstance(value, dict)
        return value

    @property
    def faults(self) -> list[tuple[JsonValue, JsonValue]]:
        """
        (field, message) of each error of a problem.
        """
        errors = self.json["errors"]
        assert isinstance(errors, list)
        return [(e["field"], e["message"]) for e in errors if isinstance(e, dict)]


@dataclass
class Server:
    """
    The API, its services and the fakes below them.
    """

    clock: Clock = field(default_factory=Clock)
    activities: FakeActivities = field(default_factory=FakeActivities)
    resent: FakeResending = field(default_factory=FakeResending)
    enrollments: FakeEnrollments = field(default_factory=FakeEnrollments)
    health: FakeHealth = field(default_factory=FakeHealth)
    hosts: FakeHosts = field(default_factory=FakeHosts)
    assignments: FakeAssignments = field(default_factory=FakeAssignments)
    check_ins: FakeCheckIns = field(default_factory=FakeCheckIns)
    pushes: FakePushes = field(default_factory=FakePushes)
    push_topics: FakePushTopics = field(default_factory=FakePushTopics)
    push_gateway: FakePushGatewayView = field(default_factory=FakePushGatewayView)
    woken: list[float] = field(default_factory=list)
    commands: FakeCommandRecords = field(default_factory=FakeCommandRecords)
    history: FakeCommandHistory = field(default_factory=FakeCommandHistory)
    verification: FakeVerification = field(default_factory=FakeVerification)
    inventories: FakeInventories = field(default_factory=FakeInventories)
    upstream: FakeUpstream = field(default_factory=FakeUpstream)
    challenges: FakeDeliveryChallenges = field(default_factory=FakeDeliveryChallenges)
    identities: FakeIdentities = field(default_factory=FakeIdentities)
    breakers: FakeBreakerStore = field(default_factory=FakeBreakerStore)
    renewals: FakeRenewals = field(default_factory=FakeRenewals)

    def __post_init__(self) -> None:
        self.clock.advance(NOW.timestamp())
        self.authorities = FakeCertificateAuthorities(self.activities)
        self.profiles = FakeProfiles(self.activities)
        self.host_changes = FakeHostChanges(self.hosts, self.activities)
        self.upstream.answers = {
            b"operation=GetCACert": (b"application/x-x509-ca-cert", der(certificate())),
            b"operation=GetCACaps": (b"text/plain", b"POSTPKIOperation\nAES\nSHA-256\n"),
        }
        root = Resource()
        root.putChild(b"api", self._api())
        self.site = StreamingSite(
            root,
            reactor=self.clock,
            body_limit=BODY_LIMIT,
            request_timeout=60.0,
            spell_refusal=problem_refusal,
        )

    def _inventories(self) -> Inventories:
        ports = InventoryPorts(
            self.inventories,
            FakeDeliveries(),
            self.hosts,
            self.check_ins,
            Leases(FakeLeases(), "one"),
            self.clock,
            Metrics(),
            lambda: "command-new",
            lambda: 0.5,
            lambda: self.woken.append(self.clock.seconds()),
            lambda: True,
        )
        return Inventories(ports, InventorySchedule())

    def _api(self) -> Resource:
        workers, keyring = InlineWorkers(), Keyring({"k1": bytes(32)})
        rendering = ProfileRendering(
            self.authorities, lambda: keyring, workers, "https://mdm.example.com"
        )
        digest = sha256(TOKEN.encode()).hexdigest()
        alice = APIToken(digest, "alice", "admin", datetime.now(UTC))
        self.tokens = FakeAPITokens({digest: alice}, self.activities)
        parts = IdentityParts(
            self.identities,
            self.hosts,
            self.clock,
            wake=lambda: self.woken.append(self.clock.seconds()),
        )
        return make_api(
            access=Access(self.tokens, self.clock),
            authorities=CertificateAuthorities(
                self.authorities,
                self.upstream,
                lambda: keyring,
                self.clock,
                _zeros,
                workers,
                SCEPProxySection.model_validate({}),
            ),
            profiles=Profiles(
                self.profiles,
                self.authorities,
                self.hosts,
                rendering,
                self.clock,
                _zeros,
                workers,
                ProfilesSection.model_validate({}),
            ),
            hosts=Hosts(
                self.hosts,
                self.assignments,
                self.verification,
                self.commands,
                self.enrollments,
                self.check_ins,
                self.pushes,
                self.inventories,
                parts.shown(),
            ),
            certificates=ManagedCertificates(self.renewals, self.breakers, self.clock),
            inventories=self._inventories(),
            host_changes=HostChanges(self.host_changes, self.hosts, self.clock),
            identities=parts.renewal(),
            commands=HostCommands(
                HostCommandPorts(
                    self.commands,
                    self.history,
                    self.hosts,
                    self.check_ins,
                    workers,
                    self.clock,
                    lambda: "command-new",
                    lambda: self.woken.append(self.clock.seconds()),
                )
            ),
            pushes=Pushes(
                self.pushes,
                self.push_topics,
                self.hosts,
                self.check_ins,
                self.push_gateway,
                self.clock,
                lambda: self.woken.append(self.clock.seconds()),
            ),
            resending=Resending(self.resent, self.clock),
            enrolling=Enrolling(
                FakeIssuing(self.activities),
                self.clock,
                os.urandom,
                "https://mdm.example.com",
                lambda: None,
            ),
            embedded_ca=embedded_ca_endpoints(FakeIssuing(self.activities), self.clock),
            tokens=APITokens(self.tokens, self.clock, os.urandom),
            challenges=ChallengeEndpoints(
                DeliveryChallenges(self.challenges, self.clock, workers, Metrics()),
                StepCAWebhook(self.authorities, lambda: keyring),
                self.authorities,
            ),
            authority_store=self.authorities,
            breakers=self.breakers,
            enrollments=self.enrollments,
            activities=self.activities,
            health=self.health,
            clock=self.clock,
            random=_zeros,
            limits=LimitsSection.model_validate({"admin_body_size": BODY_LIMIT}),
        )

    def connect(self) -> StringTransport:
        """
        A new connection; what is sent to its protocol is answered on it.
        """
        transport = StringTransport(peerAddress=IPv4Address("TCP", "192.0.2.1", 50000))
        self.protocol = self.site.buildProtocol(IPv4Address("TCP", "192.0.2.1", 50000))
        assert self.protocol is not None
        self.protocol.makeConnection(transport)
        return transport

    def send(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        token: str | None = TOKEN,
    ) -> StringTransport:
        """
        Send a request to a path below ``/api/v1`` and return its connection.
        """
        lines = {"Host": "localhost", "Content-Length": str(len(body))} | (headers or {})
        if token is not None:
            lines["Authorization"] = f"Bearer {token}"
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        transport = self.connect()
        assert self.protocol is not None
        request = f"{method} /api/v1{path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body
        self.protocol.dataReceived(request)
        return transport

    def request(
        self,
        method: str,
        path: str,
        body: bytes | dict[str, JsonValue] = b"",
        headers: dict[str, str] | None = None,
        token: str | None = TOKEN,
    ) -> Answer:
        """
        Send a request and return its answer, once a minute has passed.
        """
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        transport = self.send(method, path, data, headers, token)
        self.clock.advance(0.5)
        return answer_of(transport)


def answer_of(transport: StringTransport) -> Answer:
    """
    The one answer that was written to a connection.
    """
    head, _, body = transport.value().partition(b"\r\n\r\n")
    status_line, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1)[:1] + line.split(": ", 1)[1:] for line in lines)
    if headers.get("transfer-encoding") == "chunked":
        body = _joined(body)
    return Answer(int(status_line.split(" ")[1]), headers, body)


def _joined(chunked: bytes) -> bytes:
    parts = []
    while chunked:
        size, _, rest = chunked.partition(b"\r\n")
        length = int(size, 16)
        parts.append(rest[:length])
        chunked = rest[length + 2 :]
    return b"".join(parts)


def _zeros(count: int) -> bytes:
    return bytes(count)
