"""
Answers of the embedded certificate authority, as CertReps; each takes a millisecond, in a thread.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from scepd.errors import AccessDenied, MessageError, ScepdError
from scepd.model import IssuedCertificate
from scepd.pki.keyring import RandomBytes
from scepd.scep.attributes import FailInfo
from scepd.scep.replies import (
    build_cert_rep_crls,
    build_cert_rep_failure,
    build_cert_rep_pending,
    build_cert_rep_success,
)
from scepd.services.issuing_requests import (
    Received,
    ReceivedPoll,
    ReceivedQuery,
    ReceivedRequest,
)


@dataclass(frozen=True, slots=True)
class Granted:
    """
    The client gets a certificate.

    :param certificate: DER.
    """

    certificate: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class GrantedList:
    """
    The client gets a revocation list.

    :param revocation_list: DER.
    """

    revocation_list: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Waiting:
    """
    An operator decides: the client comes back with a CertPoll.
    """


Outcome = Granted | GrantedList | Waiting


def granted(issued: IssuedCertificate) -> Granted:
    """
    The certificate of a request, be it new or not.

    :raises AccessDenied: it is not new, and was revoked.
    """
    if issued.revoked_at is not None:
        raise AccessDenied("the certificate that was issued for this request has been revoked")
    return Granted(issued.certificate)


def build_answer(
    received: ReceivedRequest | ReceivedPoll | ReceivedQuery,
    outcome: Outcome,
    random: RandomBytes,
) -> bytes:
    """
    Make the CertRep SUCCESS or PENDING, signed with the certificate that the client knows.

    :returns: the DER of the pkiMessage.
    :raises UnsupportedAlgorithm: the client's key can't be encrypted to.
    """
    message, key, signer = received.message, received.issuer.key, received.issuer.certificate
    match outcome:
        case Granted(certificate):
            return build_cert_rep_success(
                message, certificate, key, signer, random, request_cipher=received.cipher
            )
        case GrantedList(revocation_list):
            return build_cert_rep_crls(
                message, [revocation_list], key, signer, random, request_cipher=received.cipher
            )
        case Waiting():
            return build_cert_rep_pending(message, key, signer, random)


def build_refusal(received: Received, reason: ScepdError, random: RandomBytes) -> bytes:
    """
    Make the CertRep FAILURE.

    :returns: the DER of the pkiMessage.
    """
    issuer = received.issuer
    return build_cert_rep_failure(
        received.message,
        fail_info_of(reason),
        issuer.key,
        issuer.certificate,
        random,
        text=str(reason),
    )


def fail_info_of(reason: ScepdError) -> FailInfo:
    """
    The failInfo of an error; badRequest, unless the error knows better.
    """
    return FailInfo(reason.fail_info) if isinstance(reason, MessageError) else FailInfo.BAD_REQUEST
