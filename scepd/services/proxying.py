"""
The SCEP proxy: who is let through, and what is remembered of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from scepd.config import SCEPProxySection
from scepd.errors import NotConfigured, NotFound, ScepdError, TemporaryError
from scepd.metrics import Metrics
from scepd.model import CertificateAuthority
from scepd.ports import (
    AssignmentStore,
    CertificateAuthorityStore,
    EnrollmentStore,
    Subject,
    Upstream,
    Workers,
)

if TYPE_CHECKING:
    # It knows the operations of this module.
    from scepd.services.protection import Protection


class Operation(Enum):
    """
    The SCEP operations (RFC 8894 section 4.1), each with its arrows in the sequence of a delivery.

    ``steps``: the request comes in, goes to the CA, its answer comes in, goes to the device; None
    for what no delivery needs.
    """

    GET_CA_CAPS = ("GetCACaps", ("B13", "B14", "B15", "B16"))
    GET_CA_CERT = ("GetCACert", ("B17", "B18", "B19", "B20"))
    GET_NEXT_CA_CERT = ("GetNextCACert", None)
    PKI_OPERATION = ("PKIOperation", ("B21", "B22", "B23", "B24"))

    def __init__(self, wire_name: str, steps: tuple[str, str, str, str] | None) -> None:
        self.wire_name = wire_name
        self.steps = steps


@dataclass(frozen=True, slots=True)
class ProxyRequest:
    """
    What is known of a device's request when its headers are in.

    :param content_length: of the SCEP message, where known.
    """

    subject: Subject
    operation: Operation
    content_length: int | None


class DeviceConnection(Protocol):
    """
    The device's side of a proxied exchange. It is paused when the exchange begins.
    """

    def status_of(self, error: ScepdError) -> int:
        """
        The HTTP status that :meth:`refuse` answers for this error.
        """

    def refuse(self, error: ScepdError) -> None:
        """
        Answer with an error; nothing was answered before.
        """

    def begin_answer(self, content_type: str, length: int | None) -> None:
        """
        Answer 200; the body follows.
        """

    def write_answer(self, data: bytes) -> None:
        """
        Pass on some bytes of the body.
        """

    def end_answer(self) -> None:
        """
        The body is complete.
        """

    def cut_off(self) -> None:
        """
        End the connection in the middle of an answer.
        """

    def pause_request(self) -> None:
        """
        Read no more of the request until :meth:`resume_request`.
        """

    def resume_request(self) -> None:
        """
        Read on.
        """


@dataclass(frozen=True, slots=True)
class ProxyPorts:
    """
    What the proxy needs from outside.

    :param new_id: makes the ids of exchanges.
    """

    authorities: CertificateAuthorityStore
    assignments: AssignmentStore
    enrollment: EnrollmentStore
    upstream: Upstream
    workers: Workers
    clock: IReactorTime
    protection: Protection
    metrics: Metrics
    new_id: Callable[[], str]


class SCEPProxy:
    """
    The proxy's exchanges and the rules that they share.
    """

    def __init__(self, ports: ProxyPorts, settings: SCEPProxySection) -> None:
        self.ports = ports
        self.settings = settings
        self._running: set[object] = set()
        self._idle: list[Deferred[None]] = []
        self._stopping = False

    def stop_accepting(self) -> None:
        """
        Let nobody in any more.
        """
        self._stopping = True

    def check_accepting(self) -> None:
        """
        :raises TemporaryError: the server is about to stop.
        """
        if self._stopping:
            raise TemporaryError("the server is about to stop")

    async def authorize(self, subject: Subject) -> CertificateAuthority:
        """
        The certificate authority of an assignment.

        :raises NotFound: the host has no such profile with such a certificate authority.
        :raises NotConfigured: the certificate authority is gone; the assignment's detail says so.
        """
        if not await self.ports.enrollment.is_assigned(subject):
            raise NotFound("unknown identifier in URL path")
        ca = await self.ports.authorities.certificate_authority(subject.ca_name)
        if ca is None:
            await self.ports.assignments.explain(
                subject.host_uuid,
                subject.profile_uuid,
                f"the certificate authority {subject.ca_name} does not exist any more",
            )
            raise NotConfigured("certificate authority is not configured")
        return ca

    def exchange_began(self, exchange: object) -> None:
        """
        Count an exchange as under way.
        """
        self._running.add(exchange)

    def exchange_ended(self, exchange: object) -> None:
        """
        Count it no more.
        """
        self._running.discard(exchange)
        if not self._running:
            waiting, self._idle = self._idle, []
            for waiter in waiting:
                waiter.callback(None)

    async def wait_until_idle(self) -> None:
        """
        Return when no exchange is under way.
        """
        if self._running:
            waiter: Deferred[None] = Deferred()
            self._idle.append(waiter)
            await waiter
