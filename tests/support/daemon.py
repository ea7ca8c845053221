"""
``twistd scepd`` as a process, and what operators and other services do to it.
"""

from __future__ import annotations

import atexit
import json
import re
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from twisted.internet import reactor

from scepd.model import EnrollmentWindow, Host, HostProfile, SCEPExchange, WindowState
from scepd.storage.assignments import SQLAssignmentStore
from scepd.storage.database import Database
from scepd.storage.enrollment import SQLEnrollmentStore
from scepd.storage.hosts import SQLHostStore
from scepd.storage.profiles import SQLProfileStore
from tests.support.prepared_daemon import CAN_BE, PreparedDaemon
from tests.support.processes import RunningProgram, Start, free_port, run, started, tool

SAMPLE_PROFILE = Path(__file__).parent.parent / "data" / "scep-profile.mobileconfig"


@cache
def _initialized() -> Path:
    """
    A folder as ``scepctl init`` leaves it, made once: to copy it costs nothing beside that.
    """
    folder = Path(tempfile.mkdtemp(prefix="scepd-initialized-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    done = run([tool("scepctl"), "init", "--directory", str(folder)], folder)
    assert done.returncode == 0, done.stderr
    return folder


class Daemon:
    """
    A daemon of its own folder and ports.

    :param settings: lines that replace those of the sample, ``section.key`` → TOML value.
    :param prepared: whether it comes out of a process that has imported all it needs.
    """

    def __init__(
        self, folder: Path, settings: dict[str, str] | None = None, *, prepared: bool = False
    ) -> None:
        self.folder = folder
        self.outputs: list[str] = []
        self.running: RunningProgram | None = None
        self._start: Start = PreparedDaemon if prepared and CAN_BE else started
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(_initialized(), folder)
        self.device_port, self.admin_port = free_port(), free_port()
        self.admin_url = f"http://127.0.0.1:{self.admin_port}"
        self.configure(
            {
                "server.external_url": f'"http://127.0.0.1:{self.device_port}"',
                "listen.devices": f'"tcp:{self.device_port}:interface=127.0.0.1"',
                "listen.admin": f'"tcp:{self.admin_port}:interface=127.0.0.1"',
                "log.format": '"json"',
                "log.level": '"debug"',
                **(settings or {}),
            }
        )
        if "storage.url" in (settings or {}):
            # The token that it has goes to that database, too.
            self.ctl("init", "--directory", str(folder), server=False)

    @property
    def database_url(self) -> str:
        """
        Of its database.
        """
        return f"sqlite:///{self.folder / 'scepd.sqlite'}"

    def configure(self, settings: dict[str, str]) -> None:
        """
        Change its configuration file.
        """
        path = self.folder / "scepd.toml"
        text = path.read_text()
        for name, value in settings.items():
            section, key = name.split(".")
            pattern = rf"(?ms)(^\[{section}\]$.*?)^#?{key} = [^\n]*$"
            found = re.search(pattern, text)
            assert found is not None, name
            text = f"{text[: found.end(1)]}{key} = {value}{text[found.end() :]}"
        path.write_text(text)

    def start(self) -> None:
        """
        Start it and wait until it is ready.
        """
        argv = [tool("twistd"), "-n", "--pidfile=", "scepd", "--config", "scepd.toml"]
        self.running = RunningProgram(argv, self.folder, start=self._start)
        self.running.wait_for(lambda line: "is ready" in line, "readiness")

    def wait_until_warm(self) -> None:
        """
        Wait until each periodic work was done once, which it is within seconds of the start.

        The first time takes memory that stays, up to a megabyte for all of them together, as their
        statements are compiled: who measures what something else takes begins after that.
        """
        # What will be done is told before the daemon is ready.
        for event in self.events():
            if "first_in" in event:
                self._wait_for_first_run(str(event["name"]))

    def _wait_for_first_run(self, name: str) -> None:
        field = f'"name":{json.dumps(name)}'
        self.running_program.wait_for(
            lambda line: field in line and '"first_took":' in line, f"first run of {name}"
        )

    @property
    def running_program(self) -> RunningProgram:
        """
        The process, which has to run.
        """
        assert self.running is not None
        return self.running

    def kill(self) -> None:
        """
        End it by SIGKILL.
        """
        assert self.running is not None
        self.running.kill()
        self.outputs.append(self.running.output)
        self.running = None

    def stop(self) -> int:
        """
        End it by SIGTERM and return its exit code; 0 when it did not run.
        """
        if self.running is None:
            return 0
        code = self.running.stop()
        self.outputs.append(self.running.output)
        self.running = None
        return code

    def ctl(
        self, *arguments: str, server: bool = True, expect: int = 0
    ) -> subprocess.CompletedProcess[str]:
        """
        Run ``scepctl`` to its end.
        """
        options = ["--server", self.admin_url] if server else []
        options += ["--token-file", str(self.folder / "admin.token")] if server else []
        done = run([tool("scepctl"), *options, *arguments], self.folder)
        self.outputs += [done.stdout, done.stderr]
        assert done.returncode == expect, f"{arguments}: {done.returncode}\n{done.stderr}"
        return done

    def scepctl_ca_add(
        self, name: str, url: str, challenge: str, *options: str, expect: int = 0
    ) -> str:
        """
        ``scepctl ca add``; returns what it says on standard error.
        """
        path = self.folder / "challenge"
        path.write_text(challenge)
        try:
            done = self.ctl(
                *("ca", "add", name, "--url", url, "--challenge-file", str(path)),
                *options,
                expect=expect,
            )
        finally:
            path.unlink()
        return done.stderr

    def scepctl_profile_add(self, content: bytes | None = None) -> str:
        """
        ``scepctl profile add`` of the sample, or of ``content``; returns its uuid.
        """
        path = self.folder / "upload.mobileconfig"
        path.write_bytes(content or SAMPLE_PROFILE.read_bytes())
        done = self.ctl("profile", "add", str(path), "--json")
        uuid_: str = json.loads(done.stdout)["profile"]["uuid"]
        return uuid_

    def add_ca(self, name: str, url: str, challenge: str, *, max_concurrency: int = 0) -> None:
        """
        What ``scepctl ca add`` does, without a process of its own, which costs more.
        """
        wanted: dict[str, object] = {"name": name, "url": url, "challenge": challenge}
        if max_concurrency:
            wanted["max_concurrency"] = max_concurrency
        self._created("/certificate_authorities", json=wanted)

    def add_profile(self, content: bytes | None = None) -> str:
        """
        What ``scepctl profile add`` does, likewise; returns the profile's uuid.
        """
        created = self._created("/profiles", content=content or SAMPLE_PROFILE.read_bytes())
        uuid_: str = created["profile"]["uuid"]
        return uuid_

    def enrollment_url(self) -> str:
        """
        Where devices enroll with a new token, as ``scepctl enroll-token create`` tells it.
        """
        wanted = {"name": "test", "labels": [], "valid_for": 86_400}
        url: str = self._created("/enrollment_tokens", json=wanted)["url"]
        return url

    def _created(self, path: str, **request: Any) -> dict[str, Any]:
        with self.api(timeout=60) as api:
            answer = api.post(path, **request)
        assert answer.status_code == 201, f"{path}: {answer.status_code}\n{answer.text}"
        created: dict[str, Any] = answer.json()
        return created

    def api(self, timeout: float = 20) -> httpx.Client:
        """
        A client of the admin API.
        """
        token = (self.folder / "admin.token").read_text().strip()
        return httpx.Client(
            base_url=f"{self.admin_url}/api/v1",
            headers={"Authorization": f"Bearer {token}"},
            timeout=timeout,
            trust_env=False,
            # There is no TLS, and to read whom it trusts takes longer than most calls.
            verify=False,
        )

    def events(self) -> list[dict[str, object]]:
        """
        Its log lines so far, as objects.
        """
        assert self.running is not None
        lines = self.running.output.splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def steps(self) -> list[str]:
        """
        The steps of the sequences that it has logged so far, in order.
        """
        return [str(event["step"]) for event in self.events() if event.get("step")]

    @asynccontextmanager
    async def stores(self) -> AsyncIterator[Stores]:
        """
        Its stores, from outside: the daemon may run meanwhile.
        """
        database = Database(self.database_url, reactor)  # type: ignore[arg-type]
        database.start()
        try:
            yield Stores(
                SQLHostStore(database),
                SQLProfileStore(database),
                SQLAssignmentStore(database),
                SQLEnrollmentStore(database),
            )
        finally:
            await database.stop()


@dataclass(frozen=True, slots=True)
class Stores:
    """
    The storage ports that tests use.
    """

    hosts: SQLHostStore
    profiles: SQLProfileStore
    assignments: SQLAssignmentStore
    enrollment: SQLEnrollmentStore

    async def deliver(
        self, host_uuid: str, profile_uuid: str, ca_name: str, *, window: bool = True
    ) -> str:
        """
        What a delivery leaves: a host, its assignment and an open window; returns the path of the
        proxy URL.
        """
        await self.hosts.put_host(Host(host_uuid, f"SN-{host_uuid}", "macos", (), {}))
        await self.assignments.assign(
            HostProfile(host_uuid, profile_uuid, "install", "pending", ca_name, "", None)
        )
        if window:
            await self.open_window(host_uuid, profile_uuid, ca_name)
        return f"/mdm/scep/proxy/{host_uuid}%2C{profile_uuid}%2C{ca_name}"

    async def open_window(self, host_uuid: str, profile_uuid: str, ca_name: str) -> None:
        """
        Open a fresh window for an hour.
        """
        now = datetime.now(UTC)
        await self.assignments.open_window(
            EnrollmentWindow(
                str(uuid.uuid4()),
                host_uuid,
                profile_uuid,
                ca_name,
                WindowState.OPEN,
                now,
                now + timedelta(hours=1),
            )
        )

    async def exchanges(self, host_uuid: str) -> Sequence[SCEPExchange]:
        """
        The exchanges of a host, newest first.
        """
        return await self.enrollment.exchanges(host_uuid=host_uuid)
