"""
What of a device's request goes to the certificate authority: the operation and the SCEP message,
nothing else.
"""

from __future__ import annotations

from urllib.parse import quote

from scepd.model import CertificateAuthority
from scepd.ports import UpstreamRequest
from scepd.scep.capabilities import Capabilities
from scepd.services.operation import Operation


def upstream_request(
    ca: CertificateAuthority, operation: Operation, content_length: int | None
) -> UpstreamRequest:
    """
    The head of a request to a certificate authority.

    A PKIOperation goes by POST, unless its capabilities are known and do not offer that (RFC 8894
    section 4.3). The others carry the CA's own identifier, whatever the device sent.

    :param content_length: of the SCEP message; None while it is not known.
    """
    query = f"operation={operation.wire_name}"
    if operation is not Operation.PKI_OPERATION:
        if ca.ca_identifier is not None:
            query += f"&message={quote(ca.ca_identifier, safe='')}"
        return UpstreamRequest("GET", query.encode("ascii"), resend=True)
    if ca.capabilities and not Capabilities(ca.capabilities).post:
        query += "&message="
        return UpstreamRequest("GET", query.encode("ascii"), body_in_query=True)
    return UpstreamRequest("POST", query.encode("ascii"), content_length)
