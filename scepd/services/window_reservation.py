"""
A PKIOperation's way through its enrollment window.
"""

from __future__ import annotations

from datetime import timedelta

from scepd.config import SCEPProxySection
from scepd.errors import WindowBusy, WindowClosed
from scepd.model import Admission
from scepd.scep.observer import RequestReport, observe_request
from scepd.services.clock import utc_now
from scepd.services.exchange_record import ExchangeRecord
from scepd.services.proxying import ProxyPorts
from scepd.services.transfer import Transfer

_CRASH_MARGIN = timedelta(seconds=5)


class WindowReservation:
    """
    Gets the window for one exchange, and notes in its record which window that was.
    """

    def __init__(
        self,
        ports: ProxyPorts,
        settings: SCEPProxySection,
        record: ExchangeRecord,
        transfer: Transfer,
    ) -> None:
        self._ports = ports
        self._settings = settings
        self._record = record
        self._transfer = transfer

    async def make(self) -> None:
        """
        Reserve the window; a locked one first wants to know who signed.

        :raises WindowBusy: another exchange holds it.
        :raises WindowClosed: none is to be had.
        :raises ScepdError: the request, which is read whole for a locked one, did not come whole.
        """
        admission = await self._ask()
        if admission is Admission.LOCKED:
            await self._read_signer()
            if self._record.signed_by is not None:
                admission = await self._ask()
        if admission is Admission.BUSY:
            raise WindowBusy("another request of this device is under way")
        if admission is not Admission.ADMITTED:
            raise WindowClosed("enrollment window is closed")

    async def _ask(self) -> Admission:
        settings, record = self._settings, self._record
        now = utc_now(self._ports.clock)
        longest = timedelta(seconds=settings.queue_timeout + settings.exchange_timeout)
        reservation = await self._ports.enrollment.reserve_window(
            record.subject,
            record.id,
            now=now,
            until=now + longest + _CRASH_MARGIN,
            signed_by=record.signed_by,
        )
        record.window_id = reservation.window_id
        return reservation.admission

    async def _read_signer(self) -> None:
        await self._transfer.whole_request()
        copy, largest = self._transfer.request, self._settings.max_message_size

        def look() -> RequestReport:
            return observe_request(copy.getvalue(), max_size=largest)

        self._record.request = await self._ports.workers(look)
