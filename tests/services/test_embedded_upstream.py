"""
Tests for the way to the embedded certificate authority.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import (
    EncodingError,
    LimitExceeded,
    NotFound,
    SignatureInvalid,
    StorageUnavailable,
    UpstreamError,
    UpstreamFault,
)
from scepd.model import EMBEDDED_CA
from scepd.ports import UpstreamExchange, UpstreamRequest, UpstreamTarget
from scepd.services.embedded_upstream import EmbeddedUpstream, UpstreamChoice
from tests.support.fakes import FakeUpstream

TARGET = UpstreamTarget(EMBEDDED_CA, "https://mdm.example.com/mdm/scep/ca", None)
PKI = UpstreamRequest("POST", b"operation=PKIOperation")
LIMIT = 1000


@dataclass
class FakeAuthority:
    """
    An EmbeddedAuthority.

    :param answers: what it answers to messages, now or later.
    :param has_next: whether it has a next certificate.
    """

    messages: list[bytes] = field(default_factory=list)
    answers: list[Deferred[bytes] | Exception] = field(default_factory=list)
    has_next: bool = True

    def capabilities(self) -> bytes:
        """
        As the protocol says.
        """
        return b"AES\n"

    async def certificate(self) -> bytes:
        """
        As the protocol says.
        """
        return b"the certificate"

    async def next_certificate(self) -> bytes:
        """
        As the protocol says.
        """
        if not self.has_next:
            raise NotFound("there is no next certificate of the authority")
        return b"the next one"

    async def answer(self, message: bytes) -> bytes:
        """
        As the protocol says.
        """
        self.messages.append(message)
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        return b"CertRep" if answer is None else await answer


@dataclass
class Listener:
    """
    An AnswerConsumer that keeps what it hears.
    """

    heard: list[object] = field(default_factory=list)

    def answer_started(self, status: int, content_type: bytes | None, length: int | None) -> None:
        """
        As the port says.
        """
        self.heard.append((status, content_type, length))

    def answer_received(self, data: bytes) -> None:
        """
        As the port says.
        """
        self.heard.append(data)

    def answer_finished(self) -> None:
        """
        As the port says.
        """
        self.heard.append("finished")

    def answer_failed(self, error: UpstreamError) -> None:
        """
        As the port says.
        """
        self.heard.append((error.fault, error.sentence, error.status))

    def pause_request(self) -> None:
        """
        Never: what is written is taken at once.
        """
        self.heard.append("paused")

    def resume_request(self) -> None:
        """
        Never, either.
        """
        self.heard.append("resumed")


ANSWER = [(200, b"application/x-pki-message", 7), b"CertRep", "finished"]


class EmbeddedUpstreamTests(SynchronousTestCase):
    """
    Tests for L{EmbeddedUpstream}.
    """

    def setUp(self) -> None:
        """
        Make one.
        """
        self.clock = Clock()
        self.authority = FakeAuthority()
        self.upstream = EmbeddedUpstream(lambda: self.authority, self.clock, LIMIT, 60.0)
        self.consumer = Listener()

    def start(self, request: UpstreamRequest = PKI) -> UpstreamExchange:
        """
        Begin an exchange.
        """
        return self.upstream.start(TARGET, request, self.consumer)

    def begin(self) -> UpstreamExchange:
        """
        Begin one and send a message.
        """
        exchange = self.start()
        exchange.write(b"PKCS")
        exchange.write(b"Req")
        exchange.finish()
        return exchange

    def assert_failed(self, fault: UpstreamFault, sentence: str, status: int | None = None) -> None:
        """
        The consumer heard one failure and nothing else.

        :param status: what another certificate authority would have answered.
        """
        self.assertEqual(self.consumer.heard, [(fault, f"{EMBEDDED_CA} {sentence}", status)])

    def test_answer_comes_later(self) -> None:
        """
        The whole message is answered, but never before C{finish} has returned.
        """
        exchange = self.start()
        exchange.write(b"PKCSReq")
        self.assertFalse(exchange.sent_whole)
        exchange.finish()
        self.assertTrue(exchange.sent_whole)
        self.assertEqual((self.consumer.heard, self.authority.messages), ([], []))
        self.clock.advance(0)
        self.assertEqual(self.authority.messages, [b"PKCSReq"])
        self.assertEqual(self.consumer.heard, ANSWER)

    def test_other_operations(self) -> None:
        """
        GetCACaps, GetCACert and GetNextCACert are answered, unknown ones are not.
        """
        for operation, heard in (
            (b"GetCACaps", [(200, b"text/plain", 4), b"AES\n", "finished"]),
            (b"GetCACert", [(200, b"application/x-x509-ca-cert", 15), b"the certificate"]),
            (b"GetNextCACert", [(200, b"application/x-x509-next-ca-cert", 12), b"the next one"]),
            (b"GetAnything", [(UpstreamFault.STATUS,)]),
        ):
            self.consumer = Listener()
            self.start(UpstreamRequest("GET", b"operation=" + operation)).finish()
            self.clock.advance(0)
            first = self.consumer.heard[0]
            assert isinstance(first, tuple) and isinstance(heard[0], tuple)
            self.assertEqual(first[: len(heard[0])], heard[0])
            self.assertEqual(self.consumer.heard[1:2], heard[1:2])

    def test_no_next_certificate(self) -> None:
        """
        While no roll-over is planned there is none, as of any other certificate authority.
        """
        self.authority.has_next = False
        self.start(UpstreamRequest("GET", b"operation=GetNextCACert")).finish()
        self.clock.advance(0)
        sentence = "refused the request: there is no next certificate of the authority"
        self.assert_failed(UpstreamFault.STATUS, sentence, 404)

    def test_too_large(self) -> None:
        """
        A message fails at the first byte too many, and is never answered.
        """
        exchange = self.start()
        exchange.write(b"x" * LIMIT)
        self.assertEqual(self.consumer.heard, [])
        exchange.write(b"x")
        exchange.write(b"x")
        exchange.finish()
        self.clock.advance(0)
        self.assert_failed(UpstreamFault.STATUS, "takes messages of at most 1000 bytes", 413)
        self.assertEqual(self.authority.messages, [])
        self.assertFalse(exchange.sent_whole)

    def test_abort(self) -> None:
        """
        After it the consumer hears nothing, before an answer and while it is made; what was begun
        is done.
        """
        self.start().abort()
        exchange = self.begin()
        answer: Deferred[bytes] = Deferred()
        self.authority.answers = [answer]
        self.clock.advance(0)
        exchange.abort()
        answer.callback(b"CertRep")
        self.assertEqual(self.consumer.heard, [])
        self.assertEqual(self.authority.messages, [b"PKCSReq"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_pause(self) -> None:
        """
        A device that reads slowly gets the answer when it reads on.
        """
        exchange = self.begin()
        exchange.pause_answer()
        self.clock.advance(0)
        self.assertEqual(self.consumer.heard, [])
        exchange.resume_answer()
        exchange.resume_answer()
        self.assertEqual(self.consumer.heard, ANSWER)

    def test_refused_message(self) -> None:
        """
        What is no SCEP message is refused with a status, as by any other certificate authority: it
        is not out.
        """
        for error, status in (
            (EncodingError("it is no SCEP message"), 400),
            (SignatureInvalid("the signature is wrong"), 400),
            (LimitExceeded("the message is too large"), 413),
        ):
            self.consumer = Listener()
            self.authority.answers = [error]
            self.begin()
            self.clock.advance(0)
            self.assert_failed(UpstreamFault.STATUS, f"refused the request: {error}", status)

    def test_not_stored(self) -> None:
        """
        What could not be stored is a failure with its reason.
        """
        self.authority.answers = [StorageUnavailable("disk full")]
        self.begin()
        self.clock.advance(0)
        self.assert_failed(UpstreamFault.STATUS, "could not answer: disk full")

    def test_own_fault(self) -> None:
        """
        A fault of ours is logged, and not told.
        """
        self.authority.answers = [ValueError("secret")]
        self.begin()
        self.clock.advance(0)
        self.assert_failed(UpstreamFault.STATUS, "failed; see the log")
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_time(self) -> None:
        """
        An answer that does not come in time is a time-out.
        """
        self.authority.answers = [Deferred()]
        self.begin()
        self.clock.advance(0)
        self.clock.advance(60)
        self.assert_failed(UpstreamFault.TIMEOUT, "did not answer within 60 s")

    def test_fetch(self) -> None:
        """
        What has no message is fetched whole, within a limit.
        """
        for limit in (15, 14):
            fetched = Deferred.fromCoroutine(
                self.upstream.fetch(TARGET, b"operation=GetCACert", limit=limit)
            )
            self.clock.advance(0)
            if limit == 15:
                self.assertEqual(
                    self.successResultOf(fetched),
                    (b"application/x-x509-ca-cert", b"the certificate"),
                )
            else:
                self.failureResultOf(fetched, UpstreamError)


class UpstreamChoiceTests(SynchronousTestCase):
    """
    Tests for L{UpstreamChoice}.
    """

    def test_by_name(self) -> None:
        """
        The reserved name goes to the embedded one, every other name to the network.
        """
        embedded, others = FakeUpstream(), FakeUpstream()
        answer = (b"text/plain", b"AES")
        embedded.answers = others.answers = {b"operation=GetCACaps": answer}
        choice = UpstreamChoice(embedded, others)
        other = UpstreamTarget("EMBEDDED_CA_2", TARGET.url, None)
        for target, expected in ((TARGET, embedded), (other, others)):
            choice.start(target, PKI, Listener())
            self.assertEqual([one.target for one in expected.exchanges], [target])
            fetched = choice.fetch(target, b"operation=GetCACaps", limit=10)
            self.assertEqual(self.successResultOf(Deferred.fromCoroutine(fetched)), answer)
            self.assertEqual([one[0] for one in expected.fetched], [target])
