"""
micromdm's ``scepclient``: single DES and SHA-1, whatever is offered.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.support.processes import program, run
from tests.support.scep_clients.outcome import Outcome, issued, not_issued


class SCEPClientDevice:
    """
    A device with ``scepclient``; it takes a ``cert.pem`` in its folder for the one to renew.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._program = program("scepclient")

    def enroll(self, url: str, challenge: str) -> Outcome:
        """
        Send a PKCSReq.
        """
        return self._run(url, "-challenge", challenge)

    def renew(self, url: str, challenge: str) -> Outcome:
        """
        Send a RenewalReq: the same key, signed with its certificate.
        """
        # It would send the CSR of the enrollment once more, with the challenge in it.
        (self._folder / "csr.pem").unlink()
        return self._run(url, *(("-challenge", challenge) if challenge else ()))

    def poll(self, url: str, challenge: str, approve: Callable[[], None]) -> Outcome:
        """
        It has no CertPoll; it repeats its PKCSReq after 30 seconds.
        """
        raise NotImplementedError("scepclient can't poll")

    def _run(self, url: str, *options: str) -> Outcome:
        before = self._certificate()
        argv = [self._program, "-server-url", url, "-private-key", "key.pem"]
        argv += ["-certificate", "cert.pem", "-cn", self._name, "-organization", "Interop"]
        argv += ["-country", "", "-ou", "", *options]
        done = run(argv, self._folder)
        output, after = done.stdout + done.stderr, self._certificate()
        if done.returncode == 0 and after != before:
            return issued(after, (self._folder / "key.pem").read_bytes(), output)
        return not_issued("request failed, failInfo" in output, output)

    def _certificate(self) -> bytes:
        path = self._folder / "cert.pem"
        return path.read_bytes() if path.exists() else b""
