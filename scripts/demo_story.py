"""
The demo's story: start everything, add a CA, upload a profile, and watch it arrive.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import secrets
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from cryptography import x509
from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from scepd.simulator.agent import OsqueryAgent
from scepd.simulator.device import SimulatedDevice
from scepd.simulator.failures import DeviceError
from scepd.simulator.hardware import some_hardware
from scepd.simulator.http import DeviceHTTP
from tests.support.daemon import Daemon
from tests.support.processes import RunningProgram
from tests.support.sequence import ARROWS, SEQUENCE_A, SEQUENCE_B

_PATIENCE = 60.0
_CA = "Test_SCEP"

console = Console(highlight=False)


class Story:
    """
    Prints each step once all that come before it were printed.

    The steps come from two processes; what is printed in order happened in order, or the story
    fails: their times are compared.
    """

    def __init__(self) -> None:
        self.told: list[str] = []
        self._times: dict[str, float] = {}
        self._expected = iter(SEQUENCE_A + SEQUENCE_B)
        self._next: str | None = next(self._expected)
        self._changed = threading.Condition()
        self._began = time.time()

    def tell(self, step: str, at: float) -> None:
        """
        A step happened.
        """
        with self._changed:
            self._times.setdefault(step, at)
            while self._next is not None and self._next in self._times:
                self._print(self._next, self._times[self._next])
                self.told.append(self._next)
                self._next = next(self._expected, None)
            self._changed.notify_all()

    def wait_for(self, step: str) -> None:
        """
        Return when a step was told.

        :raises TimeoutError: it did not come.
        """
        deadline = time.monotonic() + _PATIENCE
        with self._changed:
            while step not in self.told:
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    raise TimeoutError(f"step {self._next} did not happen")

    def is_in_order(self) -> bool:
        """
        Whether every step happened, each not before the one that precedes it.
        """
        times = [self._times.get(step) for step in SEQUENCE_A + SEQUENCE_B]
        known = [at for at in times if at is not None]
        # The two processes' clocks are one, but a log line has only milliseconds.
        return len(known) == len(times) and all(
            later >= earlier - 0.002 for earlier, later in itertools.pairwise(known)
        )

    def _print(self, step: str, at: float) -> None:
        who, what = ARROWS[step]
        clock = f"{at - self._began:7.3f} s"
        console.print(f"  [bold cyan]{step:>3}[/]  [dim]{clock}[/]  {who:<16} {what}")


class Follower:
    """
    Reads a program's output in a thread and hands each JSON line on.
    """

    def __init__(self, program: RunningProgram, take: Callable[[dict[str, object]], None]) -> None:
        self._program = program
        self._take = take
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        for line in self._program.follow():
            if line.startswith("{"):
                self._take(json.loads(line))


def _log_time(event: dict[str, object]) -> float:
    return datetime.fromisoformat(str(event["time"])).timestamp()


class Demo:
    """
    The demo's parts, in the order of their start.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.story = Story()
        self.challenge = secrets.token_urlsafe(18)
        self.osquery_secret = secrets.token_urlsafe(18)
        self._woken = threading.Event()
        self._started: list[Callable[[], object]] = []

    def start(self) -> None:
        """
        Start the push double and the daemon.
        """
        apns = self._start_apns()
        (self.folder / "challenge").write_text(self.challenge)
        (self.folder / "osquery").write_text(self.osquery_secret)
        self.daemon = Daemon(
            self.folder / "etc",
            {
                "ca.challenge_file": json.dumps(str(self.folder / "challenge")),
                "apns.host": '"127.0.0.1"',
                "apns.port": str(apns["port"]),
                "apns.certificate_file": json.dumps(apns["push_certificate"]),
                "apns.key_file": json.dumps(apns["push_key"]),
                "apns.trusted_certificates_file": json.dumps(apns["ca"]),
                "osquery.enroll_secret_file": json.dumps(str(self.folder / "osquery")),
                "profiles.tick": "1.0",
                "verification.after_acknowledgement": "1.0",
                "log.level": '"info"',
            },
        )
        self._started.append(self.daemon.stop)
        self.daemon.start()
        Follower(self.daemon.running_program, self._take_log)

    def stop(self) -> None:
        """
        End what was started, the last first.
        """
        for end in reversed(self._started):
            with contextlib.suppress(OSError):
                end()

    def run(self) -> x509.Certificate:
        """
        Both sequences; returns the certificate that arrived.
        """
        external = f"http://127.0.0.1:{self.daemon.device_port}"
        console.print("\n[bold]A. An operator adds a CA[/]")
        self.daemon.scepctl_ca_add(_CA, f"{external}/mdm/scep/ca", self.challenge)
        self.story.wait_for("A6")
        device = self._enroll()
        console.print("\n[bold]B. A certificate reaches the device[/]")
        self.profile = self.daemon.scepctl_profile_add()
        self._deliver(device)
        self._verify(OsqueryAgent(device, DeviceHTTP(), external, self.osquery_secret))
        return device.keychain.identities[-1].summary

    def _enroll(self) -> SimulatedDevice:
        console.print("\n[bold]A device enrolls[/]")
        created = self.daemon.ctl("enroll-token", "create", "--name", "demo", "--json")
        url = str(json.loads(created.stdout)["url"])
        hardware = some_hardware()
        self.device = SimulatedDevice(
            hardware, DeviceHTTP(), story=lambda step, _: self.story.tell(step, time.time())
        )
        self.device.enroll(url)
        console.print(f"       {hardware.name}, serial {hardware.serial_number}")
        return self.device

    def _deliver(self, device: SimulatedDevice) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not device.keychain.identities:
            if not self._woken.wait(deadline - time.monotonic()):
                raise TimeoutError("no push reached the device")
            self._woken.clear()
            device.poll()
            if device.errors:
                raise DeviceError(device.errors[-1])

    def _verify(self, agent: OsqueryAgent) -> None:
        deadline = time.monotonic() + _PATIENCE
        while "B32" not in self.story.told:
            if not agent.poll():
                # Nothing is asked yet: an agent asks again after a while.
                threading.Event().wait(0.2)
            with contextlib.suppress(TimeoutError):
                if time.monotonic() > deadline:
                    break
        self.story.wait_for("B32")

    def _start_apns(self) -> dict[str, object]:
        argv = [sys.executable, "-m", "tests.support.apns_server", "--port", "0"]
        program = RunningProgram([*argv, "--directory", str(self.folder)], Path.cwd())
        self._started.append(program.stop)
        ready = json.loads(program.wait_for(lambda line: '"port"' in line, "push double"))
        Follower(program, self._take_push)
        assert isinstance(ready, dict)
        return ready

    def _take_push(self, event: dict[str, object]) -> None:
        if "push" in event:
            self._woken.set()

    def _take_log(self, event: dict[str, object]) -> None:
        step = event.get("step")
        if isinstance(step, str) and step in ARROWS:
            self.story.tell(step, _log_time(event))


