"""
Who does what in a simulated fleet, and when: all of it follows from a seed.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from random import Random
from types import MappingProxyType

from scepd.simulator.behaviour import Fault
from scepd.simulator.hardware import Hardware


class Part(Enum):
    """
    What kind of device one of a fleet is; the value is how tables call it.
    """

    WELL = "well"
    AWAY = "offline for a while"
    GONE = "offline for ever"
    NOT_NOW = "NotNow"
    FAILING = "failing once"
    SLOW = "slow"
    CLUMSY = "clumsy"
    WRONG_CLOCK = "wrong clock"
    WITHOUT_OSQUERY = "without osquery"


SHARES = ("offline", "not-now", "failing", "slow", "clumsy", "wrong-clock", "without-osquery")
"""
What of a fleet can be said in percent; half of what is offline is so for ever.
"""
_PARTS: Mapping[str, Part] = MappingProxyType(
    {
        "not-now": Part.NOT_NOW,
        "failing": Part.FAILING,
        "slow": Part.SLOW,
        "clumsy": Part.CLUMSY,
        "wrong-clock": Part.WRONG_CLOCK,
        "without-osquery": Part.WITHOUT_OSQUERY,
    }
)
# Of a sum of shares.
_ROUNDING = 1e-6
_MOST_NOT_NOW = 3
_CLUMSY: Sequence[Fault] = ("lose_results", "run_twice", "new_keys")
# Both sides of the three minutes that the server allows.
_WRONG_CLOCKS = (-7200.0, -600.0, -120.0, 120.0, 600.0, 7200.0)


@dataclass(frozen=True, slots=True)
class DevicePlan:
    """
    What one device will do.

    :param number: from 0 on; says which key is its.
    :param hardware: what it is.
    :param part: of the fleet.
    :param away: seconds offline, from when there is something to fetch; None: for ever.
    :param not_now: InstallProfile commands that it answers NotNow.
    :param refuse: InstallProfile commands that it answers Error.
    :param clumsy: what it does wrong once, if anything.
    :param slow: seconds between a command and its answer.
    :param clock: seconds by which its clock is wrong.
    :param phase: 0 to 1: where in the others' interval its osquery agent asks, and how long it
        waits before it tries something again.
    """

    number: int
    hardware: Hardware = field(repr=False)
    part: Part = Part.WELL
    away: float | None = 0.0
    not_now: int = 0
    refuse: int = 0
    clumsy: Fault | None = None
    slow: float = 0.0
    clock: float = 0.0
    phase: float = 0.0

    @property
    def is_reachable(self) -> bool:
        """
        Whether it is ever online after it enrolled.
        """
        return self.away is not None

    @property
    def has_osquery(self) -> bool:
        """
        Whether an osquery agent runs on it.
        """
        return self.part is not Part.WITHOUT_OSQUERY


def plan_fleet(
    count: int, shares: Mapping[str, float], seed: str, longest: float = 30.0
) -> Sequence[DevicePlan]:
    """
    Make the plan of each device; the same for the same arguments, on each machine.

    :param count: of devices.
    :param shares: percent of the fleet by a word of SHARES; the rest is well.
    :param seed: any text.
    :param longest: seconds; a device is offline for a third of it at least, and slow by a third of
        it at most.
    :returns: the plans in the order in which the devices enroll.
    :raises ValueError: a word that is none of SHARES, or shares beyond a whole fleet.
    """
    random = Random(seed)
    parts = _parts(count, shares)
    random.shuffle(parts)
    return [_plan(number, part, random, longest) for number, part in enumerate(parts)]


def _parts(count: int, shares: Mapping[str, float]) -> list[Part]:
    parts: list[Part] = []
    total = 0.0
    for word, percent in shares.items():
        if word not in SHARES or not 0 <= percent <= 100:
            raise ValueError(f"{word} = {percent}: not 0 to 100 percent of {', '.join(SHARES)}")
        # What is rounded is the sum: a few devices have no room for many that are rounded up.
        total += percent
        some = round(count * total / 100) - len(parts)
        if word == "offline":
            parts += [Part.GONE] * (some // 2) + [Part.AWAY] * (some - some // 2)
        else:
            parts += [_PARTS[word]] * some
    if total > 100 + _ROUNDING:
        raise ValueError(f"the shares are {total:g} percent of the fleet")
    return parts + [Part.WELL] * (count - len(parts))


def _plan(number: int, part: Part, random: Random, longest: float) -> DevicePlan:
    udid = str(uuid.UUID(int=random.getrandbits(128), version=4)).upper()
    # Always as many numbers, so that a device is the same whatever its part.
    first, second = random.random(), random.random()
    away: float | None = 0.0
    if part is Part.GONE:
        away = None
    elif part is Part.AWAY:
        away = longest * (1 + 2 * first) / 3
    return DevicePlan(
        number,
        Hardware(udid, f"SIM{udid[:6]}{number:05d}"),
        part,
        away,
        1 + int(first * _MOST_NOT_NOW) if part is Part.NOT_NOW else 0,
        1 if part is Part.FAILING else 0,
        _CLUMSY[int(first * len(_CLUMSY))] if part is Part.CLUMSY else None,
        longest * (1 + first) / 6 if part is Part.SLOW else 0.0,
        _WRONG_CLOCKS[int(first * len(_WRONG_CLOCKS))] if part is Part.WRONG_CLOCK else 0.0,
        second,
    )
