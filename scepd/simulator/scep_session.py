"""
Exchanges with an authority whose capabilities and certificates are known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from scepd.pki.certificates_only import CertificatesOnly
from scepd.scep.answers import open_answer, own_certificate, read_cert_rep
from scepd.scep.attributes import PKIStatus
from scepd.scep.dialect import Dialect
from scepd.scep.messages import MAX_MESSAGE_SIZE, PKIMessage
from scepd.scep.queries import IssuerAndSubject
from scepd.scep.requester import Requester
from scepd.scep.requesting import SentRequest
from scepd.simulator.identity import Identity
from scepd.simulator.scep_connection import Authority, SCEPConnection
from scepd.simulator.scep_failures import PendingRequest, SCEPFailed, SCEPRefused


@dataclass(frozen=True, slots=True)
class SCEPSession:
    """
    A client with one authority; every method raises MessageError for an answer that is no good.

    :param connection: to the authority.
    :param authority: what it told of itself.
    :param dialect: as ``choose_dialect`` chose it.
    :param random: gives that many unpredictable octets.
    """

    connection: SCEPConnection
    authority: Authority
    dialect: Dialect
    random: Callable[[int], bytes] = field(repr=False)

    def requester(self, signer: Identity) -> Requester:
        """
        Make requests to the authority.

        :param signer: signs them.
        :returns: the requester.
        """
        recipient = self.authority.recipient
        return Requester(signer.key, signer.certificate, recipient, self.dialect, self.random)

    def certify(self, sent: SentRequest, asked: PendingRequest) -> Identity | None:
        """
        Send a PKCSReq, RenewalReq or CertPoll.

        :param sent: the request.
        :param asked: what it asks for.
        :returns: the identity; None when the authority answers PENDING.
        :raises SCEPRefused: the authority answers FAILURE.
        :raises DeviceError: the authority can't be reached.
        """
        answer = self._exchange(sent)
        if answer.pki_status is PKIStatus.PENDING:
            return None
        certificates = self._opened(answer, asked.signer).certificates
        return Identity(asked.key, own_certificate(certificates, asked.key))

    def poll(self, asked: PendingRequest) -> Identity | None:
        """
        Ask what became of a request.

        :param asked: the request.
        :returns: as :meth:`certify`.
        :raises SCEPRefused: the authority answers FAILURE.
        :raises DeviceError: the authority can't be reached.
        """
        names = IssuerAndSubject(self.authority.issuer, asked.subject.public_bytes())
        sent = self.requester(asked.signer).cert_poll(names, asked.transaction_id)
        return self.certify(sent, asked)

    def query(
        self, sent: SentRequest, signer: Identity, *, largest: int = MAX_MESSAGE_SIZE
    ) -> CertificatesOnly:
        """
        Send a GetCert or GetCRL.

        :param sent: the request.
        :param signer: signed it.
        :param largest: octets of the answer.
        :returns: what the authority sent.
        :raises SCEPRefused: the authority answers FAILURE.
        :raises DeviceError: the authority can't be reached, or answers PENDING.
        """
        answer = self._exchange(sent, largest)
        if answer.pki_status is PKIStatus.PENDING:
            raise SCEPFailed("the CA answered a query with PENDING")
        return self._opened(answer, signer)

    def _exchange(self, sent: SentRequest, largest: int = MAX_MESSAGE_SIZE) -> PKIMessage:
        body = self.connection.operate(sent.message, self.dialect.form, largest=largest)
        answer = read_cert_rep(body, sent, self.authority.certificates, max_size=largest)
        if answer.pki_status is PKIStatus.FAILURE:
            fail_info = answer.fail_info
            word = None if fail_info is None else fail_info.word
            raise SCEPRefused(word, answer.fail_info_text)
        return answer

    def _opened(self, answer: PKIMessage, signer: Identity) -> CertificatesOnly:
        return open_answer(
            answer,
            signer.key,
            signer.certificate,
            self.random,
            allow_des=self.dialect.allow_des,
        )
