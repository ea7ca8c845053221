"""
Certificates that the embedded certificate authority issued, as operators see them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from scepd.errors import Fault, InvalidInput
from scepd.model import REVOCATION_REASONS, Activity, IssuedCertificate
from scepd.ports import CertificateStore
from scepd.services.clock import utc_now

_SERIAL = re.compile("[0-9A-F]{1,40}")

_log = Logger()


class Certificates:
    """
    Lists and revokes them.
    """

    def __init__(self, store: CertificateStore, clock: IReactorTime) -> None:
        self._store = store
        self._clock = clock

    async def list(self, *, after: str = "", limit: int = 100) -> Sequence[IssuedCertificate]:
        """
        A page of certificates, newest first.

        :param after: the serial number of the last one of the page before.
        """
        return await self._store.certificate_page(after=after, limit=limit)

    async def revoke(self, serial: str, reason: str, actor: str) -> IssuedCertificate:
        """
        Let a certificate count no more; there is no way back.

        :param serial: hex, perhaps with colons.
        :param reason: one of ``REVOCATION_REASONS``.
        :param actor: the name of the operator's token.
        :raises InvalidInput: another reason, or the serial number is not hex.
        :raises NotFound: there is no such certificate.
        :raises Conflict: it is revoked already.
        """
        wanted = serial.replace(":", "").upper()
        if not _SERIAL.fullmatch(wanted):
            message = "A serial number in hexadecimal digits is allowed."
            raise InvalidInput((Fault("serial", message),))
        # As they are stored: in whole octets. People leave the first zero out.
        digits = wanted.lstrip("0") or "0"
        wanted = "0" * (len(digits) % 2) + digits
        if reason not in REVOCATION_REASONS:
            message = f"One of {', '.join(REVOCATION_REASONS)} is allowed."
            raise InvalidInput((Fault("reason", message),))
        activity = Activity(utc_now(self._clock), actor, "revoked certificate", wanted)
        revoked = await self._store.revoke(wanted, reason, activity)
        _log.info("Revoked {serial} of {subject!r}", serial=wanted, subject=revoked.subject)
        return revoked