def _show(demo: Demo, certificate: x509.Certificate, seconds: float) -> None:
    status = json.loads(demo.daemon.ctl("profile", "status", demo.profile, "--json").stdout)
    row = status[0]
    table = Table.grid(padding=(0, 2))
    for name, value in (
        ("profile", f"[bold green]{row['status']}[/] {row['detail']}".strip()),
        ("subject", certificate.subject.rfc4514_string()),
        ("issuer", certificate.issuer.rfc4514_string()),
        ("serial", f"{certificate.serial_number:X}"),
        ("expires", certificate.not_valid_after_utc.isoformat()),
        ("took", f"{seconds:.1f} s"),
    ):
        table.add_row(f"[dim]{name}[/]", value)
    console.print()
    console.print(Panel(table, title="The device has its certificate", expand=False))
    if row["status"] != "verified":
        raise DeviceError(f"the profile is {row['status']}: {row['detail']}")


_GO_ON = """
[bold]With your own CA[/]
  . .venv/bin/activate
  scepctl init
  twistd -n --pidfile= scepd --config etc/scepd.toml
  scepctl ca add NAME --url URL --challenge-file FILE
  scepctl enroll-token create --name NAME
  scepctl profile add FILE.mobileconfig
"""


def main() -> int:
    """
    Run the demo; the exit status.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    parser = argparse.ArgumentParser(prog="scripts/demo")
    parser.add_argument("--keep", action="store_true", help="leave everything running")
    keep = parser.parse_args().keep
    folder = Path(tempfile.mkdtemp(prefix="scepd-demo-"))
    demo, began = Demo(folder), time.monotonic()
    console.print("[bold]scepd[/]: a certificate's way to an Apple device, all on this machine")
    try:
        demo.start()
        _show(demo, demo.run(), time.monotonic() - began)
        if not demo.story.is_in_order():
            raise DeviceError("the steps did not happen in their order")
        console.print(_GO_ON)
        if keep:
            _keep(demo)
        return 0
    except (AssertionError, DeviceError, TimeoutError, OSError) as error:
        console.print(f"\n[bold red]The demo failed:[/] {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        demo.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _keep(demo: Demo) -> None:
    token = demo.daemon.folder / "admin.token"
    console.print(f"Kept running until Ctrl-C: admin API {demo.daemon.admin_url}")
    scepctl = f".venv/bin/scepctl --server {demo.daemon.admin_url} --token-file {token}"
    for command in ("host list", "profile list", "simulate"):
        # Never folded, so that it can be copied.
        console.print(f"  {scepctl} {command}", soft_wrap=True)
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            if demo._woken.wait(1.0):
                demo._woken.clear()
                with contextlib.suppress(DeviceError):
                    demo.device.poll()


if __name__ == "__main__":
    sys.exit(main())
