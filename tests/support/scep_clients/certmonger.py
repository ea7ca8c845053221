"""
certmonger, the whole daemon, without D-Bus and in folders of its own.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

from tests.support.processes import installed_file, program, run
from tests.support.scep_clients.outcome import Outcome, issued, not_issued

_SUBMIT = "/usr/lib/certmonger/scep-submit"
_FOLDERS = ("CONFIG", "REQUESTS", "CAS", "LOCAL_CA")
# It knows these by itself, and would ask each of them for all that it can do, at each start.
_OTHER_CAS = ("IPA", "dogtag-ipa-renew-agent", "local")
# A command that waits until what it started has come to its end, one way or another.
_WAITS = "--wait --verbose"
# As long as the authority has not decided, the exit code is 5.
_UNTIL_DECIDED = """n=0; while [ $n -lt 50 ]; do
n=$((n + 1)); getcert status -i device; [ $? = 5 ] || break; sleep 0.2
done"""


class CertmongerDevice:
    """
    A device with certmonger. Each step runs its daemon for as long as a ``getcert`` takes; what it
    has to remember is in its folders.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder.absolute()
        self._name = name
        self._daemon = program("certmonger")
        self._submit = installed_file(_SUBMIT)
        for each in (*_FOLDERS, "TMP"):
            (self._folder / each).mkdir()
        for each in _OTHER_CAS:
            text = f"id={each}\nca_type=EXTERNAL\nca_external_helper=/bin/true\n"
            (self._folder / "CAS" / each).write_text(text)

    def enroll(self, url: str, challenge: str) -> Outcome:
        """
        Get the CA certificate, and have a key made and a PKCSReq sent, by GET.
        """
        return self._outcome(self._request(url, challenge))

    def renew(self, url: str, challenge: str) -> Outcome:
        """
        Send a PKCSReq for a fresh key, signed with the old one and its certificate.

        It has kept the URL and the challenge that it enrolled with, and sends them again.
        """
        before = self._certificate()
        output = self._getcert(f"getcert rekey -i device {_WAITS}")
        if self._certificate() == before:
            return not_issued(self._is_refusal(output), output)
        return self._outcome(output)

    def poll(self, url: str, challenge: str, approve: Callable[[], None]) -> Outcome:
        """
        Send a PKCSReq, and the same once more: with these authorities it never sends a CertPoll.
        """
        output = self._request(url, challenge)
        if "CA_WORKING" not in output:
            return not_issued(self._is_refusal(output), output)
        approve()
        return self._outcome(output + self._getcert("getcert refresh -i device", _UNTIL_DECIDED))

    def _request(self, url: str, challenge: str) -> str:
        done = run([self._submit, "-u", url, "-C"], self._folder)
        (self._folder / "ca.pem").write_text(done.stdout)
        # It verifies an answer only when it knows both who signs and who that chains to.
        authority = f"-u {shlex.quote(url)} -r {self._folder}/ca.pem -N {self._folder}/ca.pem"
        wanted = shlex.quote(f"CN={self._name},O=Interop")
        files = f"-f {self._folder}/cert.pem -k {self._folder}/key.pem"
        return done.stderr + self._getcert(
            f"getcert add-scep-ca -c interop {authority}",
            f"getcert request {_WAITS} -c interop -I device {files} -N {wanted}"
            f" -L {shlex.quote(challenge)}",
        )

    def _getcert(self, *commands: str) -> str:
        """
        Run the daemon with these commands, and return what they and it said.
        """
        script = self._folder / "commands.sh"
        script.write_text("\n".join([*commands, "getcert list -i device\n"]))
        argv = [self._daemon, "-n", "-L", "-P", str(self._folder / "socket"), "-d", "1"]
        folders = {f"CERTMONGER_{each}_DIR": str(self._folder / each) for each in _FOLDERS}
        environment = {
            **folders,
            "CERTMONGER_TMPDIR": str(self._folder / "TMP"),
            "CERTMONGER_SYSTEM_LOCK_FILE": str(self._folder / "lock"),
        }
        done = run([*argv, "-c", f"sh {script}"], self._folder, environment)
        return done.stdout + done.stderr

    def _outcome(self, output: str) -> Outcome:
        certificate = self._certificate()
        if "status: MONITORING" in output and certificate:
            return issued(certificate, (self._folder / "key.pem").read_bytes(), output)
        return not_issued(self._is_refusal(output), output)

    def _certificate(self) -> bytes:
        path = self._folder / "cert.pem"
        return path.read_bytes() if path.exists() else b""

    @staticmethod
    def _is_refusal(output: str) -> bool:
        return "status: CA_REJECTED" in output
