"""
Which addresses may be dialled, judged on the resolved address and not on the name.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from twisted.internet import address as twisted_address
from twisted.internet.interfaces import (
    IAddress,
    IHostnameResolver,
    IHostResolution,
    IReactorPluggableNameResolver,
    IReactorTCP,
    IReactorTime,
    IResolutionReceiver,
)
from zope.interface import implementer

_IP = IPv4Address | IPv6Address

# The metadata services of cloud machines that are not link-local: Alibaba's, Azure's, Oracle's;
# those of AWS and of Google over IPv6.
_METADATA = tuple(
    map(
        ip_network,
        ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::/32", "fd20:ce::254"),
    )
)

# "This network" (RFC 1122 section 3.2.1.3): Linux takes all of it for this machine. And everybody.
_NO_DESTINATION = tuple(map(ip_network, ("0.0.0.0/8", "255.255.255.255/32")))

# Translators to IPv4: the well-known one (RFC 6052), and those of local networks (RFC 8215).
_NAT64 = IPv6Network("64:ff9b::/96")
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")
# IPv4-translated addresses (RFC 2765 section 2.1).
_TRANSLATED = IPv6Network("::ffff:0:0:0/96")
_ISATAP = frozenset((bytes.fromhex("00005efe"), bytes.fromhex("02005efe")))


def is_allowed(address: str, *, allow_private: bool) -> bool:
    """
    Whether scepd may connect to ``address``.

    :param address: an IPv4 or IPv6 address in text, with or without a zone; nothing else is
        allowed.
    :param allow_private: whether private and loopback addresses are fine; link-local, multicast,
        broadcast, unspecified and metadata ones never are, nor are they in the clothes of an IPv6
        address: IPv4-mapped or -compatible, 6to4, Teredo, ISATAP or NAT64.
    """
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return all(_is_allowed(guise, allow_private) for guise in _guises(ip))


def _guises(ip: _IP) -> Sequence[_IP]:
    if isinstance(ip, IPv4Address):
        return (ip,)
    if ip.ipv4_mapped is not None:
        return (ip.ipv4_mapped,)
    inner = IPv4Address(ip.packed[-4:])
    if ip in _LOCAL_NAT64 and any(ip.packed[6:8]):
        # RFC 6052 section 2.2: a prefix of 48 bits is followed by half of the address.
        return (ip, inner, IPv4Address(ip.packed[6:8] + ip.packed[9:11]))
    if any(ip in network for network in (_NAT64, _LOCAL_NAT64, _TRANSLATED)):
        return (ip, inner)
    if ip.packed[8:12] in _ISATAP:
        return (ip, inner)
    if ip.sixtofour is not None:
        return (ip, ip.sixtofour)
    if ip.teredo is not None:
        return (ip, *ip.teredo)
    # ::1 is no IPv4 address, and neither is ::.
    if ip.packed.startswith(bytes(12)) and int(ip) > 1:
        return (ip, inner)
    return (ip,)


def _is_allowed(ip: _IP, allow_private: bool) -> bool:
    if ip.is_link_local or ip.is_multicast or ip.is_unspecified:
        return False
    if any(ip in network for network in _METADATA + _NO_DESTINATION):
        return False
    if allow_private:
        return True
    # Python takes these two for global.
    local = isinstance(ip, IPv6Address) and (ip.is_site_local or ip in _LOCAL_NAT64)
    return ip.is_global and not local


@implementer(IResolutionReceiver)
class _AllowedOnly:
    """
    Passes on the addresses that may be dialled and remembers the others.
    """

    def __init__(self, receiver: IResolutionReceiver, dialling: GuardedReactor) -> None:
        self._receiver = receiver
        self._dialling = dialling

    def resolutionBegan(self, resolution: IHostResolution) -> None:
        self._receiver.resolutionBegan(resolution)

    def addressResolved(self, address: IAddress) -> None:
        assert isinstance(address, twisted_address.IPv4Address | twisted_address.IPv6Address)
        if is_allowed(address.host, allow_private=self._dialling.allow_private):
            self._receiver.addressResolved(address)
        else:
            self._dialling.refused.append(address.host)

    def resolutionComplete(self) -> None:
        self._dialling.resolved = True
        self._receiver.resolutionComplete()


@implementer(IHostnameResolver)
class _GuardedResolver:
    def __init__(self, resolver: IHostnameResolver, dialling: GuardedReactor) -> None:
        self._resolver = resolver
        self._dialling = dialling

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        return self._resolver.resolveHostName(
            _AllowedOnly(resolutionReceiver, self._dialling),
            hostName,
            portNumber,
            addressTypes,
            transportSemantics,
        )


@implementer(IReactorTCP, IReactorTime, IReactorPluggableNameResolver)
class GuardedReactor:
    """
    A reactor for one dial, whose name resolver leaves out the addresses that may not be dialled.

    :ivar refused: the addresses that were left out.
    :ivar resolved: whether the name resolver is done.
    """

    def __init__(self, reactor: Any, *, allow_private: bool) -> None:
        self._reactor = reactor
        self.allow_private = allow_private
        self.refused: list[str] = []
        self.resolved = False
        self.nameResolver = _GuardedResolver(reactor.nameResolver, self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)
