"""
What clients ask of the embedded certificate authority: certificates and revocation lists.
"""

from __future__ import annotations

from scepd.errors import CertificateUnknown, NotFound
from scepd.pki.issuing import Issuer, describe_issuer
from scepd.ports import IssuingStore
from scepd.scep.attributes import MessageType
from scepd.services.ca_keys import CAKeys
from scepd.services.issuing_answers import Granted, GrantedList
from scepd.services.issuing_requests import (
    FOREIGN_ISSUER,
    NO_SUCH_CERTIFICATE,
    ReceivedQuery,
)
from scepd.services.revocation_lists import RevocationLists


class IssuingQueries:
    """
    Answers GetCert and GetCRL (RFC 8894 section 3.3.4) to whoever knows a serial number, which
    nobody can guess.
    """

    def __init__(self, keys: CAKeys, store: IssuingStore, lists: RevocationLists) -> None:
        self._keys = keys
        self._store = store
        self._lists = lists

    async def answer(self, received: ReceivedQuery) -> Granted | GrantedList:
        """
        The certificate, or the list of its issuer.

        :raises CertificateUnknown: this authority issued no such certificate.
        """
        issuer = (await self._keys.issuers()).named(received.asked.issuer)
        if issuer is None:
            raise CertificateUnknown(NO_SUCH_CERTIFICATE) from NotFound(FOREIGN_ISSUER)
        certificate = await self._certificate(issuer, received.asked.serial_number)
        if received.message.message_type is MessageType.GET_CRL:
            return GrantedList(await self._lists.of(issuer))
        return Granted(certificate)

    async def _certificate(self, issuer: Issuer, number: int) -> bytes:
        described = describe_issuer(issuer.certificate)
        serial = f"{number:X}" if number > 0 else ""
        serial = "0" * (len(serial) % 2) + serial
        if serial == described.serial:
            return issuer.certificate
        found = await self._store.certificate_by_serial(serial)
        if found is None or found.issuer_serial != described.serial:
            cause = NotFound("there is no certificate of that serial number")
            raise CertificateUnknown(NO_SUCH_CERTIFICATE) from cause
        return found.certificate
