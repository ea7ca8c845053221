"""
What a device's Error means: the fault of the device, of the certificate authority, or of nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from scepd.model import ManagedCertificate, SCEPExchange
from scepd.profiles.lifecycle import Event
from scepd.services.protection import REJECTED

_OUTAGES = frozenset({502, 503, 504})
_DEVICE_GONE = 0
# Devices wait for a minute or so. One that leaves at once says nothing of the CA, and must not be
# delivered to for ever.
_PATIENCE_MILLISECONDS = 10_000
_CLOSED_WINDOW = 403
_LONGEST = 1000


def event_of_error(
    exchanges: Sequence[SCEPExchange], certificates: Sequence[ManagedCertificate], now: datetime
) -> Event:
    """
    What happened to an install that the device answered with Error.

    :param exchanges: of this host and profile since it was handed over, newest first.
    :param certificates: that the host holds from this profile.
    """
    if _is_outage(exchanges):
        return Event.ERROR_DURING_OUTAGE
    if exchanges and exchanges[0].http_status == _CLOSED_WINDOW:
        return Event.ERROR_BEHIND_CLOSED_WINDOW
    if any(certificate.not_after > now for certificate in certificates):
        return Event.ERROR_WHILE_CERTIFIED
    return Event.ERROR_REPORTED


def detail_of_error(error: str, exchanges: Sequence[SCEPExchange]) -> str:
    """
    The reason as an operator reads it: what the device said, and what the certificate authority
    said, in at most 1,000 characters.

    :param exchanges: as of :func:`event_of_error`.
    """
    said = next((exchange for exchange in exchanges if exchange.detail), None)
    text = error or "the device gave no reason"
    if said is None:
        return text[:_LONGEST]
    # Neither part may push the other out.
    theirs = f"; the proxy recorded: {said.detail}"[: _LONGEST // 2]
    return text[: _LONGEST - len(theirs)] + theirs


def _is_outage(exchanges: Sequence[SCEPExchange]) -> bool:
    """
    Whether the proxy saw the certificate authority fail, and no answer of it since then; with a
    status below 500 it does answer.
    """
    for exchange in exchanges:
        if exchange.pki_status is not None or exchange.failure == REJECTED:
            return False
        if exchange.http_status in _OUTAGES or _waited_in_vain(exchange):
            return True
    return False


def _waited_in_vain(exchange: SCEPExchange) -> bool:
    return exchange.http_status == _DEVICE_GONE and exchange.milliseconds >= _PATIENCE_MILLISECONDS
