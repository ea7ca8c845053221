"""
The bench of the proxy: whole enrollments directly to a stub CA, and through the daemon.
"""

from __future__ import annotations

import argparse
import http.client
import os
import shutil
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from tests.support.daemon import Daemon
from tests.support.pki import party
from tests.support.processes import RunningProgram
from tests.support.scep_messages import cert_rep, pkcs_req

_CA = "BENCH"


def _stub_certificate() -> bytes:
    """
    A CA certificate that is valid now.
    """
    key = party("CN=bench").key
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "bench")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1)
    builder = builder.not_valid_before(now - timedelta(days=1))
    builder = builder.not_valid_after(now + timedelta(days=1))
    builder = builder.add_extension(x509.BasicConstraints(True, None), critical=True)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def _cpu(pid: int) -> float:
    """
    Seconds of CPU time that a process has used.
    """
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _enroll(port: int, path: str) -> None:
    """
    One enrollment on one connection, as a device does it.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    message = pkcs_req()
    requests = (
        ("GET", "GetCACaps", None),
        ("GET", "GetCACert", None),
        ("POST", "PKIOperation", message),
    )
    for method, operation, body in requests:
        connection.request(method, f"{path}?operation={operation}", body)
        answer = connection.getresponse()
        assert answer.status == 200, (operation, answer.status, answer.read())
        answer.read()
    connection.close()


class Bench:
    """
    A stub CA, a daemon, and as many open windows as enrollments go through it.
    """

    def __init__(self, folder: Path, rounds: int, enrollments: int) -> None:
        self._rounds = rounds
        self._enrollments = enrollments
        (folder / "certificate").write_bytes(_stub_certificate())
        (folder / "cert-rep").write_bytes(cert_rep())
        argv = [sys.executable, "-m", "tests.support.stub_ca"]
        files = [str(folder / "certificate"), str(folder / "cert-rep")]
        self.stub = RunningProgram([*argv, *files], Path.cwd())
        self.stub_port = int(self.stub.wait_for(lambda line: line.strip().isdigit(), "port"))
        self.daemon = Daemon(folder / "etc", {"log.level": '"warn"', "log.format": '"text"'})

    def start(self) -> None:
        """
        Start the daemon and add the stub.
        """
        argv = [str(Path(sys.executable).with_name("twistd")), "-n", "--pidfile=", "scepd"]
        self.daemon.running = RunningProgram([*argv, "--config", "scepd.toml"], self.daemon.folder)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                http.client.HTTPConnection("127.0.0.1", self.daemon.admin_port).connect()
                break
            except ConnectionRefusedError:
                continue
        self.daemon.add_ca(_CA, f"http://127.0.0.1:{self.stub_port}/scep", "bench")
        sample = Path("tests/data/scep-profile.mobileconfig").read_bytes()
        self.profile = self.daemon.add_profile(sample.replace(b"Test_SCEP", _CA.encode()))

    async def open_windows(self) -> list[str]:
        """
        A host with an open window for each enrollment; the paths of their proxy URLs.
        """
        async with self.daemon.stores() as stores:
            return [
                await stores.deliver(f"BENCH-{number}", self.profile, _CA)
                for number in range(self._rounds * self._enrollments)
            ]

    def run(self, paths: list[str]) -> None:
        """
        Measure in turn, and print.
        """
        pid = self.daemon.running_program.process.pid
        ratios, proxied_cpu = [], []
        for number in range(self._rounds):
            mine = paths[number * self._enrollments : (number + 1) * self._enrollments]
            direct = _timed(self.stub_port, ["/scep"] * len(mine))
            before = _cpu(pid)
            proxied = _timed(self.daemon.device_port, mine)
            proxied_cpu.append((_cpu(pid) - before) / len(mine))
            ratios.append(proxied / direct)
        print(f"enrollments a round           {self._enrollments}, rounds {self._rounds}")
        print(f"time, proxied / direct        {statistics.median(ratios):.2f} (median)")
        print(f"daemon's CPU per enrollment   {statistics.median(proxied_cpu) * 1000:.2f} ms")

    def stop(self) -> None:
        """
        End both.
        """
        self.daemon.stop()
        self.stub.stop()


def _timed(port: int, paths: list[str]) -> float:
    """
    Seconds for an enrollment at each of these paths, one after the other.
    """
    began = time.perf_counter()
    for path in paths:
        _enroll(port, path)
    return time.perf_counter() - began


def main() -> int:
    """
    Run the bench; the exit status.
    """
    parser = argparse.ArgumentParser(prog="scripts/bench")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--enrollments", type=int, default=100)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="scepd-bench-"))
    bench = Bench(folder, arguments.rounds, arguments.enrollments)
    found: list[list[str]] = []

    def prepare() -> None:
        """
        Open the windows while the reactor runs, and stop it.
        """
        opened = Deferred.fromCoroutine(bench.open_windows())
        opened.addCallback(found.append).addErrback(lambda failure: failure.printTraceback())
        opened.addBoth(lambda _: reactor.stop())

    try:
        bench.start()
        reactor.callWhenRunning(prepare)
        reactor.run()
        if not found:
            return 1
        bench.run(found[0])
    finally:
        bench.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
