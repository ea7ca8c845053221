"""
What can come of a SCEP request beside a certificate.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from scepd.errors import MessageError
from scepd.simulator.failures import SCEP_INVALID, DeviceError
from scepd.simulator.identity import Identity

_DOMAIN = "MCSCEPErrorDomain"


@dataclass(frozen=True, slots=True)
class PendingRequest:
    """
    A request that an authority has not decided on; enough to ask for its outcome later.

    :param key: that is to be certified.
    :param signer: signed the request, and has to sign every CertPoll.
    :param subject: that was asked for.
    :param transaction_id: of the request.
    """

    key: rsa.RSAPrivateKey = field(repr=False)
    signer: Identity
    subject: x509.Name
    transaction_id: str


class SCEPFailed(DeviceError):
    """
    A SCEP exchange without the wanted outcome.

    :param sentence: what failed, and why.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(f"SCEP: {sentence}", SCEP_INVALID, _DOMAIN)


class SCEPRefused(SCEPFailed):
    """
    A CertRep FAILURE.

    :param fail_info: the RFC's word, such as ``badRequest``; None when the authority gave none.
    :param text: the authority's own words, which may hold anything; never part of the sentence.
    """

    def __init__(self, fail_info: str | None, text: str | None) -> None:
        super().__init__(f"the CA refused: {fail_info or 'no reason given'}")
        self.fail_info = fail_info
        self.text = text


class SCEPPending(SCEPFailed):
    """
    The authority still answers PENDING, and patience has ended.

    :param request: to go on with.
    """

    def __init__(self, request: PendingRequest) -> None:
        super().__init__("the CA still answers PENDING")
        self.request = request


@contextmanager
def scep_exchange() -> Iterator[None]:
    """
    Turn what is wrong with an authority's message into a device's error.

    :raises SCEPFailed: a message could not be accepted.
    """
    try:
        yield
    except MessageError as error:
        raise SCEPFailed(str(error)) from error
