"""
SCEP clients of others against the embedded CA and, through the proxy, against a CA of others.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase, TestCase

from tests.support.interop import InteropStage
from tests.support.interop_document import PATH, render
from tests.support.interop_matrix import (
    CANNOT,
    DEVICES,
    FAILURES,
    NOT_YET,
    Client,
    Server,
    as_expected,
)


class InteropTests(TestCase):
    """
    Each row of the matrix: what the client says is what the matrix says.
    """

    timeout = 180

    async def _assert_row(self, server: Server, client: Client) -> None:
        outcomes = await InteropStage().row(server, client)
        self.assertTrue(outcomes)
        for action, outcome in outcomes.items():
            cell = (server, client, action)
            said = f"{cell}: {outcome.result}\n{outcome.output}"
            self.assertTrue(as_expected(cell, outcome), said)

    async def test_scepclient(self) -> None:
        """
        scepclient at the embedded CA.
        """
        await self._assert_row(Server.OUR_CA, Client.SCEPCLIENT)

    async def test_scepclient_by_proxy(self) -> None:
        """
        scepclient at the embedded CA behind the proxy.
        """
        await self._assert_row(Server.OUR_CA_BY_PROXY, Client.SCEPCLIENT)

    async def test_scepclient_scepserver(self) -> None:
        """
        scepclient at scepserver behind the proxy.
        """
        await self._assert_row(Server.SCEPSERVER_BY_PROXY, Client.SCEPCLIENT)

    async def test_strongswan(self) -> None:
        """
        strongSwan at the embedded CA.
        """
        await self._assert_row(Server.OUR_CA, Client.STRONGSWAN)

    async def test_strongswan_by_proxy(self) -> None:
        """
        strongSwan at the embedded CA behind the proxy.
        """
        await self._assert_row(Server.OUR_CA_BY_PROXY, Client.STRONGSWAN)

    async def test_strongswan_scepserver(self) -> None:
        """
        strongSwan at scepserver behind the proxy.
        """
        await self._assert_row(Server.SCEPSERVER_BY_PROXY, Client.STRONGSWAN)

    async def test_certmonger(self) -> None:
        """
        certmonger at the embedded CA.
        """
        await self._assert_row(Server.OUR_CA, Client.CERTMONGER)

    async def test_certmonger_by_proxy(self) -> None:
        """
        certmonger at the embedded CA behind the proxy.
        """
        await self._assert_row(Server.OUR_CA_BY_PROXY, Client.CERTMONGER)

    async def test_certmonger_scepserver(self) -> None:
        """
        certmonger at scepserver behind the proxy.
        """
        await self._assert_row(Server.SCEPSERVER_BY_PROXY, Client.CERTMONGER)

    async def test_simulated_device(self) -> None:
        """
        The simulated device at the embedded CA.
        """
        await self._assert_row(Server.OUR_CA, Client.SIMULATED)

    async def test_simulated_device_by_proxy(self) -> None:
        """
        The simulated device at the embedded CA behind the proxy.
        """
        await self._assert_row(Server.OUR_CA_BY_PROXY, Client.SIMULATED)

    async def test_simulated_device_scepserver(self) -> None:
        """
        The simulated device at scepserver behind the proxy.
        """
        await self._assert_row(Server.SCEPSERVER_BY_PROXY, Client.SIMULATED)


class DocumentTests(SynchronousTestCase):
    """
    Tests for ``docs/interop.md``.
    """

    def test_is_the_matrix(self) -> None:
        """
        The document is what the matrix says; ``scripts/test --interop`` writes it.
        """
        self.assertEqual(PATH.read_text(encoding="utf-8"), render())

    def test_matrix(self) -> None:
        """
        Every client has a row, nothing is both a failure and untried, and of our own CA nothing
        fails.
        """
        self.assertEqual(set(DEVICES), set(Client))
        for server, client, action in FAILURES:
            self.assertIs(server, Server.SCEPSERVER_BY_PROXY)
            self.assertNotIn((server, client, action), NOT_YET)
            self.assertNotIn((None, client, action), CANNOT)
            self.assertNotIn((server, None, action), CANNOT)
