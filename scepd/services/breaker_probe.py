"""
Our own probe of certificate authorities that are out: GetCACaps and GetCACert, by one process.
"""

from __future__ import annotations

from urllib.parse import quote

from twisted.internet.defer import Deferred, TimeoutError, gatherResults
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from scepd.config import SCEPProxySection
from scepd.errors import UpstreamError, UpstreamFault
from scepd.model import CertificateAuthority
from scepd.ports import CertificateAuthorityStore, Upstream
from scepd.scep.transport import classify_ca_body
from scepd.services.breakers import Breakers
from scepd.services.leases import HeldLease, Leases
from scepd.services.upstream_targets import UpstreamTargets

_LOOK = 2.0
_HEAD = 32
_MOST_CAPABILITIES_BYTES = 8192

_log = Logger()


class BreakerProbe:
    """
    Keeps the view of the breakers fresh, and probes what is due.

    :ivar interval: seconds between two looks.
    """

    def __init__(
        self,
        breakers: Breakers,
        authorities: CertificateAuthorityStore,
        upstream: Upstream,
        targets: UpstreamTargets,
        leases: Leases,
        clock: IReactorTime,
        settings: SCEPProxySection,
    ) -> None:
        self.interval = min(_LOOK, settings.probe_after)
        self._breakers = breakers
        self._authorities = authorities
        self._upstream = upstream
        self._targets = targets
        self._leases = leases
        self._clock = clock
        self._settings = settings

    async def look(self) -> None:
        """
        See what other processes did, and probe those whose time has come, all at once.

        :raises StorageUnavailable: the rest comes with the next look.
        """
        await self._breakers.refresh()
        probes = [
            Deferred.fromCoroutine(self._guarded(name)) for name in self._breakers.due_probes()
        ]
        await gatherResults(probes, consumeErrors=True)

    async def _guarded(self, ca_name: str) -> None:
        async def work(held: HeldLease) -> None:
            """
            Another process may have probed it before this one got the lease.
            """
            await self._breakers.refresh()
            if self._breakers.is_probe_due(ca_name):
                await self._probe(ca_name)

        await self._leases.run(f"breaker {ca_name}", work)

    async def _probe(self, ca_name: str) -> None:
        ca = await self._authorities.certificate_authority(ca_name)
        if ca is None:
            await self._breakers.forget(ca_name)
            return
        try:
            await self._ask(ca)
        except UpstreamError as error:
            _log.info("The probe of {ca} failed: {reason}", ca=ca_name, reason=error.sentence)
            await self._breakers.probe_failed(ca_name, error.sentence)
        else:
            await self._breakers.probe_succeeded(ca_name)

    async def _ask(self, ca: CertificateAuthority) -> None:
        limit = self._settings.check_timeout
        asked = Deferred.fromCoroutine(self._fetch(ca))
        try:
            await asked.addTimeout(limit, self._clock)
        except TimeoutError:
            sentence = f"it did not answer scepd's probe within {limit:g} s"
            raise UpstreamError(UpstreamFault.TIMEOUT, sentence) from None

    async def _fetch(self, ca: CertificateAuthority) -> None:
        target = self._targets.of(ca)
        message = f"&message={quote(ca.ca_identifier, safe='')}" if ca.ca_identifier else ""
        # One that never told any can't be held to it.
        if ca.capabilities:
            query = f"operation=GetCACaps{message}".encode("ascii")
            await self._upstream.fetch(target, query, limit=_MOST_CAPABILITIES_BYTES)
        query = f"operation=GetCACert{message}".encode("ascii")
        limit = self._settings.max_message_size
        _, body = await self._upstream.fetch(target, query, limit=limit)
        if classify_ca_body(body[:_HEAD]) is None:
            sentence = "it answered scepd's probe (GetCACert) with a body that is none"
            raise UpstreamError(UpstreamFault.BODY, sentence)
