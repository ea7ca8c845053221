"""
The embedded certificate authority's change to a new key and certificate.
"""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from scepd.model import Activity, CARole
from scepd.pki.certificates import CertificateSummary, summarize
from scepd.ports import CAStateStore
from scepd.services.ca_keys import CAKeys
from scepd.services.clock import utc_now
from scepd.services.issuers import Issuers


class CARollOver:
    """
    Two steps with time between them, in which clients may fetch the next certificate.
    """

    def __init__(self, keys: CAKeys, store: CAStateStore, clock: IReactorTime) -> None:
        self._keys = keys
        self._store = store
        self._clock = clock

    async def status(self) -> list[tuple[CARole, CertificateSummary]]:
        """
        The certificates that have not expired: next, current, previous ones.
        """
        return _summaries(await self._keys.read_again())

    async def plan(self, actor: str) -> list[tuple[CARole, CertificateSummary]]:
        """
        Make the next key and certificate; clients can fetch the certificate from now on.

        :param actor: the name of the operator's token.
        :raises Conflict: there are next ones already.
        """
        # Before the first request there is nothing yet that could be followed.
        await self._keys.issuers()
        state = await self._keys.make(CARole.NEXT)
        now = utc_now(self._clock)
        activity = Activity(now, actor, "planned roll-over of the embedded CA", state.serial)
        await self._store.plan_ca_state(state, activity)
        return await self.status()

    async def commit(self, actor: str) -> list[tuple[CARole, CertificateSummary]]:
        """
        Issue with the next certificate from now on.

        :param actor: the name of the operator's token.
        :raises Conflict: there is no next one.
        """
        now = utc_now(self._clock)
        activity = Activity(now, actor, "committed roll-over of the embedded CA", "")
        await self._store.commit_ca_state(activity)
        return await self.status()

    async def cancel(self, actor: str) -> list[tuple[CARole, CertificateSummary]]:
        """
        Forget the next certificate; who has fetched it already will not see it again.

        :param actor: the name of the operator's token.
        :raises Conflict: there is no next one.
        """
        now = utc_now(self._clock)
        activity = Activity(now, actor, "cancelled roll-over of the embedded CA", "")
        await self._store.cancel_ca_state(activity)
        return await self.status()


def _summaries(issuers: Issuers) -> list[tuple[CARole, CertificateSummary]]:
    found = [(CARole.CURRENT, issuers.current)]
    if issuers.next is not None:
        found.insert(0, (CARole.NEXT, issuers.next))
    found.extend((CARole.PREVIOUS, one) for one in issuers.previous)
    return [(role, summarize(issuer.certificate)) for role, issuer in found]
