"""
The run as text for people, and as JSON.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from scripts.bench_scep.figures import Figure, Figures, Point, Ratio, Spread
from scripts.bench_scep.memory import MemoryFigure

_CASES = {
    "real": "Enrollments with the embedded CA of a daemon of its own (RSA 2048)",
    "static": "Enrollments with a CA that answers after {delay:g} ms",
    "ca": "The embedded CA alone, and how many certificates it had issued before",
    "site": "A bare twisted.web site alone: one GET on a kept connection",
}
_HEADS = ("per second", "PKIOperation p50", "p99 ms", "whole p50", "p99 ms", "CPU ms", "CA", "load")
_FIGURES: tuple[tuple[int, Figure], ...] = (
    (1, lambda point: point.per_second),
    (1, lambda point: point.measured.operation_p50),
    (1, lambda point: point.measured.operation_p99),
    (1, lambda point: point.measured.whole_p50),
    (1, lambda point: point.measured.whole_p99),
    (2, lambda point: point.cpu),
    (2, lambda point: point.ca_cpu),
    (2, lambda point: point.generator_cpu),
)


def table(figures: Figures, delay: float) -> Iterator[str]:
    """
    The lines of the tables, one for each case.
    """
    groups = figures.groups()
    for case, title in _CASES.items():
        rows = [_row(figures, *group) for group in groups if group[0] == case]
        if rows:
            yield ""
            yield title.format(delay=delay)
            yield from _aligned([("devices", "", *_HEADS, ""), *rows])


def _row(figures: Figures, case: str, devices: int, target: str) -> tuple[str, ...]:
    cells = []
    for digits, figure in _FIGURES:
        spread = figures.spread(case, devices, target, figure)
        cells.append(_cell(spread, digits) if spread.most else "-")
    dried = any(point.measured.dried for point in figures.of(case, devices, target))
    return (str(devices), target, *cells, "*" if dried else "")


def _aligned(rows: list[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def summary(found: list[Ratio], memory: MemoryFigure | None) -> Iterator[str]:
    """
    The lines of the ratios.
    """
    yield ""
    yield "Ratios, round by round: median (least to most)"
    width = max((len(one.text) for one in found), default=0)
    for one in found:
        yield f"  {one.text:{width}}  {_cell(one.value, 2)}"
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


def _cell(spread: Spread, digits: int) -> str:
    text = f"{spread.median:.{digits}f}"
    if spread.least == spread.most:
        return text
    return f"{text} ({spread.least:.{digits}f}-{spread.most:.{digits}f})"
