"""
The embedded certificate authority's revocation lists, made when they are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from twisted.internet.defer import DeferredLock
from twisted.internet.interfaces import IReactorTime

from scepd.errors import NotFound
from scepd.model import IssuedCertificate
from scepd.pki.issuing import Issuer, describe_issuer
from scepd.pki.revocation_lists import Revocation, build_revocation_list
from scepd.ports import CertificateStore, Workers
from scepd.services.ca_keys import CAKeys
from scepd.services.clock import utc_now


@dataclass(frozen=True, slots=True)
class _Made:
    """
    A list that may be given out again.

    :param count: how many certificates were ever revoked when it was made.
    """

    revocation_list: bytes = field(repr=False)
    made_at: datetime
    count: int


class RevocationLists:
    """
    One list for each certificate of the authority; it is made anew once something was revoked, or
    half of its lifetime is over.

    :param lifetime: seconds.
    """

    def __init__(
        self,
        store: CertificateStore,
        keys: CAKeys,
        workers: Workers,
        clock: IReactorTime,
        lifetime: float,
    ) -> None:
        self._store = store
        self._keys = keys
        self._workers = workers
        self._clock = clock
        self._lifetime = timedelta(seconds=lifetime)
        self._made: dict[str, _Made] = {}
        self._one_at_a_time = DeferredLock()

    async def with_serial(self, serial: str | None) -> bytes:
        """
        The list of a certificate of the authority.

        :param serial: hex; None: of the current one.
        :returns: DER.
        :raises NotFound: there is no such certificate.
        """
        issuers = await self._keys.issuers()
        issuer = issuers.current if serial is None else issuers.with_serial(serial.upper())
        if issuer is None:
            raise NotFound("the authority has no certificate of that serial number")
        return await self.of(issuer)

    async def of(self, issuer: Issuer) -> bytes:
        """
        The list of what that issuer issued, DER.

        :raises StorageUnavailable: the database did not answer.
        """
        await self._one_at_a_time.acquire()
        try:
            return await self._newest(issuer)
        finally:
            self._one_at_a_time.release()

    async def _newest(self, issuer: Issuer) -> bytes:
        serial, now = describe_issuer(issuer.certificate).serial, utc_now(self._clock)
        count = await self._store.count_revoked(serial)
        made = self._made.get(serial)
        if made is None or made.count != count or now - made.made_at >= self._lifetime / 2:
            revoked = await self._store.revoked(serial, now)
            entries = [_entry(certificate) for certificate in revoked]
            encoded = await self._workers(
                lambda: build_revocation_list(issuer, entries, now, self._lifetime)
            )
            made = self._made[serial] = _Made(encoded, now, count)
        return made.revocation_list


def _entry(certificate: IssuedCertificate) -> Revocation:
    at, reason = certificate.revoked_at, certificate.revocation_reason
    assert at is not None and reason is not None, "only revoked ones were asked for"
    return Revocation(certificate.serial, at, reason)
