"""
An authority in memory, made without scepd's own server side.
"""

from __future__ import annotations

from asn1crypto import core
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.pki import Party, issue, party
from tests.support.scep_answers import (
    PENDING,
    Received,
    cert_rep,
    certificates_only,
    failure,
    receive,
    revocation_list,
    success,
)


class AuthorityDouble:
    """
    Issues at once, or after some polls, and answers queries.

    :ivar front: whom requests are encrypted to.
    :ivar signer: signs the answers.
    :ivar pending: PENDING answers to give before a certificate is issued.
    :ivar refusal: failInfo number to refuse with, and text.
    :ivar received: the requests that came.
    :ivar issued: the certificates that were issued, newest last.
    :ivar beside: certificates that come along, before the issued one.
    :ivar revoked: serial numbers.
    """

    def __init__(self, *, registration: bool = False, split: bool = False) -> None:
        self.ca = party("CN=ca,O=Double", 99, usage="sign encipher", ca=True)
        self.front = self.signer = self.ca
        if split:
            # As Microsoft's NDES does it.
            self.front, self.signer = self._agent(97, "encipher"), self._agent(96, "sign")
        elif registration:
            self.front = self.signer = self._agent(97, "sign encipher")
        self.pending = 0
        self.refusal: tuple[str, str | None] | None = None
        self.received: list[Received] = []
        self.issued: list[bytes] = []
        self.beside: list[bytes] = []
        self.revoked: list[int] = []
        self._waiting: dict[str, bytes] = {}

    @property
    def certificates(self) -> bytes:
        """
        The answer to GetCACert.
        """
        if self.front is self.ca:
            return self.ca.certificate
        parties = (self.ca, self.signer, self.front)
        return certificates_only(list(dict.fromkeys(each.certificate for each in parties)))

    def answer(self, message: bytes) -> bytes:
        """
        Answer a PKIOperation.
        """
        received = receive(message, self.front)
        self.received.append(received)
        if self.refusal is not None:
            return failure(received, self.signer, *self.refusal)
        return {
            "17": self._certification,
            "19": self._certification,
            "20": self._poll,
            "21": self._certificate,
            "22": self._list,
        }[received.message_type](received)

    def _agent(self, number: int, usage: str) -> Party:
        name, key = x509.Name.from_rfc4514_string(f"CN=ra {number}"), party("CN=ra", number).key
        ca = x509.load_der_x509_certificate(self.ca.certificate)
        return Party(key, issue(key, name, self.ca.key, ca.subject, usage=usage))

    def _certification(self, received: Received) -> bytes:
        self._waiting[received.transaction_id] = received.content
        return self._decided(received)

    def _poll(self, received: Received) -> bytes:
        issuer, subject = core.SequenceOf(spec=core.Any).load(received.content, strict=True)
        csr = x509.load_der_x509_csr(self._waiting[received.transaction_id])
        ca = x509.load_der_x509_certificate(self.ca.certificate)
        assert issuer.dump() == ca.subject.public_bytes()
        assert subject.dump() == csr.subject.public_bytes()
        return self._decided(received)

    def _decided(self, received: Received) -> bytes:
        if self.pending > 0:
            self.pending -= 1
            return cert_rep(received, self.signer, PENDING)
        csr = x509.load_der_x509_csr(self._waiting[received.transaction_id])
        assert csr.is_signature_valid
        key = csr.public_key()
        assert isinstance(key, rsa.RSAPublicKey)
        ca = x509.load_der_x509_certificate(self.ca.certificate)
        self.issued.append(issue(key, csr.subject, self.ca.key, ca.subject))
        return success(received, self.signer, certificates_only([*self.beside, self.issued[-1]]))

    def _certificate(self, received: Received) -> bytes:
        serial = _serial_number(received)
        for each in self.issued:
            if x509.load_der_x509_certificate(each).serial_number == serial:
                return success(received, self.signer, certificates_only([each]))
        return failure(received, self.signer, "4")

    def _list(self, received: Received) -> bytes:
        own = x509.load_der_x509_certificate(received.signer)
        assert _serial_number(received) == own.serial_number
        listed = revocation_list(self.ca, self.revoked)
        return success(received, self.signer, certificates_only([], [listed]))


def _serial_number(received: Received) -> int:
    _, number = core.SequenceOf(spec=core.Any).load(received.content, strict=True)
    return int(core.Integer.load(number.dump()).native)
