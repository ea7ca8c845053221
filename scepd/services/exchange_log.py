"""
The log lines of one exchange: its arrows in the sequence of a delivery, and how it ended.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from functools import cached_property

from twisted.logger import Logger
from twisted.python.failure import Failure

from scepd.errors import NotFound, ScepdError
from scepd.model import SCEPExchange
from scepd.ports import Subject
from scepd.services.operation import Operation

_log = Logger()
_WHO = " (host {host}, profile {profile}, CA {ca}, exchange {exchange})"


class Arrow(IntEnum):
    """
    The ways of a request and its answer, in order.
    """

    DEVICE_TO_SCEPD = 0
    SCEPD_TO_CA = 1
    CA_TO_SCEPD = 2
    SCEPD_TO_DEVICE = 3


_ARROW_TEXTS = ("device to scepd", "scepd to CA", "CA to scepd", "scepd to device")


class ExchangeLog:
    """
    Writes them; they name the exchange and hold nothing of its messages.

    :param new_id: gives the exchange's id, when it is first told.
    :param tells: whether anybody hears what is no warning.
    """

    def __init__(
        self,
        subject: Subject,
        operation: Operation,
        new_id: Callable[[], str],
        *,
        tells: bool = True,
    ) -> None:
        self._tells = tells
        self._subject = subject
        self._new_id = new_id
        self._operation = operation

    @cached_property
    def _who(self) -> dict[str, str]:
        return {
            "host": self._subject.host_uuid,
            "profile": self._subject.profile_uuid,
            "ca": self._subject.ca_name,
            "exchange": self.exchange_id,
        }

    @cached_property
    def exchange_id(self) -> str:
        """
        The exchange's id.
        """
        return self._new_id()

    def step(self, arrow: Arrow, *, cached: bool = False) -> None:
        """
        A message goes this way.

        :param cached: or would have gone, had the answer not been kept.
        """
        if not self._tells:
            return
        steps = self._operation.steps
        _log.info(
            "{operation}, {arrow}{how}" + _WHO,
            step=steps[arrow] if steps else "",
            operation=self._operation.wire_name,
            arrow=_ARROW_TEXTS[arrow],
            how=", from the cache" if cached else "",
            **({"cached": True} if cached else {}),
            **self._who,
        )

    def turned_away(self, error: ScepdError) -> None:
        """
        The request was not let through; that anybody asks for what does not exist is no news.
        """
        write = _log.debug if isinstance(error, NotFound) else _log.info
        write(
            "{operation} was not let through: {reason}" + _WHO,
            operation=self._operation.wire_name,
            reason=str(error),
            **self._who,
        )

    def broken_off(self, error: ScepdError) -> None:
        """
        There is no (whole) answer for the device.
        """
        _log.warn(
            "{operation} was broken off: {reason}" + _WHO,
            operation=self._operation.wire_name,
            reason=str(error),
            **self._who,
        )

    def stored(self, exchange: SCEPExchange) -> None:
        """
        A PKIOperation is over, and its record is stored.
        """
        failed = exchange.http_status >= 500
        if not failed and not self._tells:
            return
        write = _log.warn if failed else _log.info
        write(
            "PKIOperation {message_type}: {pki_status} {fail_info} {detail}" + _WHO,
            message_type=exchange.message_type,
            pki_status=exchange.pki_status,
            fail_info=exchange.fail_info or "",
            detail=exchange.detail,
            **self._who,
        )

    def failed(self, failure: Failure) -> None:
        """
        Something happened that is a fault of scepd.
        """
        _log.failure("Exchange {exchange} failed", failure, exchange=self._who["exchange"])
