"""
Requests for certificates that wait for an operator.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from scepd.pki.keyring import SealedSecret, SecretPlace


class RequestState(StrEnum):
    """
    What became of a request.
    """

    PENDING = "pending"
    """
    No operator has decided.
    """
    APPROVED = "approved"
    """
    Its certificate is issued.
    """
    DENIED = "denied"
    """
    It gets none.
    """


@dataclass(frozen=True, slots=True)
class PendingRequest:
    """
    A request for a certificate that an operator decides on.

    :param id: a uuid.
    :param request_sha256: of messageType, transactionID, CSR and signer certificate.
    :param signer_key_sha256: of the SubjectPublicKeyInfo of whom may ask for it again, hex.
    :param signer_certificate: DER.
    :param public_key_sha256: of the SubjectPublicKeyInfo to be certified, hex.
    :param request: the certification request, DER, sealed for :func:`pending_request_place`: it
        holds the challenge that brought it here.
    :param subject: RFC 4514.
    :param alternative_names: such as ``dns:host.example``.
    :param expires_at: when it is forgotten, whatever became of it.
    :param decided_by: the name of the API token; None: nobody has decided.
    :param serial: of the certificate that was issued, hex.
    """

    id: str
    transaction_id: str
    request_sha256: str
    signer_key_sha256: str
    signer_certificate: bytes = field(repr=False)
    public_key_sha256: str
    request: SealedSecret = field(repr=False)
    subject: str
    alternative_names: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    state: RequestState = RequestState.PENDING
    decided_at: datetime | None = None
    decided_by: str | None = None
    serial: str | None = None


def pending_request_place(id: str) -> SecretPlace:
    """
    Where the certification request of a waiting request is stored.
    """
    return SecretPlace("pending_request", "request", id)
