"""
Tests for :mod:`scepd.network.dial`.
"""

from __future__ import annotations

from dataclasses import replace

from twisted.internet.error import (
    ConnectionRefusedError,
    NoRouteError,
    TCPTimedOutError,
    TimeoutError,
)

from scepd.errors import UpstreamFault
from scepd.ports import UpstreamTarget
from tests.network.doubles import LIMITS
from tests.network.pool_cases import PoolTestCase


class DialTests(PoolTestCase):
    """
    Tests for Dial.
    """

    def test_connects(self) -> None:
        """
        The URL's host is resolved and its port dialled; the waiter gets the connection.
        """
        self.dial()
        self.assertEqual(self.network.names.asked, ["ca.example"])
        self.assertEqual(self.network.dialled, [("192.0.2.1", 80)])
        self.network.accept()
        self.assertIsNotNone(self.waiter.connection)
        self.assertEqual(self.waiter.errors, [])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_ipv6(self) -> None:
        """
        An IPv6 address in the URL is dialled.
        """
        self.network.names.addresses["2001:db8::1"] = ["2001:db8::1"]
        self.dial(self.make_pool(UpstreamTarget("ca", "http://[2001:db8::1]:8080/", None)))
        self.assertEqual(self.network.dialled, [("2001:db8::1", 8080)])

    def test_unknown_name(self) -> None:
        """
        A name without addresses is a DNS fault.
        """
        self.network.names.addresses.clear()
        self.dial()
        self.assert_failed(UpstreamFault.DNS, "the host name ca.example has no address")

    def test_invalid_name(self) -> None:
        """
        A name that can't be one is a DNS fault.
        """
        self.dial(self.make_pool(UpstreamTarget("ca", "http://a..b/", None)))
        self.assert_failed(UpstreamFault.DNS, "a..b is not a valid host name")

    def test_unusable_settings(self) -> None:
        """
        A URL or trusted certificates that can't be used fail the dial, and nothing is dialled.
        """
        broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"
        for url, trust, fault in (
            ("http://h:x/", None, UpstreamFault.ADDRESS),
            ("ftp://h/", None, UpstreamFault.ADDRESS),
            ("https://ca.example/", "", UpstreamFault.TLS),
            ("https://ca.example/", broken, UpstreamFault.TLS),
            ("https://a..b/", broken, UpstreamFault.TLS),
        ):
            self.waiter.errors.clear()
            self.dial(self.make_pool(UpstreamTarget("ca", url, trust)))
            self.assertEqual([error.fault for error in self.waiter.errors], [fault], url)
        self.assertEqual(self.network.dialled, [])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_refused_address(self) -> None:
        """
        A name that leads to nothing but refused addresses is an address fault, with the addresses.
        """
        self.network.names.addresses["ca.example"] = ["169.254.169.254", "fe80::1"]
        self.dial()
        self.assert_failed(
            UpstreamFault.ADDRESS,
            "the address of ca.example (169.254.169.254, fe80::1) may not be connected to",
        )

    def test_private_address(self) -> None:
        """
        With private addresses forbidden, a loopback address is an address fault.
        """
        self.network.names.addresses["ca.example"] = ["127.0.0.1"]
        self.dial(self.make_pool(limits=replace(LIMITS, allow_private=False)))
        self.assertEqual(self.waiter.errors[0].fault, UpstreamFault.ADDRESS)
        self.assertEqual(self.network.dialled, [])

    def test_connect_errors(self) -> None:
        """
        Refused, timed out and unreachable are told apart.
        """
        for error, fault, sentence in (
            (ConnectionRefusedError(), UpstreamFault.REFUSED, "ca.example refused the connection"),
            (
                TimeoutError(),
                UpstreamFault.TIMEOUT,
                "no connection to ca.example: it does not answer",
            ),
            (
                TCPTimedOutError(110),
                UpstreamFault.TIMEOUT,
                "no connection to ca.example: it does not answer",
            ),
            (
                NoRouteError(113),
                UpstreamFault.REFUSED,
                "no connection to ca.example: No route to host",
            ),
        ):
            self.waiter.errors.clear()
            self.dial()
            self.network.refuse(error)
            self.reactor.advance(1)
            self.assert_failed(fault, sentence)

    def test_black_hole(self) -> None:
        """
        An address that does not answer fails the dial at its deadline, and is given up.
        """
        self.dial()
        attempt = self.reactor.connectors[0]
        self.reactor.advance(10)
        self.assertTrue(attempt.stoppedConnecting)
        self.assertEqual(self.waiter.errors[0].fault, UpstreamFault.TIMEOUT)
        self.assertEqual(str(self.waiter.errors[0]), "no connection to ca.example within 10 s")

    def test_silent_name_server(self) -> None:
        """
        A name server that does not answer fails the dial at its deadline, and is named.
        """
        self.network.names.silent = True
        self.dial()
        self.reactor.advance(10)
        self.assert_failed(
            UpstreamFault.TIMEOUT, "the name server did not answer for ca.example within 10 s"
        )

    def test_second_address(self) -> None:
        """
        When the first address is a black hole, the second is used and the first attempt ended.
        """
        self.network.names.addresses["ca.example"] = ["2001:db8::1", "192.0.2.1"]
        self.dial()
        black_hole = self.reactor.connectors[0]
        self.reactor.advance(1)
        self.network.take_attempt()
        self.network.accept()
        self.assertIsNotNone(self.waiter.connection)
        self.assertTrue(black_hole.stoppedConnecting)

    def test_cancel(self) -> None:
        """
        A cancelled dial gives its attempt up and tells nobody.
        """
        dial = self.dial()
        dial.cancel()
        self.assertTrue(self.reactor.connectors[0].stoppedConnecting)
        self.reactor.advance(100)
        self.assertEqual((self.waiter.connection, self.waiter.errors), (None, []))
        self.assertTrue(self.pool.empty)

    def test_cancel_while_resolving(self) -> None:
        """
        A dial that is cancelled while the name is resolved dials nothing.
        """
        self.network.names.silent = True
        self.dial().cancel()
        self.assertEqual(self.network.dialled, [])
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertTrue(self.pool.empty)
