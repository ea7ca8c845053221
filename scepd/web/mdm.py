"""
``PUT /mdm/checkin`` and ``PUT /mdm/connect``: what devices ask and report.
"""

from __future__ import annotations

from twisted.web.resource import Resource
from twisted.web.server import Request

from scepd.errors import EncodingError, PermanentError, ScepdError
from scepd.mdm.signature import HEADER
from scepd.services.checkin import CheckIn
from scepd.services.checkin_messages import FeatureMissing, UserChannelDeclined
from scepd.web.buffered_endpoint import BufferedEndpoint
from scepd.web.client_certificates import ClientCertificates

_HEADER = HEADER.encode("ascii")
_STATUSES: dict[type[ScepdError], int] = {UserChannelDeclined: 410, FeatureMissing: 404}


def make_mdm_endpoint(
    check_in: CheckIn, certificates: ClientCertificates | None = None
) -> Resource:
    """
    Either endpoint: each takes both kinds of message.

    :param certificates: finds what a connection proves; None: nothing but a signature counts.
    """
    proofs = certificates or ClientCertificates()

    async def answer(request: Request, body: bytes) -> bytes:
        """
        The next command, or nothing.
        """
        signatures = request.requestHeaders.getRawHeaders(_HEADER, [])
        if len(signatures) > 1:
            raise EncodingError("there is more than one signature: neither is believed")
        signature = signatures[0] if signatures else b""
        return await check_in.answer(body, signature, proofs.of(request))

    return BufferedEndpoint("PUT", "application/xml; charset=utf-8", answer, _status_of)


def _status_of(error: ScepdError, status: int) -> int:
    """
    A refusal is 400, never 401, which could unenroll a device; what may go well later is 503.
    """
    if isinstance(error, PermanentError):
        return _STATUSES.get(type(error), 400)
    return status
