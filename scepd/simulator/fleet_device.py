"""
A device of a fleet: it goes on where it was interrupted, and keeps account of what it did.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Lock

from scepd.simulator.agent import OsqueryAgent
from scepd.simulator.device import SimulatedDevice
from scepd.simulator.fleet_plan import DevicePlan
from scepd.simulator.http import DeviceHTTP
from scepd.simulator.keys import KeyFolder, KeySupply
from scepd.simulator.patience import NO_PATIENCE, Waiting

_MOST_FAILURES = 5


@dataclass(frozen=True, slots=True)
class FleetWorld:
    """
    What all devices of a fleet share.

    :param base_url: of the server, without a trailing slash.
    :param secret: of osquery's agents.
    :param keys: the keys that were made before.
    :param connect: makes a connection.
    """

    base_url: str
    secret: str = field(repr=False)
    keys: KeyFolder
    connect: Callable[[], DeviceHTTP]


@dataclass(slots=True)
class Account:
    """
    What a device did.

    :ivar begun: profiles that it began to install.
    :ivar installed: profiles that were installed, each time anew.
    :ivar acknowledged: whether a poll ended well after an installation.
    :ivar inventories: that its osquery agent wrote.
    :ivar failures: what went wrong, the last few.
    """

    begun: int = 0
    installed: int = 0
    acknowledged: bool = False
    inventories: int = 0
    failures: list[str] = field(default_factory=list)

    def note(self, failure: str) -> None:
        """
        Remember what went wrong.

        :param failure: a sentence without secrets.
        """
        self.failures = [*self.failures[1 - _MOST_FAILURES :], failure]


class FleetDevice:
    """
    A device that does as its plan says; its methods may be called by several threads, and one of
    them works at a time.

    :param plan: of the device.
    :param world: around it.
    """

    def __init__(self, plan: DevicePlan, world: FleetWorld) -> None:
        self.plan = plan
        self.account = Account()
        self._lock = Lock()
        self._http, agent_http = world.connect(), world.connect()
        self.device = SimulatedDevice(
            plan.hardware,
            self._http,
            waiting=Waiting(_clock(plan.clock)),
            keys=KeySupply(world.keys, plan.number),
        )
        self._agent = OsqueryAgent(self.device, agent_http, world.base_url, world.secret)
        self._steps = [self._take_profile, self._authenticate, self._update_token]
        self._behave()

    @property
    def is_enrolled(self) -> bool:
        """
        Whether the server took its TokenUpdate.
        """
        return not self._steps

    @property
    def deliveries(self) -> int:
        """
        How many InstallProfile commands it was handed.
        """
        plan, left = self.plan, self.device.behaviour
        return self.account.begun + plan.not_now - left.not_now + plan.refuse - left.refuse

    def enroll(self, url: str) -> None:
        """
        Enroll, or go on with it at the step that failed, as a device does.

        :param url: of the enrollment profile, with its token.
        :raises DeviceError: a step failed.
        """
        with self._lock:
            try:
                while self._steps:
                    self._steps[0](url)
                    del self._steps[0]
            finally:
                self._http.close()

    def poll(self) -> bool:
        """
        Do what the server has to do.

        :returns: whether the device said NotNow, and so comes again by itself.
        :raises DeviceError: the server could not be reached, or its answer makes no sense.
        """
        with self._lock:
            before = self.device.behaviour.not_now
            try:
                self.device.poll()
                self.account.acknowledged = self.account.installed > 0
                return self.device.behaviour.not_now < before
            finally:
                self._http.close()

    def look(self) -> int:
        """
        Let the osquery agent ask for queries, and answer them.

        :returns: how many there were.
        :raises DeviceError: as :meth:`poll`, or the server does not know the host.
        """
        with self._lock:
            try:
                asked = self._agent.poll()
                self.account.inventories += asked > 0
                return asked
            finally:
                self._agent.close()

    def _behave(self) -> None:
        behaviour = self.device.behaviour
        behaviour.not_now, behaviour.refuse = self.plan.not_now, self.plan.refuse
        if self.plan.clumsy is not None:
            setattr(behaviour, self.plan.clumsy, 1)
        behaviour.patience = NO_PATIENCE
        behaviour.before_install = self._begin
        behaviour.after_install = self._end

    def _begin(self) -> None:
        self.account.begun += 1
        if self.plan.slow:
            time.sleep(self.plan.slow)

    def _end(self) -> None:
        self.account.installed += 1

    def _take_profile(self, url: str) -> None:
        self.device.take_profile(self._http.expect("GET", url))

    def _authenticate(self, url: str) -> None:
        self.device.authenticate()

    def _update_token(self, url: str) -> None:
        self.device.update_token()


def _clock(wrong: float) -> Callable[[], datetime]:
    off = timedelta(seconds=wrong)
    return lambda: datetime.now(UTC) + off
