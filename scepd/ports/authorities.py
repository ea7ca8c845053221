"""
The certificate authorities that operators added.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from scepd.model import Activity, CertificateAuthority


class CertificateAuthorityStore(Protocol):
    """
    The certificate authorities that operators added.
    """

    async def add_certificate_authority(self, ca: CertificateAuthority, activity: Activity) -> None:
        """
        Store a new one. To what failed while there was none of that name, AUTHORITY_RECOVERED
        happens.

        :raises Conflict: the name or the webhook is taken.
        """

    async def certificate_authority(self, name: str) -> CertificateAuthority | None:
        """
        The one of that name, or None.
        """

    async def certificate_authority_of_webhook(
        self, webhook_id: str
    ) -> CertificateAuthority | None:
        """
        The one with that webhook, or None.
        """

    async def certificate_authorities(
        self, *, after: str = "", limit: int = 100
    ) -> Sequence[CertificateAuthority]:
        """
        At most ``limit`` of them by name, from the first name greater than ``after``.
        """

    async def certificate_authority_names(self) -> frozenset[str]:
        """
        The names of all of them.
        """

    async def record_check(
        self,
        name: str,
        certificates: tuple[bytes, ...],
        capabilities: tuple[str, ...],
        checked_at: datetime,
        activity: Activity | None = None,
    ) -> None:
        """
        Store what a live check of it brought.

        :param activity: stored with it, where the check found something to tell.
        :raises NotFound: it is gone.
        """

    async def replace_certificates(
        self,
        name: str,
        before: tuple[bytes, ...],
        after: tuple[bytes, ...],
        activity: Activity,
    ) -> bool:
        """
        Store its new certificates, unless another does so at the same time.

        :param after: where they are the same as ``before``, the activity is all that is stored.
        :returns: whether ``before`` were still the stored ones; else nothing changes.
        """

    async def change_certificate_authority(
        self, before: CertificateAuthority, after: CertificateAuthority, activity: Activity
    ) -> None:
        """
        Store other settings of it, and what a live check with them brought. With another URL or
        challenge, AUTHORITY_RECOVERED happens to what has failed of it.

        :param before: as it was read; certificates, capabilities and their time may have changed
            since.
        :param after: of the same name.
        :raises NotFound: it is gone.
        :raises Conflict: another changed its settings meanwhile.
        """

    async def remove_certificate_authority(
        self, name: str, activity: Activity, *, force: bool
    ) -> None:
        """
        Remove it.

        :raises NotFound: there is none of that name.
        :raises Conflict: profiles use it (the text names up to five by their identifiers) and
            ``force`` is false.
        """
