"""
Our own probe of certificate authorities that are out: GetCACaps and GetCACert, by one process.
"""

from __future__ import annotations

from urllib.parse import quote

from twisted.internet.defer import CancelledError, Deferred, DeferredList, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from scepd.config import SCEPProxySection
from scepd.errors import ScepdError, TemporaryError, UpstreamError, UpstreamFault
from scepd.model import CertificateAuthority
from scepd.ports import CertificateAuthorityStore, Upstream
from scepd.scep.transport import classify_ca_body
from scepd.services.breakers import Breakers
from scepd.services.leases import HeldLease, Leases
from scepd.services.upstream_targets import UpstreamTargets

_LOOK = 2.0
_HEAD = 32
_MOST_CAPABILITIES_BYTES = 8192
_OWN_FAULT = "scepd failed to probe it; see the log"

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
        See what other processes did, and probe those whose time has come, all at once. It is over
        when the last probe is, and what happens to one is nothing to the others.

        :raises StorageUnavailable: the rest comes with the next look.
        """
        await self._breakers.refresh()
        failures: list[Failure] = []
        probes = [
            Deferred.fromCoroutine(self._guarded(name)).addErrback(failures.append)
            for name in self._breakers.due_probes()
        ]
        await DeferredList(probes)
        _tell(failures)

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
        reason = await self._failure(ca)
        if reason is None:
            await self._breakers.probe_succeeded(ca_name)
        else:
            await self._breakers.probe_failed(ca_name, reason)

    async def _failure(self, ca: CertificateAuthority) -> str | None:
        """
        Why it could not be asked, or did not answer as it should, in a sentence; None: it did.

        :raises TemporaryError: we could not ask, and that is nothing to this one.
        """
        try:
            await self._ask(ca)
        except UpstreamError as error:
            reason = error.sentence
        except (CancelledError, TemporaryError):
            raise
        except ScepdError as error:
            # Its record can't be used: the key of its client certificate is lost, for one.
            reason = str(error)
        except Exception:  # noqa: BLE001 - else no look would ever get further than this one
            _log.failure("Failed to probe {ca}", ca=ca.name)
            return _OWN_FAULT
        else:
            return None
        _log.info("The probe of {ca} failed: {reason}", ca=ca.name, reason=reason)
        return reason

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


def _tell(failures: list[Failure]) -> None:
    """
    Log what should not be, and raise what whoever does this periodically is to know of.
    """
    for failure in failures:
        if not failure.check(CancelledError, TemporaryError):
            _log.failure("A probe of a certificate authority broke off", failure)
    for kind in (CancelledError, TemporaryError):
        for failure in failures:
            if failure.check(kind):
                failure.raiseException()
