"""
Tests for :mod:`scepd.network.addresses`.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import DNSLookupError
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import SynchronousTestCase

from scepd.network.addresses import GuardedReactor, is_allowed
from tests.network.doubles import MemoryNetwork

ALWAYS_REFUSED = (
    "169.254.169.254",
    "169.254.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "224.0.0.1",
    "239.255.255.250",
    "0.0.0.0",
    "0.1.2.3",
    "0.255.255.255",
    "255.255.255.255",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "ff02::1",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fd20:ce::254",
)
PRIVATE = (
    "10.0.0.1",
    "172.16.9.9",
    "192.168.1.1",
    "127.0.0.1",
    "100.64.0.1",
    "::1",
    "fd12:3456::1",
    "fec0::1",
    "64:ff9b:1::808:808",
)
PUBLIC = ("8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8", "2002:808:808::1")

refused_v4 = st.one_of(
    st.sampled_from([IPv4Address(a) for a in ALWAYS_REFUSED if ":" not in a]),
    st.ip_addresses(network="169.254.0.0/16"),
    st.ip_addresses(network="224.0.0.0/4"),
    st.ip_addresses(network="0.0.0.0/8"),
).map(lambda ip: IPv4Address(int(ip)))


def disguises(ip: IPv4Address) -> list[str]:
    """
    The IPv6 forms of an IPv4 address, written by hand from their RFCs.
    """
    high, low = f"{int(ip) >> 16:x}", f"{int(ip) & 0xFFFF:x}"
    inverted = int(ip) ^ 0xFFFFFFFF
    return [
        f"::ffff:{ip}",
        f"::ffff:{ip}%lo",
        f"::ffff:0:{high}:{low}",
        f"2002:{high}:{low}::1",
        f"64:ff9b::{high}:{low}",
        f"64:ff9b:1::{high}:{low}",
        f"2001:0:{high}:{low}:0:0:808:808",
        f"2001:0:808:808:0:0:{inverted >> 16:x}:{inverted & 0xFFFF:x}",
        f"2606:4700::5efe:{high}:{low}",
    ]


class IsAllowedTests(SynchronousTestCase):
    """
    Tests for is_allowed().
    """

    def test_always_refused(self) -> None:
        """
        Link-local, multicast, broadcast, unspecified and metadata addresses are refused, whatever
        is configured.
        """
        for address in ALWAYS_REFUSED:
            self.assertFalse(is_allowed(address, allow_private=True), address)
            self.assertFalse(is_allowed(address, allow_private=False), address)

    def test_private(self) -> None:
        """
        Private and loopback addresses are allowed exactly when they are configured to be.
        """
        for address in PRIVATE:
            self.assertTrue(is_allowed(address, allow_private=True), address)
            self.assertFalse(is_allowed(address, allow_private=False), address)

    def test_public(self) -> None:
        """
        Public addresses are allowed in every form.
        """
        for address in PUBLIC:
            self.assertTrue(is_allowed(address, allow_private=True), address)
            self.assertTrue(is_allowed(address, allow_private=False), address)

    def test_no_address(self) -> None:
        """
        What is not an address is not allowed.
        """
        for text in ("", "localhost", "1.2.3", "2130706433", "1.2.3.4:80", "[::1]"):
            self.assertFalse(is_allowed(text, allow_private=True), text)

    @given(refused_v4)
    def test_disguised(self, ip: IPv4Address) -> None:
        """
        A refused IPv4 address stays refused in IPv4-mapped and -translated, 6to4, NAT64, Teredo and
        ISATAP form.
        """
        for disguise in disguises(ip):
            self.assertFalse(is_allowed(disguise, allow_private=True), disguise)

    @given(st.ip_addresses(network="10.0.0.0/8"))
    def test_disguised_private(self, ip: IPv4Address | IPv6Address) -> None:
        """
        A private IPv4 address in IPv6 form is private too.
        """
        for disguise in disguises(IPv4Address(int(ip))):
            self.assertFalse(is_allowed(disguise, allow_private=False), disguise)

    def test_compatible(self) -> None:
        """
        The old IPv4-compatible form, and NAT64 behind a local prefix of 48 bits, hide nothing.
        """
        for address in ("::169.254.169.254", "64:ff9b:1:a9fe:a9:fe00::"):
            self.assertFalse(is_allowed(address, allow_private=True), address)

    @given(st.text(max_size=50) | st.text("0123456789abcdef:.%[]/", max_size=50))
    def test_any_text(self, text: str) -> None:
        """
        Of no text an error comes, and what is allowed is an address.
        """
        if is_allowed(text, allow_private=True):
            ip_address(text.partition("%")[0])

    @given(st.ip_addresses(v=6))
    def test_any(self, ip: IPv4Address | IPv6Address) -> None:
        """
        What is allowed without private addresses is allowed with them.
        """
        if is_allowed(str(ip), allow_private=False):
            self.assertTrue(is_allowed(str(ip), allow_private=True))


class GuardedReactorTests(SynchronousTestCase):
    """
    Tests for GuardedReactor.
    """

    def setUp(self) -> None:
        """
        A name with three addresses, of which two are refused.
        """
        self.network = MemoryNetwork()
        self.names = self.network.names
        self.names.addresses["mixed.example"] = ["169.254.169.254", "::ffff:10.0.0.1", "192.0.2.7"]

    def test_only_allowed(self) -> None:
        """
        Of a name's addresses only those that are allowed are dialled, and the others remembered.
        """
        guarded = GuardedReactor(self.network.reactor, allow_private=True)
        self.names.addresses["mixed.example"].remove("::ffff:10.0.0.1")
        HostnameEndpoint(guarded, "mixed.example", 80).connect(Factory.forProtocol(Protocol))
        self.network.reactor.advance(5)
        self.assertEqual(self.network.dialled, [("192.0.2.7", 80)])
        self.assertEqual(guarded.refused, ["169.254.169.254"])
        self.assertTrue(guarded.resolved)

    def test_none_allowed(self) -> None:
        """
        A name with none but refused addresses is like one without addresses: nothing is dialled.
        """
        guarded = GuardedReactor(self.network.reactor, allow_private=False)
        self.names.addresses["mixed.example"].remove("192.0.2.7")
        endpoint = HostnameEndpoint(guarded, "mixed.example", 80)
        self.failureResultOf(endpoint.connect(Factory.forProtocol(Protocol)), DNSLookupError)
        self.assertEqual(self.network.dialled, [])
        self.assertEqual(guarded.refused, ["169.254.169.254", "::ffff:10.0.0.1"])
