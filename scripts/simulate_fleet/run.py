"""
The order of what happens in a run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.progress import Progress, TaskID
from sqlalchemy import Engine, select
from sqlalchemy.exc import OperationalError

from scepd.simulator.fleet_plan import DevicePlan, plan_fleet
from scepd.storage.tables import host, host_profile
from scripts.bench_scep.processes import cpu_seconds
from scripts.simulate_fleet.keys import make_keys
from scripts.simulate_fleet.options import Options
from scripts.simulate_fleet.outcome import Outcome, Spent, gather
from scripts.simulate_fleet.stage import Stage
from scripts.simulate_fleet.workers import Workers

_LOOK = 0.5


@dataclass(frozen=True, slots=True)
class Blow:
    """
    Something that happens in the middle.

    :param at: how many devices acknowledged by then.
    """

    at: int
    strike: Callable[[], None]


class Run:
    """
    One run.

    :param folder: for everything.
    :param progress: shown meanwhile.
    """

    def __init__(self, folder: Path, options: Options, progress: Progress) -> None:
        self._options = options
        self._progress = progress
        self.stage = Stage(folder, options)
        self.plans: Sequence[DevicePlan] = plan_fleet(
            options.devices, options.parts, options.seed, options.longest
        )
        self._workers: Workers | None = None
        self._reachable = {plan.hardware.udid for plan in self.plans if plan.is_reachable}
        self._ca_back_at: float | None = None
        self._began = time.monotonic()

    def run(self) -> Outcome:
        """
        All of it; the outcome, also when the time was up.
        """
        make_keys(self._options.keys, self._options.devices, self._progress)
        self._began = time.monotonic()
        self.stage.start()
        self._say("daemon, CA and push double are ready")
        engine = self.stage.engine()
        try:
            workers = self._start_devices()
            profile = self._deliver(workers, engine)
            self.stage.server.delays.end_process(self.stage.server.daemon)
            clients = sum(cpu_seconds(pid) for pid in workers.pids)
            seconds = time.monotonic() - self._began
            spent = Spent(seconds, self.stage.server.cpu, self.stage.ca.cpu, clients)
            if not self.stage.ca.is_running:
                self.stage.ca.start()
            return gather(self.plans, workers.report(), self.stage, engine, profile, spent)
        finally:
            engine.dispose()

    def stop(self) -> None:
        """
        End all processes.
        """
        self.stage.pass_pushes_to(lambda token: None)
        if self._workers is not None:
            self._workers.stop()
        self.stage.stop()

    # -- one by one --------------------------------------------------------------------------------

    def _start_devices(self) -> Workers:
        options = self._options
        self._workers = workers = Workers(
            {
                "count": options.devices,
                "shares": dict(options.parts),
                "seed": options.seed,
                "longest": options.longest,
                "base_url": self.stage.base_url,
                "secret": self.stage.osquery_secret,
                "keys": str(options.keys.absolute()),
                "url": self.stage.enrollment_url(),
                "agents_interval": options.agents_interval,
                "threads": options.threads,
            },
            options.workers,
        )
        self.stage.pass_pushes_to(workers.push)
        return workers

    def _deliver(self, workers: Workers, engine: Engine) -> str:
        """
        From the first enrollment to the last verified device, or to the end of the time.
        """
        everybody, half = len(self.plans), len(self.plans) // 2
        workers.enroll(half)
        bars = self._bars()
        blows, profile = self._blows(), ""
        while not self._is_late():
            enrolled = workers.progress("enrolled")
            acknowledged = workers.progress("acknowledged")
            verified = self._verified(engine)
            for bar, count in zip(bars, (enrolled, acknowledged, verified), strict=True):
                self._progress.update(bar, completed=count)
            if not profile and enrolled >= half:
                profile = self.stage.server.daemon.add_profile()
                self._say(f"{enrolled} devices are enrolled: the profile is uploaded")
                workers.begin_absence()
                workers.enroll(everybody)
            if blows and acknowledged >= blows[0].at:
                blows.pop(0).strike()
            self._bring_back()
            done = enrolled == everybody and verified == len(self._reachable)
            if done and profile and not blows and self._ca_back_at is None:
                self._say(f"{verified} devices are verified")
                break
            time.sleep(_LOOK)
        else:
            self._say("the time is up")
        return profile

    def _blows(self) -> list[Blow]:
        """
        Kills and the outage, in the order in which they come.
        """
        kills, most = self._options.kills, len(self._reachable)
        found = [(number / (kills + 1), self._kill_daemon) for number in range(1, kills + 1)]
        if self._options.ca_out > 0:
            found.append((0.5, self._kill_ca))
        found.sort(key=lambda one: one[0])
        return [Blow(int(part * most), strike) for part, strike in found]

    def _kill_daemon(self) -> None:
        self._say("[red]kill -9[/] of the daemon")
        self.stage.server.kill()
        self.stage.server.start()
        self._say("the daemon is back")

    def _kill_ca(self) -> None:
        self._say(f"[red]kill -9[/] of the CA, for {self._options.ca_out:g} s")
        self.stage.ca.kill()
        self._ca_back_at = time.monotonic() + self._options.ca_out

    def _bring_back(self) -> None:
        if self._ca_back_at is not None and time.monotonic() >= self._ca_back_at:
            self.stage.ca.start()
            self._ca_back_at = None
            self._say("the CA is back")

    def _verified(self, engine: Engine) -> int:
        """
        How many devices that are ever online are verified.
        """
        wanted = (
            select(host.c.uuid)
            .join(host_profile, host_profile.c.host_uuid == host.c.uuid)
            .where(host_profile.c.status == "verified")
        )
        try:
            with engine.connect() as connection:
                return len(self._reachable.intersection(connection.scalars(wanted)))
        except OperationalError:
            # The database itself may be busy with its recovery.
            return 0

    def _is_late(self) -> bool:
        return time.monotonic() - self._began > 60 * self._options.minutes

    def _bars(self) -> list[TaskID]:
        names = {"enrolled": len(self.plans)}
        names |= dict.fromkeys(("acknowledged", "verified"), len(self._reachable))
        return [self._progress.add_task(name, total=total) for name, total in names.items()]

    def _say(self, what: str) -> None:
        seconds = time.monotonic() - self._began
        self._progress.console.print(f"[dim]{seconds:7.1f} s[/]  {what}", highlight=False)
