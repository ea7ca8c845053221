"""
What was measured, and what follows from it.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from scripts.bench_scep.generator import Measured

SITE = "site"
"""
The bare site in the place of the proxy: three requests for each count.
"""
PACED = "paced"
"""
The same, with as many enrollments a second as the proxy had: what is idle half of the time finds
cold caches each time it wakes, so that each of its answers costs more.
"""
ONE_KEPT = "one kept"
"""
The bare site alone: one GET for each count, on a connection that is kept.
"""
_ANSWERS = {SITE: 3, PACED: 3, ONE_KEPT: 1}
_KINDS = {SITE: "", PACED: " at this rate", ONE_KEPT: " (one kept)"}


@dataclass(frozen=True, slots=True)
class Point:
    """
    One measurement.

    :param case: ``real``, ``static``, ``ca`` or ``site``.
    :param target: what the devices talked to.
    :param number: of the round, from 0.
    :param cpu: milliseconds of CPU time per enrollment: of the process under test, of the CA, of
        the load generator; 0 where there is none.
    """

    case: str
    target: str
    devices: int
    number: int
    measured: Measured
    cpu: float
    ca_cpu: float
    generator_cpu: float

    @property
    def per_second(self) -> float:
        """
        Enrollments per second.
        """
        return self.measured.count / self.measured.seconds


@dataclass(frozen=True, slots=True)
class Spread:
    """
    The median of some rounds, the least and the most.
    """

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """
        Of at least one value.
        """
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True, slots=True)
class Ratio:
    """
    A sentence and the number that completes it.
    """

    text: str
    value: Spread


Figure = Callable[[Point], float]


class Figures:
    """
    All measurements of one run.
    """

    def __init__(self) -> None:
        self.points: list[Point] = []

    def groups(self) -> list[tuple[str, int, str]]:
        """
        Each case, number of devices and target, in the order of their first measurement's name.
        """
        order = ("real", "static", "ca", "site")
        found = {(point.case, point.devices, point.target) for point in self.points}
        return sorted(found, key=lambda one: (order.index(one[0]), *one[1:]))

    def of(self, case: str, devices: int, target: str) -> list[Point]:
        """
        The rounds of one thing, in order.
        """
        wanted = (case, devices, target)
        some = [one for one in self.points if (one.case, one.devices, one.target) == wanted]
        return sorted(some, key=lambda one: one.number)

    def spread(self, case: str, devices: int, target: str, figure: Figure) -> Spread:
        """
        A figure over the rounds.
        """
        return Spread.of([figure(point) for point in self.of(case, devices, target)])

    def ratio(
        self, text: str, above: Iterable[Point], below: Iterable[Point], figure: Figure
    ) -> Ratio | None:
        """
        A figure of one thing over that of another, round by round; None when one is missing.
        """
        pairs = list(zip(above, below, strict=False))
        values = [figure(one) / figure(other) for one, other in pairs if figure(other)]
        return Ratio(text, Spread.of(values)) if values else None

    @property
    def failures(self) -> dict[str, int]:
        """
        How often each failure happened, with where it did.
        """
        found: dict[str, int] = {}
        for point in self.points:
            for reason, count in point.measured.failures.items():
                name = f"{point.case}, {point.devices} devices, {point.target}: {reason}"
                found[name] = found.get(name, 0) + count
        return found


def ratios(figures: Figures) -> list[Ratio]:
    """
    The ratios that can be had of what was measured.
    """
    wanted: list[Ratio | None] = []
    pairs = {(case, devices) for case, devices, _ in figures.groups()}
    for case, devices in sorted(pairs):
        if case in ("real", "static"):
            wanted += _compared(figures, case, devices)
    wanted += _beside_site(figures)
    wanted.append(_grown(figures))
    return [one for one in wanted if one is not None]


def _compared(figures: Figures, case: str, devices: int) -> list[Ratio | None]:
    direct, nginx, scepd = (
        figures.of(case, devices, name) for name in ("direct", "nginx", "scepd")
    )
    where = f"at {devices} devices with the {case} CA"
    return [
        figures.ratio(f"scepd/direct, enrollments/s {where}", scepd, direct, _per_second),
        figures.ratio(f"nginx/direct, enrollments/s {where}", nginx, direct, _per_second),
        figures.ratio(f"scepd/nginx, CPU an enrollment {where}", scepd, nginx, _cpu),
    ]


def _beside_site(figures: Figures) -> list[Ratio | None]:
    return [
        _in_answers(figures, case, devices, name)
        for case, devices, target in figures.groups()
        for name in _ANSWERS
        if target == "scepd"
    ]


def _in_answers(figures: Figures, case: str, devices: int, name: str) -> Ratio | None:
    if name == ONE_KEPT:
        site = [one for one in figures.points if one.target == name]
    else:
        site = figures.of(case, devices, name)
    answers = [replace(one, cpu=one.cpu / _ANSWERS[name]) for one in site]
    text = (
        f"scepd's CPU an enrollment / a bare twisted.web answer{_KINDS[name]}, "
        f"at {devices} devices with the {case} CA"
    )
    return figures.ratio(text, figures.of(case, devices, "scepd"), answers, _cpu)


def _grown(figures: Figures) -> Ratio | None:
    names = [target for case, _, target in figures.groups() if case == "ca"]
    some = [[one for one in figures.points if one.target == name] for name in names]
    if len(some) != 2:
        return None
    few, many = sorted(some, key=lambda one: int(one[0].target.split()[0]))
    text = f"certificates/s of the embedded CA, {many[0].target}/{few[0].target}"
    return figures.ratio(text, many, few, _per_second)


def _per_second(point: Point) -> float:
    return point.per_second


def _cpu(point: Point) -> float:
    return point.cpu
