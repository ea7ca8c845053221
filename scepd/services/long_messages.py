"""
Messages of devices that are longer than what is taken: operators hear of them, as a command whose
answer is that long is never answered.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from scepd.errors import MessageError, StorageUnavailable
from scepd.mdm.signature import named_certificate
from scepd.ports import CheckInStore, Workers
from scepd.services.begun import begin

_QUIET = 60.0
# In that time; anybody can send long messages.
_MOST_TOLD = 20

_log = Logger()


@dataclass(frozen=True, slots=True)
class LongMessage:
    """
    A message whose body is not read.

    :param length: octets of the body, as its head says; None: it only turned out to be too long.
    :param limit: the most that is taken.
    :param signature: the ``Mdm-Signature`` header; empty: there is none.
    :param certificate: DER of what the connection proves; empty: nothing.
    :param address: of the client.
    """

    length: int | None
    limit: int
    signature: bytes
    certificate: bytes
    address: str


class LongMessages:
    """
    Tells of them in the log: one line a minute for each sender, and a few in all.
    """

    def __init__(self, store: CheckInStore, workers: Workers, clock: IReactorTime) -> None:
        self._store = store
        self._workers = workers
        self._clock = clock
        self._told: dict[str, float] = {}
        self._looks = 0

    def refused(self, message: LongMessage) -> None:
        """
        A message was refused; who sent it is looked up meanwhile.
        """
        now = self._clock.seconds()
        self._told = {sender: at for sender, at in self._told.items() if now - at < _QUIET}
        if len(self._told) + self._looks < _MOST_TOLD:
            self._looks += 1
            begin(self._tell(message), self._done, self._failed)

    async def _tell(self, message: LongMessage) -> None:
        fingerprint = await self._fingerprint(message)
        sender = fingerprint or message.address
        if sender in self._told:
            return
        self._told[sender] = self._clock.seconds()
        host = await self._host(fingerprint)
        _log.warn(
            "Refused a message of {length} bytes from {sender}: at most {limit} are taken. A"
            " command that it answers counts as not answered",
            length=f"more than {message.limit}" if message.length is None else message.length,
            limit=message.limit,
            sender=f"host {host}" if host else message.address,
            # So says the signature, which can't be verified without the body.
            identity=fingerprint,
            host=host,
        )

    async def _fingerprint(self, message: LongMessage) -> str:
        """
        The SHA-256 of the certificate that counts, in hex; empty: there is none.
        """
        certificate = message.certificate
        if message.signature:
            try:
                certificate = await self._workers(lambda: named_certificate(message.signature))
            except MessageError:
                return ""
        return sha256(certificate).hexdigest() if certificate else ""

    async def _host(self, fingerprint: str) -> str | None:
        if not fingerprint:
            return None
        try:
            identity = await self._store.identity(fingerprint)
        except StorageUnavailable:
            return None
        return None if identity is None else identity.host_uuid

    def _done(self, _: None) -> None:
        self._looks -= 1

    def _failed(self, failure: Failure) -> None:
        self._looks -= 1
        _log.failure("Could not tell whose message was too long", failure)
