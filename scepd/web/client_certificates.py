"""
The certificate by which a connection proves who sent a message: that of TLS, or one that a trusted
proxy passes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from OpenSSL.crypto import FILETYPE_ASN1, dump_certificate
from twisted.internet.address import UNIXAddress
from twisted.internet.interfaces import IAddress
from twisted.logger import Logger
from twisted.web.http import Request

from scepd.errors import EncodingError
from scepd.mdm.client_certificate import client_certificate
from scepd.services.checkin_identity import DeviceRefused

UNIX = "unix"
"""
What stands for whoever connects to a unix: listener.
"""

_log = Logger()


class TrustedProxies:
    """
    The addresses that are believed.

    :param names: networks such as ``10.0.0.0/8`` or ``::1``, and the word ``unix``.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._unix = UNIX in names
        self._networks: list[IPv4Network | IPv6Network] = [
            ip_network(name) for name in names if name != UNIX
        ]

    def __contains__(self, address: object) -> bool:
        """
        Whether the other end of a connection is believed.
        """
        if isinstance(address, UNIXAddress):
            return self._unix
        try:
            found = ip_address(str(getattr(address, "host", "")).partition("%")[0])
        except ValueError:
            return False
        # What a listener on :: says of IPv4.
        found = getattr(found, "ipv4_mapped", None) or found
        return any(found in network for network in self._networks)


class ClientCertificates:
    """
    Finds the certificate of a connection.

    :param header: its name, in which ``trusted`` proxies pass it on; empty: none does.
    :param on_refusal: called when somebody else sends that header.
    """

    def __init__(
        self,
        header: str = "",
        trusted: TrustedProxies | None = None,
        on_refusal: Callable[[], object] = lambda: None,
    ) -> None:
        self._header = header.encode("ascii")
        self._trusted = trusted or TrustedProxies(())
        self._on_refusal = on_refusal

    def of(self, request: Request) -> bytes:
        """
        The DER of the certificate whose key was proved, or nothing.

        :raises DeviceRefused: the header comes from an address that is not believed.
        :raises MessageError: it came twice, or holds no certificate.
        """
        values = self._header and request.requestHeaders.getRawHeaders(self._header)
        if not values:
            return _peer_certificate(request)
        self._refuse_stranger(request.getClientAddress())
        if len(values) > 1:
            raise EncodingError("the header of the client certificate came more than once")
        # A proxy says so that its client has shown none.
        return client_certificate(values[0]) if values[0].strip() else b""

    def _refuse_stranger(self, address: IAddress) -> None:
        if address in self._trusted:
            return
        self._on_refusal()
        _log.error(
            "Refused a message with the header {header} from {address}, which is not one of [mdm] "
            "trusted_proxies",
            header=self._header.decode("ascii"),
            address=getattr(address, "host", None) or str(address),
        )
        raise DeviceRefused("a client certificate is taken from trusted proxies only")


def _peer_certificate(request: Request) -> bytes:
    """
    What the client showed in the TLS handshake; its key signed that.
    """
    ask = getattr(getattr(request.channel, "transport", None), "getPeerCertificate", None)
    found = None if ask is None else ask()
    return b"" if found is None else dump_certificate(FILETYPE_ASN1, found)
