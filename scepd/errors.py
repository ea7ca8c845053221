"""
The one exception tree of scepd: every error is temporary or permanent and carries its wire code.

HTTP statuses are not here: ``web/errors.py`` maps these errors to answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar


class ScepdError(Exception):
    """
    Root of all errors that scepd raises on purpose.

    ``code`` is a stable, machine-readable word: the problem type of the admin API, a metric label.
    """

    code: ClassVar[str] = "error"


class TemporaryError(ScepdError):
    """
    The same request may succeed later without anybody changing it.
    """

    code = "temporary"


class PermanentError(ScepdError):
    """
    The same request fails again until somebody changes something.
    """

    code = "permanent"


# -- bytes that were not what they should be -------------------------------------------------------


class MessageError(PermanentError):
    """
    A message, certificate or key that can't be accepted.

    ``fail_info`` is the SCEP failInfo that answers it (RFC 8894 section 3.2.1.4.5).
    """

    code = "bad-message"
    fail_info: ClassVar[int] = 2


class EncodingError(MessageError):
    """
    Bytes that are not the ASN.1, PEM or property list that they should be (badRequest).
    """

    code = "bad-encoding"


class LimitExceeded(MessageError):
    """
    A length, count or depth above what scepd accepts (badRequest).
    """

    code = "limit-exceeded"


class UnsupportedAlgorithm(MessageError):
    """
    An algorithm, key type or key size that is not accepted (badAlg).
    """

    code = "unsupported-algorithm"
    fail_info = 0


class SignatureInvalid(MessageError):
    """
    A signature, digest or signer that does not fit its message (badMessageCheck).
    """

    code = "bad-signature"
    fail_info = 1


class DecryptionFailed(MessageError):
    """
    An envelope that does not open; deliberately says no more than that (badMessageCheck).
    """

    code = "decryption-failed"
    fail_info = 1


class CertificateUnknown(MessageError):
    """
    A question for a certificate or request that is not there, or not for who asks (badCertId).
    """

    code = "unknown-certificate"
    fail_info = 4


# -- what operators and devices asked for ----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fault:
    """
    One thing that is wrong with an input.

    :param field: where: a JSON field name, or the path of a payload and key.
    :param message: one sentence that says what is wrong and what is allowed; never echoes a secret.
    """

    field: str
    message: str


class InvalidInput(PermanentError):
    """
    An input with one or more faults; nothing was changed.

    :param faults: every fault that was found, at least one.
    """

    code = "invalid-input"

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("; ".join(f"{fault.field}: {fault.message}" for fault in faults))
        self.faults = faults


class NotFound(PermanentError):
    """
    The thing that was asked for does not exist.
    """

    code = "not-found"


class Conflict(PermanentError):
    """
    The request contradicts what is stored: a name that is taken, a thing that is still in use.
    """

    code = "conflict"


class ChallengeUnknown(Conflict):
    """
    A challenge that is not of the kind that it was taken for.
    """


class AccessDenied(PermanentError):
    """
    No token, an unknown token, or one whose role does not allow the request.
    """

    code = "access-denied"


class RoleDenied(AccessDenied):
    """
    A known token whose role does not allow the request.
    """

    code = "role-denied"


# -- the daemon's own surroundings -----------------------------------------------------------------


class ConfigurationError(PermanentError):
    """
    A configuration that can't be used; the text names file, section, key, found and allowed.
    """

    code = "configuration"


class KeyringError(PermanentError):
    """
    A keyring file that can't be used.
    """

    code = "keyring"


class SecretUnreadable(PermanentError):
    """
    A stored secret that no key of the keyring opens; the text names its row and key id.
    """

    code = "secret-unreadable"


class StorageUnavailable(TemporaryError):
    """
    The database did not take or give data (full, locked, gone); nothing of the request is stored.
    """

    code = "storage-unavailable"


# -- certificate authorities -----------------------------------------------------------------------


class UpstreamFault(Enum):
    """
    The ways in which a certificate authority can fail us; the value is a metric label.
    """

    DNS = "dns"
    ADDRESS = "address"
    REFUSED = "refused"
    TLS = "tls"
    TIMEOUT = "timeout"
    STATUS = "status"
    BODY = "body"
    CLOSED = "closed"
    PROXY = "proxy"


class UpstreamError(TemporaryError):
    """
    A certificate authority could not be reached or answered wrongly.

    :param fault: which of the ways.
    :param sentence: one sentence that an operator can act on.
    :param status: what it answered, where that is the fault.
    """

    code = "upstream"

    def __init__(self, fault: UpstreamFault, sentence: str, status: int | None = None) -> None:
        super().__init__(sentence)
        self.fault = fault
        self.sentence = sentence
        self.status = status


class UpstreamStopped(UpstreamError):
    """
    It is scepd that gave an exchange up, as it stops; the certificate authority did nothing wrong.
    """


class QueueTimeout(TemporaryError):
    """
    All of a certificate authority's slots stayed in use until the deadline.
    """

    code = "queue-timeout"


class RateLimited(QueueTimeout):
    """
    A certificate authority's requests per second are used up beyond the deadline.
    """

    code = "rate-limited"


class BreakerOpen(TemporaryError):
    """
    A certificate authority is out: nothing is sent to it for now.

    :param retry_after: seconds after which it may be back.
    """

    code = "breaker-open"

    def __init__(self, sentence: str, retry_after: int = 5) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after


# -- a device's request to the proxy ---------------------------------------------------------------


class NotConfigured(TemporaryError):
    """
    The certificate authority that the request is for was removed.
    """

    code = "not-configured"


class WindowBusy(TemporaryError):
    """
    Another request holds the enrollment window.
    """

    code = "window-busy"


class WindowClosed(PermanentError):
    """
    No enrollment window admits the request.
    """

    code = "window-closed"


class RequestTimeout(TemporaryError):
    """
    The client did not send its whole request in time.
    """

    code = "request-timeout"


class DeviceGone(TemporaryError):
    """
    The device closed its connection before its answer was complete.
    """

    code = "device-gone"
