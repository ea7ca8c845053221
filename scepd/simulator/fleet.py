"""
A fleet of simulated devices: when each enrolls, polls and lets its osquery agent ask.

They hold no polls: a device polls when it is pushed to, when it is online again, when it said
NotNow and may install now, and a few times after a poll that found no server.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from threading import Lock
from typing import Any

from scepd.simulator.failures import DeviceError
from scepd.simulator.fleet_device import FleetDevice, FleetWorld
from scepd.simulator.fleet_plan import DevicePlan
from scepd.simulator.fleet_schedule import Lane, Work, WorkAtItsTime

# As devices do; after these tries they wait for a push.
_TRIES = 6
_TRY_AGAIN = 3.0
_LONGEST_PAUSE = 9.0
_UNLOCKED = 5.0


class Fleet:
    """
    Devices of one process.

    :param plans: of its devices, in the order in which they enroll.
    :param world: around them.
    :param url: of the enrollment profile, with its token.
    :param agents_interval: seconds between two questions of an osquery agent.
    :param schedule: does the work; ended with the fleet.
    :param clock: seconds that only grow.
    """

    def __init__(
        self,
        plans: Sequence[DevicePlan],
        world: FleetWorld,
        url: str,
        *,
        agents_interval: float,
        schedule: WorkAtItsTime,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._devices = [FleetDevice(plan, world) for plan in plans]
        self._tokens = {_token(device): device for device in self._devices}
        self._url = url
        self._interval = agents_interval
        self._schedule = schedule
        self._clock = clock
        self._lock = Lock()
        self._enrolling = 0
        self._waits: set[int] = set()
        self._put_off: set[int] = set()
        self._back_at: dict[int, float] = {}
        self._is_absent = False

    def enroll(self, count: int) -> None:
        """
        Let devices enroll, so many of them with those before.

        :param count: of devices.
        """
        while self._enrolling < min(count, len(self._devices)):
            self._do(self._devices[self._enrolling], self._enroll, 0)
            self._enrolling += 1

    def begin_absence(self) -> None:
        """
        Tell that there is something to fetch now: who is offline for a while is so from now on, or
        from when it has enrolled.
        """
        with self._lock:
            self._is_absent = True
            for device in self._devices:
                if device.is_enrolled:
                    self._leave(device)

    def push(self, token: str) -> bool:
        """
        Take a push; the service keeps it for a device that is offline, until it is back.

        :param token: hexadecimal.
        :returns: whether it is that of a device of this fleet.
        """
        device = self._tokens.get(token)
        if device is not None:
            self._want_poll(device, 0.0)
        return device is not None

    def progress(self) -> Mapping[str, int]:
        """
        Tell how far all are.

        :returns: how many enrolled, and how many acknowledged a profile.
        """
        return {
            "enrolled": sum(device.is_enrolled for device in self._devices),
            "acknowledged": sum(device.account.acknowledged for device in self._devices),
        }

    def report(self) -> Sequence[Mapping[str, Any]]:
        """
        Tell what each device did, and what it holds.

        :returns: of each its number and UDID, counts, failures, and the certificates of its
            profile, hexadecimal DER, newest last.
        """
        return [_report(device) for device in self._devices]

    def end(self) -> None:
        """
        End what the devices do.
        """
        self._schedule.end()

    # -- enrollment --------------------------------------------------------------------------------

    def _enroll(self, device: FleetDevice, tries: int) -> None:
        try:
            device.enroll(self._url)
        except DeviceError as error:
            # There is no push before: it is the device, or its user, that tries again.
            device.account.note(str(error))
            self._after(_pause(device, tries), device, self._enroll, tries + 1)
            return
        with self._lock:
            if self._is_absent:
                self._leave(device)
        if device.plan.has_osquery and device.plan.is_reachable:
            self._ask_after(device.plan.phase * self._interval, device)

    # -- polls -------------------------------------------------------------------------------------

    def _want_poll(self, device: FleetDevice, wait: float, tries: int = 0) -> None:
        """
        Poll soon, unless a poll is to begin anyway.
        """
        number = device.plan.number
        with self._lock:
            online_in = self._online_in(device)
            if number in self._waits or online_in is None:
                return
            self._waits.add(number)
        self._after(max(wait, online_in), device, self._poll, tries)

    def _poll(self, device: FleetDevice, tries: int) -> None:
        with self._lock:
            self._waits.discard(device.plan.number)
            online_in = self._online_in(device)
        if online_in:
            self._want_poll(device, online_in, tries)
            return
        try:
            if device.poll():
                self._put_off.add(device.plan.number)
                self._want_poll(device, _UNLOCKED * (1 + device.plan.phase))
            else:
                self._put_off.discard(device.plan.number)
        except DeviceError as error:
            device.account.note(str(error))
            # Who said NotNow comes at each unlocking: no push is to be hoped for.
            if tries < _TRIES or device.plan.number in self._put_off:
                self._want_poll(device, _pause(device, tries), tries + 1)

    def _online_in(self, device: FleetDevice) -> float | None:
        """
        Seconds until a device is online; None: never.
        """
        if not device.plan.is_reachable:
            return None
        return max(0.0, self._back_at.get(device.plan.number, 0.0) - self._clock())

    def _leave(self, device: FleetDevice) -> None:
        if device.plan.away:
            self._back_at.setdefault(device.plan.number, self._clock() + device.plan.away)

    # -- osquery -----------------------------------------------------------------------------------

    def _look(self, device: FleetDevice) -> None:
        with self._lock:
            online_in = self._online_in(device)
        if online_in:
            self._ask_after(online_in, device)
            return
        try:
            device.look()
        except DeviceError as error:
            device.account.note(str(error))
        self._ask_after(self._interval, device)

    # -- time --------------------------------------------------------------------------------------

    def _do(self, device: FleetDevice, what: Any, *arguments: object) -> None:
        self._after(0.0, device, what, *arguments)

    def _after(self, wait: float, device: FleetDevice, what: Any, *arguments: object) -> None:
        work: Work = partial(what, device, *arguments)
        self._schedule.after(wait, work, "slow" if device.plan.slow else "devices")

    def _ask_after(self, wait: float, device: FleetDevice) -> None:
        # Those of slow devices wait for their device.
        lane: Lane = "slow" if device.plan.slow else "agents"
        self._schedule.after(wait, partial(self._look, device), lane)


def _pause(device: FleetDevice, tries: int) -> float:
    return min(_TRY_AGAIN * (tries + 1), _LONGEST_PAUSE) * (1 + device.plan.phase)


def _token(device: FleetDevice) -> str:
    return device.device.push_token.token.hex()


def _report(device: FleetDevice) -> Mapping[str, Any]:
    held = device.device.keychain.profiles.values()
    return {
        "number": device.plan.number,
        "udid": device.plan.hardware.udid,
        "deliveries": device.deliveries,
        "installed": device.account.installed,
        "inventories": device.account.inventories,
        "enrolled": device.is_enrolled,
        "failures": device.account.failures + device.device.errors[-3:],
        "certificates": [one.certificate.hex() for own in held for one in own.identities],
    }
