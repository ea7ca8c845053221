"""
The way of a certificate authority's answer to the device: looked at first, and its last byte kept
back.
"""

from __future__ import annotations

from scepd.errors import UpstreamError, UpstreamFault
from scepd.scep.observer import BoundedCopy
from scepd.services.answer_types import ENOUGH, answer_type, complaint
from scepd.services.proxying import DeviceConnection, Operation


class AnswerRelay:
    """
    Passes an answer on as it arrives, all but its last byte, once its beginning shows that it is
    one.

    The last byte waits until the exchange is committed: else a device could report its error before
    the reason is stored.

    :param host: the certificate authority's host name, for sentences.
    :param copy: what the observer reads afterwards, of a PKIOperation; None: nothing is copied.
    :ivar begun: whether the device has been given the beginning.
    :ivar passed_on: how many bytes it has been given.
    """

    def __init__(
        self, device: DeviceConnection, operation: Operation, host: str, copy: BoundedCopy | None
    ) -> None:
        self.begun = False
        self.passed_on = 0
        self._device = device
        self._operation = operation
        self._host = host
        self._copy = copy
        self._length: int | None = None
        self._kept = b""
        self._whole: str | None = None

    def start(self, status: int, length: int | None) -> None:
        """
        The head is in.

        :param length: of the body in bytes, where the certificate authority said.
        :raises UpstreamError: the status is not 200.
        """
        if status != 200:
            sentence = (
                f"{self._host} answered {self._operation.wire_name} with HTTP status {status}"
            )
            if 300 <= status < 400:
                sentence += "; redirects are not followed"
            raise UpstreamError(UpstreamFault.STATUS, sentence, status)
        self._length = length

    def pass_on(self, data: bytes) -> None:
        """
        Some bytes of the body.

        :raises UpstreamError: the body does not begin like an answer to the operation.
        """
        if self._copy is not None:
            self._copy.feed(data)
        self._kept += data
        if not self.begun and (self._is_whole() or not self._recognized(final=False)):
            return
        ready, self._kept = self._kept[:-1], self._kept[-1:]
        self._write(ready)

    def check_complete(self) -> None:
        """
        The body is complete.

        :raises UpstreamError: it was empty, or too short to be an answer to the operation.
        """
        if not self.begun and self._whole is None:
            self._recognized(final=True)

    def end(self) -> None:
        """
        Let the last byte go.
        """
        if self._whole is not None:
            self.passed_on = len(self._kept)
            self._device.answer(self._whole, self._kept)
            return
        self._write(self._kept)
        self._device.end_answer()

    def _is_whole(self) -> bool:
        """
        Whether all of it came in one piece: then it goes in one piece, when it may.
        """
        if len(self._kept) == self._length:
            self._whole = answer_type(self._operation, self._kept, final=True)
        return self._whole is not None

    def _write(self, data: bytes) -> None:
        if data:
            self.passed_on += len(data)
            self._device.write_answer(data)

    def _recognized(self, *, final: bool) -> bool:
        content_type = answer_type(self._operation, self._kept, final=final)
        if content_type is None:
            if final or len(self._kept) >= ENOUGH:
                sentence = complaint(self._host, self._operation, self._kept)
                raise UpstreamError(UpstreamFault.BODY, sentence)
            return False
        self.begun = True
        self._device.begin_answer(content_type, self._length)
        return True
