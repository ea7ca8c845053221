"""
The embedded certificate authority among those that operators added.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from twisted.logger import Logger

from scepd.errors import Conflict, SecretUnreadable
from scepd.model import EMBEDDED_CA, Activity, CertificateAuthority, ChallengeMode
from scepd.pki.certificates import summarize
from scepd.ports import CertificateAuthorityStore
from scepd.scep.capabilities import Capabilities
from scepd.services.authority_input import DEFAULT_CONCURRENCY
from scepd.services.embedded_upstream import EmbeddedAuthority

_log = Logger()


class AuthoritiesWithBuiltIn:
    """
    A :class:`~scepd.ports.CertificateAuthorityStore` that knows one more: scepd's own, under its
    reserved name. It is always there, and nobody can change it.

    :param added: those that operators added.
    :param authority: gives the embedded one; its key is made when it is first looked at.
    :param external_url: the URL under which devices reach this server, without a trailing slash.
    """

    def __init__(
        self,
        added: CertificateAuthorityStore,
        authority: Callable[[], EmbeddedAuthority],
        external_url: str,
    ) -> None:
        self._added = added
        self._authority = authority
        self._external_url = external_url

    async def add_certificate_authority(self, ca: CertificateAuthority, activity: Activity) -> None:
        """
        Store a new one.

        :raises Conflict: the name or the webhook is taken.
        """
        refuse_built_in(ca.name)
        await self._added.add_certificate_authority(ca, activity)

    async def certificate_authority(self, name: str) -> CertificateAuthority | None:
        """
        The one of that name, or None.
        """
        if name == EMBEDDED_CA:
            return await self._built_in()
        return await self._added.certificate_authority(name)

    async def certificate_authority_of_webhook(
        self, webhook_id: str
    ) -> CertificateAuthority | None:
        """
        The one with that webhook, or None.
        """
        return await self._added.certificate_authority_of_webhook(webhook_id)

    async def certificate_authorities(
        self, *, after: str = "", limit: int = 100
    ) -> Sequence[CertificateAuthority]:
        """
        At most ``limit`` of them by name, from the first name greater than ``after``.
        """
        found = list(await self._added.certificate_authorities(after=after, limit=limit))
        if after < EMBEDDED_CA:
            try:
                found.append(await self._built_in())
            except SecretUnreadable as error:
                # The others are to be seen all the same.
                _log.error("{ca} can't be shown: {reason}", ca=EMBEDDED_CA, reason=str(error))
            found.sort(key=lambda ca: ca.name)
        return found[:limit]

    async def certificate_authority_names(self) -> frozenset[str]:
        """
        The names of all of them.
        """
        return await self._added.certificate_authority_names() | {EMBEDDED_CA}

    async def record_check(
        self,
        name: str,
        certificates: tuple[bytes, ...],
        capabilities: tuple[str, ...],
        checked_at: datetime,
        activity: Activity | None = None,
    ) -> None:
        """
        Store what a live check of it brought; nothing for the one that is always known.

        :raises NotFound: it is gone.
        """
        if name != EMBEDDED_CA:
            await self._added.record_check(name, certificates, capabilities, checked_at, activity)

    async def replace_certificates(
        self,
        name: str,
        before: tuple[bytes, ...],
        after: tuple[bytes, ...],
        activity: Activity,
    ) -> bool:
        """
        Store its new certificates; those of the one that is always known are known.
        """
        if name == EMBEDDED_CA:
            return False
        return await self._added.replace_certificates(name, before, after, activity)

    async def change_certificate_authority(
        self, before: CertificateAuthority, after: CertificateAuthority, activity: Activity
    ) -> None:
        """
        Store other settings of it.

        :raises NotFound: it is gone.
        :raises Conflict: it is built in, or another changed its settings meanwhile.
        """
        refuse_built_in(before.name)
        await self._added.change_certificate_authority(before, after, activity)

    async def remove_certificate_authority(
        self, name: str, activity: Activity, *, force: bool
    ) -> None:
        """
        Remove it.

        :raises NotFound: there is none of that name.
        :raises Conflict: it is built in; or profiles use it and ``force`` is false.
        """
        refuse_built_in(name)
        await self._added.remove_certificate_authority(name, activity, force=force)

    async def _built_in(self) -> CertificateAuthority:
        authority = self._authority()
        certificate = await authority.certificate()
        since = summarize(certificate).not_before
        return CertificateAuthority(
            name=EMBEDDED_CA,
            url=f"{self._external_url}/mdm/scep/ca",
            challenge=None,
            ca_identifier=None,
            trusted_certificates=None,
            max_concurrency=DEFAULT_CONCURRENCY,
            allow_single_des=False,
            certificates=(certificate,),
            capabilities=Capabilities.parse(authority.capabilities()).words,
            checked_at=since,
            created_at=since,
            challenge_mode=ChallengeMode.ONE_TIME,
        )


def refuse_built_in(name: str) -> None:
    """
    :raises Conflict: the name is that of scepd's own certificate authority.
    """
    if name == EMBEDDED_CA:
        raise Conflict(f"{EMBEDDED_CA} is scepd's own certificate authority: it can't be changed")
