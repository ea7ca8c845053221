"""
Our simulated device, which enrolls as Apple's client does.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cryptography import x509

from scepd.simulator.failures import DeviceError
from scepd.simulator.http import DeviceHTTP
from scepd.simulator.scep_client import Identity, SCEPClient
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
        raise NotImplementedError("the simulated device does not renew by itself")

    def poll(self, url: str, challenge: str, approve: Callable[[], None]) -> Outcome:
        """
        Send a PKCSReq, then CertPolls.
        """
        raise NotImplementedError("the simulated device does not poll")

    def _outcome(self, url: str, ask: Callable[[SCEPClient], Identity]) -> Outcome:
        http = DeviceHTTP()
        try:
            self._identity = ask(SCEPClient(url, http))
        except DeviceError as error:
            return not_issued("the CA refused" in str(error), str(error))
        finally:
            http.close()
        return Outcome(Result.ISSUED, self._identity.summary, "")
