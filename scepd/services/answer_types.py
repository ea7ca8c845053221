"""
What the answer to an operation is, by its first bytes.
"""

from __future__ import annotations

from scepd.scep.transport import (
    NEXT_CA_CERTIFICATES,
    PKI_MESSAGE,
    classify_ca_body,
    looks_like_pki_message,
)
from scepd.services.operation import Operation

ENOUGH = 32
"""
How many bytes always tell.
"""
_CA_CAPS = "text/plain"


def answer_type(operation: Operation, body: bytes, *, final: bool) -> str | None:
    """
    The exact Content-Type of an answer (RFC 8894 section 4), whatever the certificate authority
    said.

    :param body: its beginning, or all of it.
    :param final: whether nothing follows.
    :returns: None when it is no answer to that operation, or when that can't be told yet.
    """
    head = body[:ENOUGH]
    if operation is Operation.GET_CA_CAPS:
        # No capability at all is an empty answer (section 3.5.2); a page of HTML is none.
        text = head.lstrip()
        return None if text.startswith(b"<") or not (text or final) else _CA_CAPS
    if operation is Operation.GET_CA_CERT:
        return classify_ca_body(head)
    if not looks_like_pki_message(head):
        return None
    return NEXT_CA_CERTIFICATES if operation is Operation.GET_NEXT_CA_CERT else PKI_MESSAGE


def complaint(host: str, operation: Operation, body: bytes) -> str:
    """
    What is said of a body that is no answer.
    """
    what = "a body that is none" if body else "an empty body"
    return f"{host} answered {operation.wire_name} with {what}"
