"""
The embedded certificate authority on fakes, and clients of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import timedelta
from hashlib import sha256
from typing import Any, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from scepd.metrics import Metrics
from scepd.model import EnrollmentChallenge, EnrollmentToken
from scepd.pki.keyring import Keyring
from scepd.pki.requests import build_request
from scepd.scep.attributes import FailInfo, MessageType, PKIStatus
from scepd.scep.messages import PKIMessage, parse_pki_message
from scepd.scep.requesting import (
    SentRequest,
    build_pkcs_req,
    build_pki_request,
    check_answer,
    open_cert_rep,
)
from scepd.services.ca_keys import CAKeys
from scepd.services.delivery_challenges import DeliveryChallenges
from scepd.services.issuing_settings import IssuingSettings
from tests.support.fake_issuing import FakeIssuing
from tests.support.issuing_parts import issuing_parts
from tests.support.pki import NOW, Party, party, rsa_key

T = TypeVar("T")

CHALLENGE = "the-one-time-challenge"
STATIC = "the-static-challenge"
NAME = "CN=3f1c0f0e-5f0a-4a34-9a55-0d5a3f7f6a55"
TOKEN = EnrollmentToken("aa" * 32, "laptops", (), 3, False, NOW + timedelta(days=7), NOW)


def challenge_for(text: str = CHALLENGE, subject: str = NAME) -> EnrollmentChallenge:
    """
    An enrollment challenge that is good for an hour.
    """
    digest = sha256(text.encode()).hexdigest()
    return EnrollmentChallenge(digest, TOKEN.sha256, subject, NOW + timedelta(hours=1))


@dataclass(frozen=True)
class Sender:
    """
    A client with a key and a self-signed certificate, and how it makes its requests.
    """

    identity: Party = field(default_factory=lambda: party("CN=sender", 1))
    subject: str = NAME
    challenge: str | None = CHALLENGE
    message_type: MessageType = MessageType.PKCS_REQ
    transaction_id: str | None = None
    cipher: str = "aes-128-cbc"
    digest: str = "sha256"
    names: tuple[x509.GeneralName, ...] = ()

    def request(self, recipient: bytes) -> SentRequest:
        """
        A request for its own key.
        """
        name = x509.Name.from_rfc4514_string(self.subject)
        csr = build_request(self.identity.key, name, self.challenge, alternative_names=self.names)
        return build_pkcs_req(
            csr,
            self.identity.key,
            self.identity.certificate,
            recipient,
            os.urandom,
            message_type=self.message_type,
            transaction_id=self.transaction_id,
            cipher=self.cipher,
            digest=self.digest,
            allow_des=True,
        )

    def ask(
        self, message_type: MessageType, content: bytes, recipient: bytes, transaction_id: str
    ) -> SentRequest:
        """
        A CertPoll, GetCert or GetCRL.

        :param content: of the envelope.
        """
        return build_pki_request(
            message_type,
            content,
            self.identity.key,
            self.identity.certificate,
            recipient,
            os.urandom,
            transaction_id=transaction_id,
        )

    def holding(self, certificate: x509.Certificate) -> Sender:
        """
        The same client with a certificate that it was issued, and no challenge.
        """
        identity = Party(self.identity.key, certificate.public_bytes(Encoding.DER))
        return replace(self, identity=identity, challenge=None)

    def open(self, answer: PKIMessage) -> x509.Certificate:
        """
        The one certificate in a CertRep SUCCESS.
        """
        identity = self.identity
        [der] = open_cert_rep(answer, identity.key, identity.certificate, os.urandom)
        return x509.load_der_x509_certificate(der)


class HeldWorkers:
    """
    Workers that do their work at once or, while they are held, when they are told to.
    """

    def __init__(self, *, held: bool = False) -> None:
        self.held = held
        self.calls: list[Deferred[None]] = []

    async def __call__(self, work: Callable[[], T], /) -> T:
        """
        As the port says.
        """
        if self.held:
            call: Deferred[None] = Deferred()
            self.calls.append(call)
            await call
        return work()

    def go(self) -> None:
        """
        Do the oldest piece of work that is held.
        """
        self.calls.pop(0).callback(None)


class IssuingCase(SynchronousTestCase):
    """
    A certificate authority with a static challenge, a token and a challenge for it.
    """

    settings = IssuingSettings()
    manual = False
    deliveries: DeliveryChallenges | None = None
    static_challenge: str | None = STATIC

    def setUp(self) -> None:
        """
        Make all of it.
        """
        self.clock = Clock()
        self.clock.advance(NOW.timestamp())
        self.store = FakeIssuing()
        self.store.tokens[TOKEN.sha256] = TOKEN
        self.add_challenge(challenge_for())
        self.workers = HeldWorkers()
        self.metrics = Metrics()
        self.keyring = Keyring({"k1": bytes(32)})
        self.keys = self.make_keys()
        self.configure(self.settings)
        self.certificate = self.successResultOf(Deferred.fromCoroutine(self.ca.certificate()))
        self.signer = self.certificate
        self.authority = x509.load_der_x509_certificate(self.certificate)

    def make_keys(self) -> CAKeys:
        """
        The keys of one process; the key itself is always the same.
        """
        return CAKeys(
            self.store,
            lambda: self.keyring,
            self.clock,
            os.urandom,
            self.workers,
            generate_key=lambda bits: rsa_key(77),
        )

    def configure(self, settings: IssuingSettings) -> None:
        """
        Start anew with other settings.
        """
        self.parts = issuing_parts(
            self.keys,
            self.store,
            self.clock,
            self.workers,
            lambda: self.keyring,
            settings,
            self.static_challenge,
            self.deliveries,
            manual=self.manual,
            metrics=self.metrics,
        )
        self.ca = self.parts.ca

    def revoke(self, certificate: x509.Certificate, reason: str = "keyCompromise") -> None:
        """
        As an operator does.
        """
        serial = f"{certificate.serial_number:X}"
        serial = "0" * (len(serial) % 2) + serial
        self.done(self.parts.certificates.revoke(serial, reason, "alice"))

    def done(self, work: Coroutine[Deferred[Any], Any, T]) -> T:
        """
        What comes of work that never waits.
        """
        return self.successResultOf(Deferred.fromCoroutine(work))

    def add_challenge(self, challenge: EnrollmentChallenge, **changes: str) -> None:
        """
        Store a challenge.
        """
        self.store.challenges[challenge.sha256] = replace(challenge, used_by=changes.get("used_by"))

    def begin(self, message: bytes) -> Deferred[bytes]:
        """
        Begin to answer a message.
        """
        return Deferred.fromCoroutine(self.ca.answer(message))

    def exchange(self, sent: SentRequest) -> PKIMessage:
        """
        Send a request and check that the answer is to it, and signed by the authority.
        """
        answer = parse_pki_message(self.successResultOf(self.begin(sent.message)))
        check_answer(answer, sent)
        self.assertEqual(answer.signer_certificate, self.signer)
        return answer

    def enroll(self, sender: Sender) -> x509.Certificate:
        """
        Get a certificate.
        """
        answer = self.exchange(sender.request(self.certificate))
        self.assertEqual(answer.pki_status, PKIStatus.SUCCESS, answer.fail_info_text)
        return sender.open(answer)

    def assert_refused(
        self, sender: Sender, text: str, fail_info: FailInfo = FailInfo.BAD_REQUEST
    ) -> None:
        """
        A request is answered with FAILURE, and nothing was issued for it.
        """
        self.assert_failure(sender.request(self.certificate), text, fail_info)

    def assert_failure(
        self, sent: SentRequest, text: str, fail_info: FailInfo = FailInfo.BAD_REQUEST
    ) -> None:
        """
        A message is answered with FAILURE, and nothing was issued for it.
        """
        before = list(self.store.certificates)
        answer = self.exchange(sent)
        self.assertEqual(answer.pki_status, PKIStatus.FAILURE)
        self.assertEqual((answer.fail_info, answer.fail_info_text), (fail_info, text))
        self.assertIsNone(answer.content)
        self.assertEqual(self.store.certificates, before)
