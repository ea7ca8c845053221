"""
The certificate authorities as they were read last, for requests that come by the thousand.
"""

from __future__ import annotations

from dataclasses import dataclass

from hyperlink import URL
from twisted.internet.interfaces import IReactorTime

from scepd.model import CertificateAuthority
from scepd.ports import CertificateAuthorityStore, UpstreamTarget
from scepd.services.upstream_targets import UpstreamTargets

_FRESH_SECONDS = 5.0
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class KnownCA:
    """
    A certificate authority, and what follows from its record.

    :param host: its host name, for sentences.
    """

    record: CertificateAuthority
    target: UpstreamTarget
    host: str


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
        self._known: dict[str, tuple[float, KnownCA]] = {}

    def known(self, name: str) -> KnownCA | None:
        """
        The one of that name, if it was read just now.
        """
        found = self._known.get(name)
        if found is None or self._clock.seconds() >= found[0]:
            return None
        return found[1]

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

    def _learn(self, record: CertificateAuthority) -> KnownCA:
        before = self._known.get(record.name)
        if before is not None and before[1].record == record:
            known = before[1]
        else:
            known = KnownCA(record, self._targets.of(record), URL.from_text(record.url).host)
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[record.name] = (self._clock.seconds() + _FRESH_SECONDS, known)
        return known
