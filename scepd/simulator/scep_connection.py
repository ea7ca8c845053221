"""
A SCEP URL, and what is asked of it by HTTP (RFC 8894 section 4).
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from urllib.parse import quote

from scepd.pki.authorities import certificate_authorities, choose_issuer
from scepd.pki.certificates import choose_recipient, parse_ca_certificates
from scepd.pki.identity import identify
from scepd.scep.capabilities import Capabilities
from scepd.scep.dialect import Form
from scepd.scep.messages import MAX_MESSAGE_SIZE
from scepd.scep.transport import PKI_MESSAGE
from scepd.simulator.http import DeviceHTTP


@dataclass(frozen=True, slots=True)
class Authority:
    """
    What GetCACaps and GetCACert told.

    :param capabilities: of the authority.
    :param certificates: the DER of each, at least one; all of them may sign answers.
    """

    capabilities: Capabilities
    certificates: tuple[bytes, ...]

    @property
    def recipient(self) -> bytes:
        """
        The certificate that requests are encrypted to, DER.
        """
        return choose_recipient(self.certificates)

    @property
    def issuer(self) -> bytes:
        """
        The DER of the name of the authority that issues to clients.
        """
        return identify(choose_issuer(self.certificates)).subject

    @property
    def issuers(self) -> tuple[bytes, ...]:
        """
        The DER of each certificate that is no registration authority's.
        """
        return certificate_authorities(self.certificates)


class SCEPConnection:
    """
    The operations of one SCEP URL.

    :param url: where the authority is; a query it has stays in it.
    :param http: how to get there.
    """

    def __init__(self, url: str, http: DeviceHTTP) -> None:
        self._url = url
        self._http = http

    def authority(self) -> Authority:
        """
        Ask for GetCACaps and GetCACert.

        :returns: what they told.
        :raises DeviceError: the authority can't be reached, or answers with an error.
        :raises MessageError: an answer can't be read.
        """
        capabilities = Capabilities.parse(self._get("GetCACaps"))
        return Authority(capabilities, parse_ca_certificates(self._get("GetCACert")))

    def next_ca(self) -> bytes:
        """
        Ask for GetNextCACert.

        :returns: the answer, not looked at.
        :raises DeviceError: as :meth:`authority`; authorities without a next key answer so.
        """
        return self._get("GetNextCACert")

    def operate(self, message: bytes, form: Form, *, largest: int = MAX_MESSAGE_SIZE) -> bytes:
        """
        Send a PKIOperation.

        :param message: the pkiMessage.
        :param form: by which HTTP method.
        :param largest: octets of the answer.
        :returns: the answer, not looked at.
        :raises DeviceError: as :meth:`authority`, or the answer is too large.
        """
        if form == "get":
            # RFC 8894 section 4.1: base64 in the query, whose plus signs must be escaped.
            encoded = quote(base64.b64encode(message), safe="")
            return self._get("PKIOperation", encoded, largest=largest)
        return self._http.expect(
            "POST",
            self._operation("PKIOperation"),
            content=message,
            headers={"Content-Type": PKI_MESSAGE},
            largest=largest,
        )

    def _get(self, operation: str, message: str = "", *, largest: int = MAX_MESSAGE_SIZE) -> bytes:
        url = self._operation(operation)
        asked = f"{url}&message={message}" if message else url
        return self._http.expect("GET", asked, largest=largest)

    def _operation(self, operation: str) -> str:
        return f"{self._url}{'&' if '?' in self._url else '?'}operation={operation}"
