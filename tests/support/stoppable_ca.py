"""
A certificate authority in memory that can be stopped.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from scepd.errors import UpstreamError, UpstreamFault
from scepd.ports import AnswerConsumer, UpstreamRequest, UpstreamTarget
from tests.support.fakes import FakeUpstreamExchange
from tests.support.scep_messages import authority, cert_rep

_REFUSED = UpstreamError(UpstreamFault.REFUSED, "ca.example refused the connection")


class _Answered(FakeUpstreamExchange):
    """
    An exchange that is answered when its request is complete.
    """

    answer = b""
    status = 200

    def finish(self) -> None:
        """
        As the port says.
        """
        super().finish()
        self.consumer.answer_started(self.status, None, len(self.answer))
        self.consumer.answer_received(self.answer)
        self.consumer.answer_finished()


@dataclass
class StoppableCA:
    """
    An Upstream that refuses connections while it is down.

    :param issues: whether it answers PKIOperations, or says 500.
    :param asked: the operations that it was asked for, while it was up.
    :param refused: those that it refused.
    """

    is_up: bool = True
    issues: bool = True
    asked: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def start(
        self, target: UpstreamTarget, request: UpstreamRequest, consumer: AnswerConsumer
    ) -> FakeUpstreamExchange:
        """
        As the port says.
        """
        operation = _operation(request.query)
        exchange = _Answered(target, request, consumer)
        if self.is_up:
            self.asked.append(operation)
            exchange.answer = self._answer(operation)
            if operation == "PKIOperation" and not self.issues:
                exchange.status = 500
        else:
            self.refused.append(operation)
            consumer.answer_failed(_REFUSED)
        return exchange

    async def fetch(
        self, target: UpstreamTarget, query: bytes, *, limit: int
    ) -> tuple[bytes, bytes]:
        """
        As the port says.
        """
        if not self.is_up:
            self.refused.append("question")
            raise _REFUSED
        self.asked.append("question")
        return b"", self._answer(_operation(query))

    def _answer(self, operation: str) -> bytes:
        answers = {
            "GetCACaps": b"POSTPKIOperation\nSHA-256\n",
            "GetCACert": authority().certificate,
            "PKIOperation": cert_rep(),
        }
        return answers[operation]


def _operation(query: bytes) -> str:
    return query.decode("ascii").removeprefix("operation=").partition("&")[0]
