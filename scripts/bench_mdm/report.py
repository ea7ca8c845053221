"""
The run as text for people, and as JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict

from scripts.bench_mdm.day import Day
from scripts.bench_mdm.generator import percentile
from scripts.bench_mdm.polls import SITE, PollFigures, PollPoint
from scripts.bench_mdm.tick import TickFigures, TickOptions
from scripts.bench_scep.figures import Spread

_HEADS = ("polls/s", "p50 ms", "p99 ms", "longest", "CPU us", "database", "load")
_FIGURES: tuple[tuple[int, Callable[[PollPoint], float]], ...] = (
    (0, lambda point: point.per_second),
    (2, lambda point: point.p50),
    (2, lambda point: point.p99),
    (1, lambda point: point.longest),
    (1, lambda point: point.cpu),
    (1, lambda point: point.store_cpu),
    (1, lambda point: point.load_cpu),
)
_TITLE = "Idle polls; CPU: microseconds a poll, of site or daemon, database server, load generator"
_WANTED = {"sqlite": 3, "postgresql": 5}


def poll_lines(figures: PollFigures) -> Iterator[str]:
    """
    What polls cost.
    """
    yield _TITLE
    rows = [("", *_HEADS)]
    for target in figures.targets:
        points = figures.of(target)
        cells = [
            _cell(Spread.of([figure(one) for one in points]), digits) for digits, figure in _FIGURES
        ]
        rows.append((target, *cells))
    yield from aligned(rows)
    yield ""
    for target in figures.targets:
        if target != SITE:
            text = f"  CPU of a poll on {target}, in answers of the bare site"
            yield f"{text:60}{_cell(figures.ratio(target), 2)} (wanted: {_WANTED[target]})"
    for target, delays in figures.delays.items():
        text = f"  the reactor late with {target}, of {delays.count} looks"
        late = (f"{name} {delays.quantile(part):g}" for name, part in (("p99", 0.99), ("all", 1)))
        yield f"{text:60}{', '.join(late)} ms at most"


def tick_lines(found: Sequence[TickFigures], options: TickOptions) -> Iterator[str]:
    """
    What ticks take.
    """
    yield f"A tick among {options.hosts:,} hosts, {options.polls_per_second:g} polls/s meanwhile"
    for one in found:
        idle, due = one.idle, one.due
        text = f"  {one.store}: nothing due, database ms a tick"
        cell = _cell(Spread.of(idle.database), 2)
        reading = _cell(Spread.of(idle.reading), 2)
        yield f"{text:60}{cell} (wanted: 20), in queries {reading}"
        text = f"  {one.store}: {due.queued:,} of {options.due:,} due rows queued"
        yield (
            f"{text:60}{due.seconds:.1f} s (wanted: 20), {due.cpu:.1f} s of CPU, "
            f"{due.store_cpu:.1f} s of the server"
        )
        text = f"  {one.store}: polls meanwhile, p50 / p99 / longest ms"
        yield (
            f"{text:60}{percentile(due.latencies, 0.5):.1f} / {one.p99:.1f} / "
            f"{percentile(due.latencies, 1.0):.1f} (wanted: p99 100); before: "
            f"{percentile(due.quiet, 0.5):.1f} / {percentile(due.quiet, 0.99):.1f} / "
            f"{percentile(due.quiet, 1.0):.1f}"
        )


def day_lines(day: Day) -> Iterator[str]:
    """
    What a day of a fleet takes.
    """
    yield f"A day of {day.hosts:,} hosts on SQLite, in one process on a clock of its own"
    for text, value in (
        ("seconds", f"{day.seconds:.0f}, {day.cpu:.0f} of CPU"),
        ("database seconds", f"{day.database:.1f}, in queries {day.reading:.1f}"),
        ("rows written", f"{day.rows:,} by {day.units:,} units of work"),
        ("polls; inventories", f"{day.polls:,}; {day.inventories:,}"),
        ("deliveries; certificates", f"{day.deliveries:,}; {day.certificates:,}"),
        ("in the end", ", ".join(f"{count:,} {status}" for status, count in day.statuses.items())),
    ):
        yield f"  {text:28}{value}"


def aligned(rows: list[tuple[str, ...]]) -> Iterator[str]:
    """
    The lines of a table.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def poll_json(figures: PollFigures) -> dict[str, object]:
    """
    The same for a machine.
    """
    return {
        "points": [asdict(one) for one in figures.points],
        "ratios": {one: asdict(figures.ratio(one)) for one in figures.targets if one != SITE},
        "delays": {name: dict(one.buckets) for name, one in figures.delays.items()},
    }


def _cell(spread: Spread, digits: int) -> str:
    text = f"{spread.median:.{digits}f}"
    if spread.least == spread.most:
        return text
    return f"{text} ({spread.least:.{digits}f}-{spread.most:.{digits}f})"
