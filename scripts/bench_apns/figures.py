"""
What follows from the measurements, and how it is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict

from scripts.bench_apns.comparison import Point
from scripts.bench_apns.wishes import Wishes
from scripts.bench_scep.figures import Ratio, Spread

Figure = Callable[[Point], float]
_HEADS = ("in flight", "client", "pushes/s", "CPU us a push", "of a core", "failed")
_OURS, _FEW, _MANY = "scepd", 100, 1000


class Figures:
    """
    All measurements of one run.
    """

    def __init__(self, points: Sequence[Point]) -> None:
        self.points = points

    def table(self) -> Iterator[str]:
        """
        A line for each client and number of pushes in flight.
        """
        groups = dict.fromkeys((point.in_flight, point.client) for point in self.points)
        rows = [_HEADS, *(self._row(*group) for group in sorted(groups, key=lambda one: one[0]))]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            yield "  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True))

    def ratios(self) -> list[Ratio]:
        """
        Those that can be had of what was measured; above 1 ours is better.
        """
        found = []
        others = dict.fromkeys(point.client for point in self.points if point.client != _OURS)
        for in_flight in dict.fromkeys(point.in_flight for point in self.points):
            ours = self._of(in_flight, _OURS)
            for other in others:
                theirs = self._of(in_flight, other)
                where = f"at {in_flight} in flight"
                found.append(_ratio(f"ours/{other}, pushes/s {where}", ours, theirs, _per_second))
                found.append(_ratio(f"{other}/ours, CPU a push {where}", theirs, ours, _cpu))
        few, many = self._of(_FEW, _OURS), self._of(_MANY, _OURS)
        found.append(_ratio(f"ours, pushes/s, {_MANY}/{_FEW} in flight", many, few, _per_second))
        return [one for one in found if one is not None]

    @property
    def failures(self) -> dict[str, int]:
        """
        How often each failure happened, with where it did.
        """
        found: dict[str, int] = {}
        for point in self.points:
            for reason, count in point.measured.failures.items():
                name = f"{point.client}, {point.in_flight} in flight: {reason}"
                found[name] = found.get(name, 0) + count
        return found

    @property
    def ours_failed(self) -> bool:
        """
        Whether a push of ours was answered with anything but 200.
        """
        return any(point.measured.failures for point in self.points if point.client == _OURS)

    def as_json(self) -> dict[str, object]:
        """
        Everything, for a machine.
        """
        points = [
            {**asdict(point), "per_second": point.per_second, "cpu_microseconds": point.cpu}
            for point in self.points
        ]
        ratios = [{"text": one.text, **asdict(one.value)} for one in self.ratios()]
        return {"points": points, "ratios": ratios, "failures": self.failures}

    def _of(self, in_flight: int, client: str) -> list[Point]:
        wanted = (in_flight, client)
        return [one for one in self.points if (one.in_flight, one.client) == wanted]

    def _row(self, in_flight: int, client: str) -> tuple[str, ...]:
        points = self._of(in_flight, client)
        failed = sum(sum(one.measured.failures.values()) for one in points)
        return (
            str(in_flight),
            client,
            cell([one.per_second for one in points], 0),
            cell([one.cpu for one in points], 1),
            cell([one.measured.cpu / one.measured.seconds for one in points], 2),
            str(failed or "-"),
        )


def summary(ratios: Sequence[Ratio]) -> Iterator[str]:
    """
    A line for each ratio.
    """
    width = max((len(one.text) for one in ratios), default=0)
    for one in ratios:
        spread = one.value
        text = f"{spread.median:.2f} ({spread.least:.2f}-{spread.most:.2f})"
        yield f"  {one.text:{width}}  {text}"


def wishes_lines(wishes: Wishes) -> Iterator[str]:
    """
    The wishes that went through a daemon.
    """
    late = [
        "more than is measured" if one is None else f"at most {one:g} ms"
        for one in (wishes.delay_p50, wishes.delay_p99)
    ]
    yield ""
    yield "A daemon with wishes to push in SQLite, on all cores:"
    yield (
        f"  {wishes.count} answered, {wishes.per_second:.0f}/s, {wishes.cpu:.0f} us of CPU each; "
        f"its reactor is late by {late[0]} (p50), {late[1]} (p99)"
    )


def cell(values: Sequence[float], digits: int) -> str:
    """
    The median, and the least and the most when there is more than one value.
    """
    spread = Spread.of(values)
    text = f"{spread.median:.{digits}f}"
    if len(values) == 1:
        return text
    return f"{text} ({spread.least:.{digits}f}-{spread.most:.{digits}f})"


def _ratio(
    text: str, above: Sequence[Point], below: Sequence[Point], figure: Figure
) -> Ratio | None:
    pairs = zip(above, below, strict=False)
    values = [figure(one) / figure(other) for one, other in pairs if figure(other)]
    return Ratio(text, Spread.of(values)) if values else None


def _per_second(point: Point) -> float:
    return point.per_second


def _cpu(point: Point) -> float:
    return point.cpu
