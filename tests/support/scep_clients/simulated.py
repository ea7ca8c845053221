"""
Our simulated device, which enrolls as Apple's client does.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cryptography import x509

from scepd.simulator.failures import DeviceError
from scepd.simulator.http import DeviceHTTP
from scepd.simulator.identity import Identity
from scepd.simulator.patience import NO_PATIENCE, Patience
from scepd.simulator.scep_client import SCEPClient
from scepd.simulator.scep_failures import SCEPPending
from tests.support.scep_clients.outcome import Outcome, Result, not_issued


class SimulatedDevice:
    """
    A device with :class:`~scepd.simulator.scep_client.SCEPClient`, whose output is what it raised.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._subject = x509.Name.from_rfc4514_string(f"CN={name},O=Interop")
        self._identity: Identity | None = None

    def enroll(self, url: str, challenge: str) -> Outcome:
        """
        Send a PKCSReq, by POST where that is offered.
        """
        return self._outcome(url, lambda client: client.enroll(self._subject, challenge))

    def renew(self, url: str, challenge: str) -> Outcome:
        """
        Send the request that the authority's capabilities call for, for a fresh key.
        """
        identity = self._identity
        assert identity is not None, "there is nothing to renew before it has enrolled"
        return self._outcome(
            url, lambda client: client.renew(identity, client.make_key(2048), challenge=challenge)
        )

    def poll(self, url: str, challenge: str, approve: Callable[[], None]) -> Outcome:
        """
        Send a PKCSReq, then CertPolls.
        """
        return self._outcome(url, lambda client: self._polled(client, url, challenge, approve))

    def _polled(
        self, client: SCEPClient, url: str, challenge: str, approve: Callable[[], None]
    ) -> Identity:
        http = DeviceHTTP()
        try:
            SCEPClient(url, http, patience=NO_PATIENCE).enroll(self._subject, challenge)
        except SCEPPending as pending:
            approve()
            return client.poll(pending.request)
        finally:
            http.close()
        raise DeviceError("the authority did not answer PENDING")

    def _outcome(self, url: str, ask: Callable[[SCEPClient], Identity]) -> Outcome:
        http = DeviceHTTP()
        try:
            self._identity = ask(SCEPClient(url, http, patience=Patience(interval=0.2)))
        except DeviceError as error:
            return not_issued("the CA refused" in str(error), str(error))
        finally:
            http.close()
        return Outcome(Result.ISSUED, self._identity.summary, "")
