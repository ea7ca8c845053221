"""
The certificate authorities as they were read last, for requests that come by the thousand.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hyperlink import URL
from twisted.internet.interfaces import IReactorTime

from scepd.model import CertificateAuthority
from scepd.ports import CertificateAuthorityStore, UpstreamTarget
from scepd.scep.capabilities import Capabilities
from scepd.services.authority_check import read_capabilities
from scepd.services.upstream_targets import UpstreamTargets

_FRESH_SECONDS = 5.0
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class KnownCA:
    """
    A certificate authority, and what follows from its record.

    :param record: as it is stored, but for capabilities that it told since its last check.
    :param host: its host name, for sentences.
    :param way: what decides whose answers its answers are; worked out once, as each request asks.
    """

    record: CertificateAuthority
    target: UpstreamTarget
    host: str
    way: tuple[str | None, ...]


@dataclass(slots=True)
class _Entry:
    """
    :param fresh_until: seconds by the clock.
    :param stored: the record as it was read.
    """

    fresh_until: float
    stored: CertificateAuthority
    known: KnownCA


class CADirectory:
    """
    Keeps each record for 5 seconds: another process may have changed it. What is changed in this
    one is to be forgotten at once, by :meth:`forget`.
    """

    def __init__(
        self, store: CertificateAuthorityStore, clock: IReactorTime, targets: UpstreamTargets
    ) -> None:
        self._store = store
        self._targets = targets
        self._clock = clock
        self._known: dict[str, _Entry] = {}

    def known(self, name: str) -> KnownCA | None:
        """
        The one of that name, if it was read just now.
        """
        found = self._known.get(name)
        if found is None or self._clock.seconds() >= found.fresh_until:
            return None
        return found.known

    async def find(self, name: str) -> KnownCA | None:
        """
        The one of that name, or None when there is none.

        :raises StorageUnavailable: the database did not answer.
        :raises SecretUnreadable: no key of the keyring opens the key of its client certificate.
        """
        known = self.known(name)
        if known is None:
            record = await self._store.certificate_authority(name)
            if record is None:
                self._known.pop(name, None)
                return None
            known = self._learn(record)
        return known

    def forget(self, name: str) -> None:
        """
        The record of that name has changed.
        """
        self._known.pop(name, None)

    def capabilities_told(self, ca: KnownCA, body: bytes) -> None:
        """
        Go by what a certificate authority answers to GetCACaps now, until its record is another:
        what a check stores is newer then.

        An answer without any word that RFC 8894 knows is not believed; some answer so while they
        start.

        :param ca: which was asked.
        :param body: the answer.
        """
        entry = self._known.get(ca.record.name)
        words, _ = read_capabilities(body)
        if entry is None or not Capabilities(words).make_sense:
            return
        before = entry.known.record
        if entry.known.way != ca.way or words == before.capabilities:
            return
        entry.known = replace(entry.known, record=replace(before, capabilities=words))

    def _learn(self, record: CertificateAuthority) -> KnownCA:
        before = self._known.get(record.name)
        if before is not None and before.stored == record:
            known = before.known
        else:
            host = URL.from_text(record.url).host
            known = KnownCA(record, self._targets.of(record), host, _way_to(record))
        if len(self._known) >= _MOST:
            self._known.clear()
        until = self._clock.seconds() + _FRESH_SECONDS
        self._known[record.name] = _Entry(until, record, known)
        return known


def _way_to(record: CertificateAuthority) -> tuple[str | None, ...]:
    return (
        record.url,
        record.ca_identifier,
        record.outgoing_proxy,
        record.pinned_sha256,
        record.trusted_certificates,
        record.client_certificate,
    )
