"""
The SCEP proxy: who is let through, and what is remembered of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from scepd.config import SCEPProxySection
from scepd.errors import NotConfigured, NotFound, ScepdError, TemporaryError
from scepd.metrics import Metrics
from scepd.ports import (
    AssignmentStore,
    CertificateAuthorityStore,
    EnrollmentStore,
    Subject,
    Upstream,
    Workers,
)
from scepd.scep.observer import ProvenSigners
from scepd.services.ca_answers import CAAnswers
from scepd.services.ca_directory import CADirectory, KnownCA
from scepd.services.operation import Operation as Operation
from scepd.services.protection import Protection
from scepd.services.recent_subjects import RecentSubjects
from scepd.services.weak_answers import WeakAnswers


@dataclass(frozen=True, slots=True)
class ProxyRequest:
    """
    What is known of a device's request when its headers are in.

    :param content_length: of the SCEP message, where known.
    """

    subject: Subject
    operation: Operation
    content_length: int | None


class AnsweredDevice(Protocol):
    """
    A device that gets one answer, whole.
    """

    def refuse(self, error: ScepdError) -> None:
        """
        Answer with an error; nothing was answered before.
        """

    def answer(self, content_type: str, body: bytes) -> None:
        """
        Answer 200, whole; nothing was answered before.
        """

    def status_of(self, error: ScepdError) -> int:
        """
        The HTTP status that :meth:`refuse` answers for this error.
        """


class DeviceConnection(AnsweredDevice, Protocol):
    """
    The device's side of a proxied exchange. It is paused when the exchange begins.
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

    :param directory: what is known of ``authorities``.
    :param answers: what they answered before.
    :param new_id: makes the ids of exchanges.
    :param tells: whether the log tells what happens at level ``info``.
    :param inline_bytes: messages up to that many bytes are read on the reactor, as that takes less
        time than a thread's two hand-overs.
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
    directory: CADirectory
    answers: CAAnswers
    tells: Callable[[], bool] = lambda: True
    inline_bytes: int = 0


class SCEPProxy:
    """
    The proxy's exchanges and the rules that they share.

    :ivar recent: the subjects that were found to be assigned just now.
    :ivar proven_signers: who signed answers right before.
    :ivar weak_answers: warns of certificate authorities that use single DES.
    """

    def __init__(self, ports: ProxyPorts, settings: SCEPProxySection) -> None:
        self.ports = ports
        self.settings = settings
        self.recent = RecentSubjects(ports.clock)
        self.proven_signers = ProvenSigners()
        self.weak_answers = WeakAnswers()
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

    async def authorize(self, subject: Subject) -> KnownCA:
        """
        The certificate authority of an assignment.

        :raises NotFound: the host has no such profile with such a certificate authority.
        :raises NotConfigured: the certificate authority is gone; the assignment's detail says so.
        """
        await self.check_assigned(subject)
        return await self.authority_of(subject)

    async def check_assigned(self, subject: Subject) -> None:
        """
        :raises NotFound: the host has no such profile with such a certificate authority.
        """
        if not await self.ports.enrollment.is_assigned(subject):
            raise NotFound("unknown identifier in URL path")
        self.recent.add(subject)

    async def authority_of(self, subject: Subject) -> KnownCA:
        """
        The certificate authority that a subject names; whether it may is for others to say.

        :raises NotConfigured: it is gone; the assignment's detail says so, if there is one.
        """
        ca = await self.ports.directory.find(subject.ca_name)
        if ca is None:
            await self.check_assigned(subject)
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
