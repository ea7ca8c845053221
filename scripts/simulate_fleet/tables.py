"""
What a run prints at its end.
"""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from scripts.simulate_fleet.outcome import STATES, Outcome

_SOME = 10


def show(outcome: Outcome, console: Console) -> None:
    """
    Both tables, and what is wrong.
    """
    table = _table("States", ("devices", *STATES, "certified"))
    for row in outcome.states():
        table.add_row(*row)
    console.print(table)
    console.print(f"digest {outcome.digest()}: the same for the same seed\n", highlight=False)
    console.print(_costs(outcome))
    spent = outcome.spent
    console.print(
        f"{spent.seconds:.1f} s; CPU: daemon {spent.daemon:.1f} s, CA {spent.ca:.1f} s, devices "
        f"{spent.devices:.1f} s; {outcome.pushes} pushes; the daemon's reactor was late by "
        f"{outcome.delay_p50} (half), {outcome.delay_p99} (99 %)",
        highlight=False,
    )
    for line in outcome.complaints[:_SOME]:
        console.print(f"[red]the daemon's log:[/] {line[:300]}", highlight=False)
    _faults(outcome, console)


def _costs(outcome: Outcome) -> Table:
    columns = ("deliveries", "installed", "issued by the CA", "attempts", "inventories")
    table = _table("What it took; another story each time", columns)
    for part, devices in outcome.parts():
        did = [one.did for one in devices]
        table.add_row(
            part.value,
            str(sum(one["deliveries"] for one in did)),
            str(sum(one["installed"] for one in did)),
            str(sum(one.issued for one in devices)),
            str(sum(one.attempts for one in devices)),
            str(sum(one["inventories"] for one in did)),
        )
    return table


def _faults(outcome: Outcome, console: Console) -> None:
    wrong = [one for one in outcome.devices if not one.is_good]
    for one in wrong[:_SOME]:
        console.print(
            f"[red]{one.plan.part.value}[/] device {one.plan.number} {one.plan.hardware.udid}: "
            f"{one.status}, attempts {one.attempts}, {one.detail or 'no detail'}; it says "
            f"{ {key: one.did[key] for key in one.did if key != 'certificates'} }",
            highlight=False,
            soft_wrap=True,
        )
    if wrong:
        console.print(f"[bold red]{len(wrong)} devices did not end as they should.[/]")
    else:
        console.print("[bold green]Every reachable device is verified, with its certificate.[/]")


def _table(title: str, columns: tuple[str, ...]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("class")
    for name in columns:
        table.add_column(name, justify="right")
    return table
