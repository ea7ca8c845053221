"""
The programs of a run: the daemon, its CA, its database, the push double. Only they are ended.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Engine, create_engine

from scepd.storage.postgresql_engines import server_url
from scripts.bench_scep.authority import start_quietly
from scripts.bench_scep.processes import cpu_seconds
from scripts.simulate_fleet.options import Options
from scripts.simulate_fleet.reactor import Delays
from tests.support.daemon import Daemon
from tests.support.postgresql_server import PostgreSQLServer
from tests.support.processes import RunningProgram

CA_NAME = "Test_SCEP"
# A machine with other work is slow, and the run has its own limit.
_PATIENCE = 120.0
_QUIET = {"log.level": '"warn"'}


class Server:
    """
    A daemon that may be killed and started again, with what it took until then.
    """

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.delays = Delays()
        self._cpu = 0.0

    @property
    def is_running(self) -> bool:
        """
        Whether its process is there.
        """
        return self.daemon.running is not None and self.daemon.running.process.poll() is None

    @property
    def cpu(self) -> float:
        """
        Seconds of CPU time of all its processes so far.
        """
        now = cpu_seconds(self.daemon.running_program.process.pid) if self.is_running else 0.0
        return self._cpu + now

    def start(self) -> None:
        """
        Start it, or start it again.
        """
        start_quietly(self.daemon, _PATIENCE)

    def kill(self) -> None:
        """
        End it by SIGKILL.
        """
        self.delays.end_process(self.daemon)
        self._cpu = self.cpu
        self.daemon.kill()

    def stop(self) -> None:
        """
        End it.
        """
        if self.is_running:
            self._cpu = self.cpu
        self.daemon.stop()
        (self.daemon.folder / "scepd.log").write_text("\n".join(self._lines()))

    def complaints(self) -> list[str]:
        """
        Lines of its log about its own bugs.
        """
        lines = self._lines()
        return [line for line in lines if '"critical"' in line or line.startswith("Traceback")]

    def _lines(self) -> list[str]:
        running = self.daemon.running
        outputs = [*self.daemon.outputs, *([] if running is None else [running.output])]
        return [line for output in outputs for line in output.splitlines()]


class Stage:
    """
    All programs but the devices.

    :param folder: for their files.
    """

    def __init__(self, folder: Path, options: Options) -> None:
        self.folder = folder
        self.osquery_secret = secrets.token_urlsafe(18)
        self.pushes = 0
        self._options = options
        self._challenge = secrets.token_urlsafe(18)
        self._ends: list[Callable[[], object]] = []
        self._take_push: Callable[[str], None] = lambda token: None

    def start(self) -> None:
        """
        Start them, and let the daemon know the CA.
        """
        self.ca = self._start_ca()
        self.server = self._start_daemon(self._start_double(), self._database())
        url = f"http://127.0.0.1:{self.ca.daemon.device_port}/mdm/scep/ca"
        self.server.daemon.add_ca(CA_NAME, url, self._challenge, max_concurrency=16)

    def stop(self) -> None:
        """
        End them, the last first.
        """
        for end in reversed(self._ends):
            with contextlib.suppress(OSError):
                end()

    @property
    def base_url(self) -> str:
        """
        Where devices reach the daemon.
        """
        return f"http://127.0.0.1:{self.server.daemon.device_port}"

    def enrollment_url(self) -> str:
        """
        Make a token with which all devices enroll.
        """
        return self.server.daemon.enrollment_url()

    def pass_pushes_to(self, take: Callable[[str], None]) -> None:
        """
        Say who is told of the token of each push that the double took.
        """
        self._take_push = take

    # -- one by one --------------------------------------------------------------------------------

    def _start_ca(self) -> Server:
        settings = {**_QUIET, "ca.challenge_file": '"ca.challenge"', "ca.key_bits": "2048"}
        daemon = Daemon(self.folder / "ca", settings)
        challenge = daemon.folder / "ca.challenge"
        challenge.write_text(self._challenge)
        challenge.chmod(0o600)
        server = Server(daemon)
        self._ends.append(server.stop)
        server.start()
        return server

    def _start_double(self) -> dict[str, object]:
        argv = [sys.executable, "-m", "tests.support.apns_server", "--port", "0"]
        program = RunningProgram([*argv, "--directory", str(self.folder / "push")], Path.cwd())
        self._ends.append(program.stop)
        ready = json.loads(program.wait_for(lambda line: '"port"' in line, "push double"))
        threading.Thread(target=self._follow, args=(program,), daemon=True).start()
        assert isinstance(ready, dict)
        return ready

    def _follow(self, program: RunningProgram) -> None:
        for line in program.follow():
            if line.startswith('{"push"'):
                told = json.loads(line)
                self.pushes += 1
                if told["status"] == 200:
                    self._take_push(told["push"])

    def _database(self) -> dict[str, str]:
        if self._options.store == "sqlite":
            self._url = f"sqlite:///{self.folder / 'etc' / 'scepd.sqlite'}"
            return {}
        server = PostgreSQLServer()
        self._ends.append(server.remove)
        url = server.create("fleet")
        self._url = str(server_url(url).render_as_string(hide_password=False))
        return {"storage.url": f'"{url}"'}

    def engine(self) -> Engine:
        """
        Make a connection to the daemon's database, to look at it.
        """
        return create_engine(self._url)

    def _start_daemon(self, double: dict[str, object], database: dict[str, str]) -> Server:
        secret = self.folder / "osquery"
        secret.write_text(self.osquery_secret)
        daemon = Daemon(
            self.folder / "etc",
            {
                **_QUIET,
                **self._intervals(),
                **database,
                "apns.host": '"127.0.0.1"',
                "apns.port": str(double["port"]),
                "apns.certificate_file": json.dumps(double["push_certificate"]),
                "apns.key_file": json.dumps(double["push_key"]),
                "apns.trusted_certificates_file": json.dumps(double["ca"]),
                "osquery.enroll_secret_file": json.dumps(str(secret)),
            },
        )
        server = Server(daemon)
        self._ends.append(server.stop)
        server.start()
        return server

    def _intervals(self) -> dict[str, str]:
        """
        What takes minutes and hours elsewhere; the more devices, the longer.
        """
        agents = self._options.agents_interval
        return {
            "ca.key_bits": "2048",
            "profiles.tick": "1.0",
            "profiles.deliveries_per_tick": "0",
            "profiles.retry_waits": "[2, 4, 8]",
            # In a small fleet few requests meet the outage.
            "scep_proxy.breaker_failures": "1",
            "scep_proxy.probe_after": "1.0",
            "scep_proxy.probe_longest": "3.0",
            "verification.after_acknowledgement": "2.0",
            # Longer than from one inventory to the next, which comes with a question of the agent:
            # else all hosts are asked over MDM, too.
            "verification.agent_silence": f"{max(5.0, 3.5 * agents):.1f}",
            "verification.interval": f"{max(4.0, 2 * agents):.1f}",
            "verification.grace": f"{max(30.0, 4 * agents):.1f}",
        }
