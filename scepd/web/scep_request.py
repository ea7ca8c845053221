"""
What a SCEP request over HTTP asks for, in all the forms that clients use (RFC 8894 section 4): one
reading for the proxy and the embedded certificate authority.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from scepd.errors import Fault, InvalidInput
from scepd.scep.transport import decode_message, has_parameter, operation_of
from scepd.services.proxying import Operation

METHODS = ("GET", "POST")
PROGRAM = b"pkiclient.exe"
"""
What some clients put behind the URL's path that they were given.
"""

_OPERATIONS = {operation.wire_name: operation for operation in Operation}


@dataclass(frozen=True, slots=True)
class SCEPRequest:
    """
    The head of a request, read.

    :param operation: what is asked for.
    :param message: the SCEP message where the query holds it, empty where an operation has none;
        None: it is the request's body.
    """

    operation: Operation
    message: bytes | None = field(repr=False)


def read_request(method: bytes, raw_query: bytes, *, max_size: int) -> SCEPRequest:
    """
    Read method and query; of a parameter that is there twice the first counts.

    The ``message`` of anything but a GET PKIOperation is not looked at: clients send a CA's
    name, a number, nothing, or kilobytes of junk there.

    :param method: one of :data:`METHODS`.
    :param raw_query: the query string as it came, without the question mark.
    :param max_size: octets of a message.
    :returns: what is asked for.
    :raises InvalidInput: no operation, or an unknown one.
    :raises EncodingError: a GET PKIOperation without a message in base64.
    :raises LimitExceeded: its message is too large.
    """
    operation = _operation(method, raw_query)
    if operation is not Operation.PKI_OPERATION:
        return SCEPRequest(operation, b"")
    if method == b"POST":
        return SCEPRequest(operation, None)
    return SCEPRequest(operation, decode_message(raw_query, max_size=max_size))


def _operation(method: bytes, raw_query: bytes) -> Operation:
    if method == b"POST" and not has_parameter(raw_query, b"operation"):
        return Operation.PKI_OPERATION
    operation = _OPERATIONS.get(operation_of(raw_query) or "")
    if operation is None:
        allowed = ", ".join(_OPERATIONS)
        text = f"missing or unknown SCEP operation; allowed: {allowed}"
        raise InvalidInput((Fault("operation", text),))
    return operation
