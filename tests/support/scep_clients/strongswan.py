"""
strongSwan's ``pki --scepca`` and ``pki --scep``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.support.processes import PATIENCE, RunningProgram, installed_file, program, run
from tests.support.scep_clients.outcome import Outcome, issued, not_issued

# Without this plugin it has no HTTP.
_HTTP = "/usr/lib/ipsec/plugins/libstrongswan-curl.so"


class StrongSwanDevice:
    """
    A device with strongSwan.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._program = program("pki")
        installed_file(_HTTP)
        self._output = ""

    def enroll(self, url: str, challenge: str) -> Outcome:
        """
        Get the CA certificate, make a key, send a PKCSReq.
        """
        self._prepare(url)
        return self._run(url, "key", "--password", challenge)

    def renew(self, url: str, challenge: str) -> Outcome:
        """
        Send a RenewalReq: a fresh key, signed with the old one and its certificate.
        """
        self._output = ""
        self._make_key("fresh")
        options = ("--password", challenge) if challenge else ()
        old = ("--cert", "key-certificate.pem", "--key", "key.pem")
        return self._run(url, "fresh", *old, *options)

    def poll(self, url: str, challenge: str, approve: Callable[[], None]) -> Outcome:
        """
        Send a PKCSReq, and CertPolls each second.
        """
        self._prepare(url)
        argv = self._command(url, "key", "--password", challenge, "--interval", "1")
        running = RunningProgram([*argv, "--maxpolltime", "20"], self._folder)
        try:
            running.wait_for(lambda line: "polling every" in line, "PENDING")
            approve()
            code = running.process.wait(PATIENCE)
        finally:
            running.stop()
        # The certificate is in the same stream as what it says.
        text = running.output
        pem = text[text.find("-----BEGIN") :]
        return self._outcome("key", code, pem if "-----BEGIN" in text else "", text)

    def _prepare(self, url: str) -> None:
        argv = [self._program, "--scepca", "--url", url, "--outform", "pem", "--force"]
        self._output = run([*argv, "--caout", "ca.pem", "--raout", "ra.pem"], self._folder).stderr
        self._make_key("key")

    def _make_key(self, name: str) -> None:
        argv = [self._program, "--gen", "--type", "rsa", "--size", "2048", "--outform", "pem"]
        (self._folder / f"{name}.pem").write_text(run(argv, self._folder).stdout)

    def _command(self, url: str, key: str, *options: str) -> list[str]:
        argv = [self._program, "--scep", "--url", url, "--in", f"{key}.pem", "--outform", "pem"]
        argv += ["--dn", f"O=Interop, CN={self._name}"]
        return [*argv, "--cacert-enc", "ca.pem", "--cacert-sig", "ca.pem", *options]

    def _run(self, url: str, key: str, *options: str) -> Outcome:
        done = run(self._command(url, key, *options), self._folder)
        return self._outcome(key, done.returncode, done.stdout, done.stderr)

    def _outcome(self, key: str, code: int, pem: str, said: str) -> Outcome:
        output = self._output + said
        if code == 0 and pem:
            (self._folder / f"{key}-certificate.pem").write_text(pem)
            key_pem = (self._folder / f"{key}.pem").read_bytes()
            return issued(pem.encode(), key_pem, output)
        return not_issued("failInfo:" in output, output)
