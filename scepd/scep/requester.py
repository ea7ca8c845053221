"""
A client's side of every request there is (RFC 8894 section 3.3).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import rsa

from scepd.scep.attributes import MessageType
from scepd.scep.dialect import Dialect
from scepd.scep.queries import IssuerAndSerial, IssuerAndSubject
from scepd.scep.requesting import SentRequest, build_pki_request


@dataclass(frozen=True, slots=True)
class Requester:
    """
    Who signs requests, and for whom they are encrypted.

    :param key: signs; also opens the answers.
    :param certificate: that key's, DER: self-signed, or one that it was issued.
    :param recipient: the authority's, DER, as ``choose_recipient`` chose it.
    :param dialect: as ``choose_dialect`` chose it.
    :param random: gives that many unpredictable octets.
    """

    key: rsa.RSAPrivateKey = field(repr=False)
    certificate: bytes = field(repr=False)
    recipient: bytes = field(repr=False)
    dialect: Dialect
    random: Callable[[int], bytes] = field(repr=False)

    def certification(
        self,
        request: bytes,
        transaction_id: str,
        message_type: MessageType = MessageType.PKCS_REQ,
    ) -> SentRequest:
        """
        Make a PKCSReq or RenewalReq (sections 3.3.1 and 3.3.1.2).

        :param request: the DER of the certification request.
        :param transaction_id: names the transaction; see ``transaction_id_for``.
        :param message_type: ``PKCS_REQ`` or ``RENEWAL_REQ``.
        :returns: the request.
        :raises MessageError: a certificate can't be read or its key not be encrypted to.
        """
        return self._sealed(message_type, request, transaction_id)

    def cert_poll(self, asked: IssuerAndSubject, transaction_id: str) -> SentRequest:
        """
        Make a CertPoll (section 3.3.3); signed as the request was that it asks for.

        :param asked: the authority and the subject of the pending request.
        :param transaction_id: of the pending request.
        :returns: the request.
        :raises MessageError: as :meth:`certification`.
        """
        return self._sealed(MessageType.CERT_POLL, asked.encode(), transaction_id)

    def get_cert(self, asked: IssuerAndSerial, transaction_id: str) -> SentRequest:
        """
        Make a GetCert (section 3.3.4).

        :param asked: the certificate that is asked for.
        :param transaction_id: any that is not in use.
        :returns: the request.
        :raises MessageError: as :meth:`certification`.
        """
        return self._sealed(MessageType.GET_CERT, asked.encode(), transaction_id)

    def get_crl(self, asked: IssuerAndSerial, transaction_id: str) -> SentRequest:
        """
        Make a GetCRL (section 3.3.4).

        :param asked: a certificate that the list would tell about.
        :param transaction_id: any that is not in use.
        :returns: the request.
        :raises MessageError: as :meth:`certification`.
        """
        return self._sealed(MessageType.GET_CRL, asked.encode(), transaction_id)

    def _sealed(
        self, message_type: MessageType, content: bytes, transaction_id: str
    ) -> SentRequest:
        return build_pki_request(
            message_type,
            content,
            self.key,
            self.certificate,
            self.recipient,
            self.random,
            transaction_id=transaction_id,
            cipher=self.dialect.cipher,
            digest=self.dialect.digest,
            allow_des=self.dialect.allow_des,
        )
