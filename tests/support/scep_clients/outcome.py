"""
What a SCEP client can do, and what can come of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key


class Action(Enum):
    """
    The columns of the interoperability matrix.
    """

    ENROLL = "enroll"
    WRONG_CHALLENGE = "wrong challenge"
    RENEW = "renew"
    POLL = "poll"


class Result(Enum):
    """
    What a client made of an exchange.
    """

    ISSUED = "issued"
    REFUSED = "refused"
    """
    The client says that the authority refuses: it has read a CertRep FAILURE.
    """
    BROKEN = "broken"
    """
    Anything else: the client could not read, verify or do something.
    """


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What came of an exchange.

    :param result: in one word.
    :param certificate: what was issued, for the client's own key; None for none.
    :param output: all that the client printed.
    """

    result: Result
    certificate: x509.Certificate | None
    output: str


class SCEPDevice(Protocol):
    """
    One device with one SCEP client; its subject is ``O=Interop, CN=<name>``.
    """

    def enroll(self, url: str, challenge: str) -> Outcome:
        """
        Make a key and ask for a certificate.
        """
        ...

    def renew(self, url: str, challenge: str) -> Outcome:
        """
        Ask for another certificate; the one that :meth:`enroll` got vouches for it, and where that
        is not enough, a challenge that is not empty.
        """
        ...

    def poll(self, url: str, challenge: str, approve: Callable[[], None]) -> Outcome:
        """
        Ask for a certificate, have the request approved once the authority has answered PENDING,
        and ask again until there is a certificate.
        """
        ...


def issued(certificate_pem: bytes, key_pem: bytes, output: str) -> Outcome:
    """
    The outcome for a client that says it has a certificate: BROKEN when that is not for its key.
    """
    certificate = x509.load_pem_x509_certificate(certificate_pem)
    key = load_pem_private_key(key_pem, None)
    if certificate.public_key() != key.public_key():
        return Outcome(Result.BROKEN, None, f"{output}\nthe certificate is for another key")
    return Outcome(Result.ISSUED, certificate, output)


def not_issued(refused: bool, output: str) -> Outcome:
    """
    The outcome for a client that has no certificate.
    """
    return Outcome(Result.REFUSED if refused else Result.BROKEN, None, output)
