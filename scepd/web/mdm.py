"""
``PUT /mdm/checkin`` and ``PUT /mdm/connect``: what devices ask and report.
"""

from __future__ import annotations

from twisted.web.resource import Resource
from twisted.web.server import Request

from scepd.errors import PermanentError, ScepdError
from scepd.mdm.signature import HEADER
from scepd.services.checkin import CheckIn
from scepd.services.checkin_messages import FeatureMissing, UserChannelDeclined
from scepd.web.buffered_endpoint import BufferedEndpoint

_HEADER = HEADER.encode("ascii")
_STATUSES: dict[type[ScepdError], int] = {UserChannelDeclined: 410, FeatureMissing: 404}


def make_mdm_endpoint(check_in: CheckIn) -> Resource:
    """
    Either endpoint: each takes both kinds of message.
    """

    async def answer(request: Request, body: bytes) -> bytes:
        """
        The next command, or nothing.
        """
        signatures = request.requestHeaders.getRawHeaders(_HEADER, [])
        # Of two signatures neither is believed.
        return await check_in.answer(body, signatures[0] if len(signatures) == 1 else b"")

    return BufferedEndpoint("PUT", "application/xml; charset=utf-8", answer, _status_of)


def _status_of(error: ScepdError, status: int) -> int:
    """
    A refusal is 400, never 401, which could unenroll a device; what may go well later is 503.
    """
    if isinstance(error, PermanentError):
        return _STATUSES.get(type(error), 400)
    return status
