"""
The way of a certificate authority's answer to the device: looked at first, and its last byte kept
back.
"""

from __future__ import annotations

from scepd.errors import UpstreamError, UpstreamFault
from scepd.scep.observer import BoundedCopy
from scepd.scep.transport import (
    NEXT_CA_CERTIFICATES,
    PKI_MESSAGE,
    classify_ca_body,
    looks_like_pki_message,
)
from scepd.services.proxying import DeviceConnection, Operation

_ENOUGH = 32
_CA_CAPS = "text/plain"


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

    def start(self, status: int, length: int | None) -> None:
        """
        The head is in.

        :param length: of the body in bytes, where the certificate authority said.
        :raises UpstreamError: the status is not 200.
        """
        if status != 200:
            raise UpstreamError(
                UpstreamFault.STATUS,
                f"{self._host} answered {self._operation.wire_name} with HTTP status {status}",
                status,
            )
        self._length = length

    def pass_on(self, data: bytes) -> None:
        """
        Some bytes of the body.

        :raises UpstreamError: the body does not begin like an answer to the operation.
        """
        if self._copy is not None:
            self._copy.feed(data)
        self._kept += data
        if not self.begun and not self._recognized(final=False):
            return
        ready, self._kept = self._kept[:-1], self._kept[-1:]
        self._write(ready)

    def check_complete(self) -> None:
        """
        The body is complete.

        :raises UpstreamError: it was empty, or too short to be an answer to the operation.
        """
        if not self.begun:
            self._recognized(final=True)

    def end(self) -> None:
        """
        Let the last byte go.
        """
        self._write(self._kept)
        self._device.end_answer()

    def _write(self, data: bytes) -> None:
        if data:
            self.passed_on += len(data)
            self._device.write_answer(data)

    def _recognized(self, *, final: bool) -> bool:
        content_type = self._content_type(final=final)
        if content_type is None:
            if final or len(self._kept) >= _ENOUGH:
                raise UpstreamError(UpstreamFault.BODY, self._complaint())
            return False
        self.begun = True
        self._device.begin_answer(content_type, self._length)
        return True

    def _content_type(self, *, final: bool) -> str | None:
        """
        The exact Content-Type of the answer (RFC 8894 section 4), whatever the certificate
        authority said.
        """
        head = self._kept[:_ENOUGH]
        if self._operation is Operation.GET_CA_CAPS:
            # No capability at all is an empty answer (section 3.5.2); a page of HTML is none.
            text = head.lstrip()
            return None if text.startswith(b"<") or not (text or final) else _CA_CAPS
        if self._operation is Operation.GET_CA_CERT:
            return classify_ca_body(head)
        if not looks_like_pki_message(head):
            return None
        is_next = self._operation is Operation.GET_NEXT_CA_CERT
        return NEXT_CA_CERTIFICATES if is_next else PKI_MESSAGE

    def _complaint(self) -> str:
        what = "a body that is none" if self._kept else "an empty body"
        return f"{self._host} answered {self._operation.wire_name} with {what}"
