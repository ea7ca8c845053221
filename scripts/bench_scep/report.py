"""
The run as text for people, and as JSON.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from scripts.bench_scep.figures import Figures, Point, Ratio, Spread
from scripts.bench_scep.memory import MemoryFigure

_CASES = {
    "real": "Enrollments with the embedded CA of a daemon of its own (RSA 2048)",
    "static": "Enrollments with a CA that answers after {delay:g} ms",
    "ca": "The embedded CA alone, and how many certificates it had issued before",
    "site": "A bare twisted.web site: one GET on a kept connection",
}
_COLUMNS = (
    ("per second", 20, 1, lambda point: point.per_second),
    ("PKIOperation p50", 18, 1, lambda point: point.measured.operation_p50),
    ("p99 ms", 16, 1, lambda point: point.measured.operation_p99),
    ("whole p50", 16, 1, lambda point: point.measured.whole_p50),
    ("p99 ms", 16, 1, lambda point: point.measured.whole_p99),
    ("CPU ms", 18, 2, lambda point: point.cpu),
    ("CA", 7, 2, lambda point: point.ca_cpu),
    ("load", 6, 2, lambda point: point.generator_cpu),
)


def table(figures: Figures, delay: float) -> Iterator[str]:
    """
    The lines of the table.
    """
    seen = ""
    for case, devices, target in figures.groups():
        if case != seen:
            seen = case
            yield ""
            yield _CASES[case].format(delay=delay)
            heads = "".join(f"{name:>{width}}" for name, width, _, _ in _COLUMNS)
            yield f"{'devices':>7}  {'':24}{heads}"
        cells = ""
        for _, width, digits, figure in _COLUMNS:
            spread = figures.spread(case, devices, target, figure)
            cells += f"{_cell(spread, digits, width > 10):>{width}}"
        dried = any(point.measured.dried for point in figures.of(case, devices, target))
        yield f"{devices:>7}  {target:24}{cells}{'  *' if dried else ''}"


def summary(found: list[Ratio], memory: MemoryFigure | None) -> Iterator[str]:
    """
    The lines of the ratios.
    """
    yield ""
    yield "Ratios, round by round: median (least to most)"
    width = max((len(one.text) for one in found), default=0)
    for one in found:
        yield f"  {one.text:{width}}  {_cell(one.value, 2, True)}"
    if memory is not None:
        yield ""
        yield (
            f"Memory: each of {memory.transfers} slow transfers of {memory.size // 1024} kB added "
            f"{memory.added / 1024:.1f} kB, {memory.beyond / 1024:.1f} kB beyond the observer's "
            "copy "
            f"(peak: {memory.peak / 1024:.1f} kB)"
        )


def as_json(
    options: dict[str, object],
    figures: Figures,
    found: list[Ratio],
    memory: MemoryFigure | None,
) -> dict[str, object]:
    """
    Everything, for a machine.
    """
    return {
        "options": options,
        "points": [_point(point) for point in figures.points],
        "ratios": [{"text": one.text, **asdict(one.value)} for one in found],
        "memory": None if memory is None else {**asdict(memory), "beyond": memory.beyond},
        "failures": figures.failures,
    }


def _point(point: Point) -> dict[str, object]:
    return {**asdict(point), "per_second": point.per_second}


def _cell(spread: Spread, digits: int, wide: bool) -> str:
    text = f"{spread.median:.{digits}f}"
    if not wide or spread.least == spread.most:
        return text
    return f"{text} ({spread.least:.{digits}f}-{spread.most:.{digits}f})"
