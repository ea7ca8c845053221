"""
A pretend device's way from its enrollment to a certificate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from scepd.pki.certificates import summarize
from scepd.simulator.agent import OsqueryAgent
from scepd.simulator.device import SimulatedDevice
from scepd.simulator.failures import DeviceError
from scepd.simulator.http import DeviceHTTP
from scepd.simulator.identity import Identity
from scepd.simulator.installation import ReceivedProfile
from scepd.simulator.patience import Waiting
from scepd.simulator.telling_http import Tell


@dataclass(frozen=True, slots=True)
class Goal:
    """
    When a pretend device has done its part.

    :param stop_at_profile: whether it is when a profile was received.
    :param is_verified: whether it is when this says so; None: when a profile is installed.
    :param interval: seconds between two polls.
    :param timeout: seconds for everything after the enrollment.
    """

    stop_at_profile: bool = False
    is_verified: Callable[[], bool] | None = None
    interval: float = 3.0
    timeout: float = 300.0


class Simulation:
    """
    A pretend device that polls: no push reaches it.

    :param device: that is pretended.
    :param http: the device's connection.
    :param agent: its osquery agent, if it has one.
    :param goal: when to stop.
    :param waiting: the clock.
    :param tell: told of each step.
    """

    def __init__(
        self,
        device: SimulatedDevice,
        http: DeviceHTTP,
        agent: OsqueryAgent | None,
        goal: Goal,
        waiting: Waiting,
        tell: Tell,
    ) -> None:
        self._device = device
        self._http = http
        self._agent = agent
        self._goal = goal
        self._waiting = waiting
        self._tell = tell
        self._errors_told = 0
        device.behaviour.hold = int(goal.stop_at_profile)

    def enroll(self, url: str) -> None:
        """
        Enroll.

        :param url: of the enrollment profile, with its token.
        :raises DeviceError: a step failed.
        """
        device = self._device
        device.take_profile(self._http.expect("GET", url))
        if device.identity is not None:
            self._tell(f"MDM identity: {_described(device.identity)}")
        device.authenticate()
        device.update_token()
        hardware = device.hardware
        self._tell(f"Enrolled as {hardware.udid}, serial number {hardware.serial_number}")

    def run(self) -> ReceivedProfile | None:
        """
        Poll until the goal is reached.

        :returns: the profile that was received, and left, if that was the goal.
        :raises DeviceError: the server could not be asked, a profile could not be installed though
            nothing more is waited for, or the time passed.
        """
        deadline = self._waiting.now() + timedelta(seconds=self._goal.timeout)
        while True:
            self._device.poll()
            self._tell_errors()
            if self._goal.stop_at_profile:
                if self._device.received is not None:
                    return self._device.received
            elif self._is_done():
                return None
            if self._waiting.now() >= deadline:
                raise DeviceError(self._too_late())
            self._waiting.sleep(self._goal.interval)

    def leave(self) -> None:
        """
        Check out, as a device does whose enrollment profile is removed.

        :raises DeviceError: it was refused.
        """
        self._device.check_out()
        self._tell("Checked out; the host stays known, with its history")

    @property
    def certificates(self) -> list[Identity]:
        """
        The identities that came with profiles, newest last.
        """
        return self._device.keychain.identities

    def _is_done(self) -> bool:
        if self._agent is not None and self._device.keychain.profiles:
            try:
                self._agent.poll()
            except DeviceError as error:
                self._tell(f"osquery: {str(error).removeprefix('osquery: ')}")
        verified = self._goal.is_verified
        if verified is not None:
            return bool(self._device.keychain.profiles) and verified()
        return bool(self._device.keychain.profiles)

    def _tell_errors(self) -> None:
        fresh = self._device.errors[self._errors_told :]
        self._errors_told += len(fresh)
        for error in fresh:
            self._tell(f"Not installed: {error}")
        if fresh and self._goal.is_verified is None:
            raise DeviceError(fresh[-1])

    def _too_late(self) -> str:
        seconds = f"{self._goal.timeout:g} s"
        if self._device.received is None:
            return (
                f"no profile came within {seconds}; is one for all hosts, or for its label? One of "
                "User scope reaches no pretend device."
            )
        if not self._device.keychain.profiles:
            return f"no profile was installed within {seconds}"
        return f"the profile is installed, but was not verified within {seconds}"


def describe(identity: Identity, tell: Tell) -> None:
    """
    Tell of a certificate.

    :param identity: holds it.
    :param tell: told of it.
    """
    tell(f"Certificate: {_described(identity)}")


def _described(identity: Identity) -> str:
    found = summarize(identity.certificate)
    return f"{found.subject}, issued by {found.issuer}, until {_day(found.not_after)}"


def _day(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M UTC")
