"""
A CA that is out while profiles are due: seen by operators, and mended by nobody.
"""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from tests.support.fleet import STATIC_CHALLENGE, Fleet
from tests.support.tcp_gate import TCPGate

_CROWD = 3
_SETTINGS = {
    # The first failure opens it: each device's error finds it open.
    "scep_proxy.breaker_failures": "1",
    "scep_proxy.probe_after": "0.5",
    "scep_proxy.probe_longest": "1.0",
    "scep_proxy.one_time_urls": "true",
}


class OutageTests(TestCase):
    """
    The daemon with its embedded CA behind a port that can be closed.
    """

    timeout = 120

    async def test_outage(self) -> None:
        """
        While the CA is out, rows and ``scepctl ca show`` say since when and why, and the CA is left
        in peace; when it is back, all rows end verified, and no attempt was counted.
        """
        fleet = Fleet(_SETTINGS)
        self.addCleanup(fleet.stop)
        await fleet.start()
        gate = TCPGate(fleet.daemon.device_port)
        gate.open()
        self.addCleanup(gate.close)
        url = f"http://127.0.0.1:{gate.listens_on}/mdm/scep/ca"
        await deferToThread(fleet.daemon.add_ca, "Test_SCEP", url, STATIC_CHALLENGE)
        await fleet.enroll(_CROWD)
        await gate.close()
        profile = await fleet.add_profile()
        await fleet.until(profile, lambda row: "unreachable since" in row["detail"], agents=False)
        shown = await self.breaker(fleet)
        self.assertEqual(shown["state"], "open")
        told = await deferToThread(fleet.daemon.ctl, "ca", "show", "Test_SCEP")
        self.assertIn("127.0.0.1 refused the connection", told.stdout)
        self.assertIn('scepd_ca_breaker_state{ca="Test_SCEP"} 2.0', await self.metrics(fleet))
        # Some probes fail meanwhile.
        while (await self.breaker(fleet))["next_probe_at"] == shown["next_probe_at"]:
            await deferLater(reactor, 0.2)
        gate.open()
        await fleet.until_verified(profile)
        rows = await fleet.rows(profile)
        self.assertEqual([row["attempts"] for row in rows.values()], [0] * _CROWD)
        self.assertEqual((await self.breaker(fleet))["state"], "closed")
        for text in ("open, was closed", "half_open, was open", "closed, was half_open"):
            self.assertIn(text, fleet.daemon.running_program.output)

    async def breaker(self, fleet: Fleet) -> dict[str, Any]:
        """
        What the API tells of the breaker.
        """
        with fleet.daemon.api() as api:
            answer = await deferToThread(api.get, "/certificate_authorities/Test_SCEP")
        found: dict[str, Any] = answer.json()["breaker"]
        return found

    async def metrics(self, fleet: Fleet) -> str:
        """
        The daemon's metrics.
        """
        with fleet.daemon.api() as api:
            answer = await deferToThread(api.get, f"{fleet.daemon.admin_url}/metrics")
        return str(answer.text)
