"""
What a run is told.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scepd.simulator.fleet_plan import SHARES, plan_fleet

KEYS = Path(".venv") / "simulated-keys"
"""
The folder of the keys: made once for a checkout.
"""
_DEFAULTS = {
    "offline": 10.0,
    "not-now": 5.0,
    "failing": 5.0,
    "slow": 2.0,
    "clumsy": 3.0,
    "wrong-clock": 3.0,
    "without-osquery": 3.0,
}
_HELP = {
    "offline": "are offline when the profile comes: half for a while, half for ever",
    "not-now": "say NotNow up to 3 times, and come by themselves when they can",
    "failing": "answer the first InstallProfile with an Error",
    "slow": "take seconds between the profile and their answer",
    "clumsy": "lose a result, run a command twice, or ask the CA again with a fresh key",
    "wrong-clock": "have a clock that is wrong by 2 minutes to 2 hours",
    "without-osquery": "run no osquery agent: only MDM can ask them",
}
_EPILOG = """\
A run: the keys are made, once, in two processes. The daemon, its CA (a second daemon with nothing
but its embedded CA in use), the push double and the devices are started, all on loopback and on
free ports. Half of the fleet enrolls, the profile is uploaded, and the other half enrolls while it
is delivered. When a third of the reachable devices have it, the daemon is killed by SIGKILL and
started again; at a half the CA is, and stays out; at two thirds the daemon again, and so on for
other numbers. The run ends when every reachable device is verified, or at the time limit.

The first table depends on the seed and the shares alone: two runs with the same ones print the
same, and the same digest. The second one tells what it took, which is another story each time.

The exit status is 0 only when every reachable device ended verified, with a certificate that the CA
signed and that the daemon knows; 1 when not; 2 for wrong usage.

Examples:
  scripts/simulate
  scripts/simulate --devices 2000 --seed monday
  scripts/simulate --store postgresql --kills 4 --ca-out 30
  scripts/simulate --offline 0 --not-now 0 --failing 0 --kills 0 --ca-out 0
"""


@dataclass(frozen=True, slots=True)
class Options:
    """
    A run.

    :param devices: how many.
    :param seed: fixes who does what, and when.
    :param shares: percent of the fleet, by a word of SHARES.
    :param ca_out: seconds for which the CA is out.
    :param kills: how often the daemon is killed.
    :param store: ``sqlite`` or ``postgresql``.
    :param minutes: after which the run has failed.
    :param workers: processes of devices.
    :param threads: in each, and so devices that do something at once.
    :param keys: the folder with the keys.
    :param keep: a folder for the daemons' files; None: they are removed.
    """

    devices: int = 100
    seed: str = "1"
    shares: Mapping[str, float] | None = None
    ca_out: float = 10.0
    kills: int = 2
    store: str = "sqlite"
    minutes: float = 10.0
    workers: int = 2
    threads: int = 8
    keys: Path = KEYS
    keep: Path | None = None

    @property
    def parts(self) -> Mapping[str, float]:
        """
        The shares, or the usual ones.
        """
        return _DEFAULTS if self.shares is None else self.shares

    @property
    def longest(self) -> float:
        """
        Seconds for which devices are offline, at most.
        """
        return 10.0 if self.devices <= 200 else 60.0

    @property
    def agents_interval(self) -> float:
        """
        Seconds between two questions of an osquery agent: fifty a second come from all together.
        """
        return max(3.0, self.devices / 50)


def read_options(arguments: Sequence[str] | None = None) -> Options:
    """
    Read the command line.
    """
    parser = _parser()
    given = parser.parse_args(arguments)
    shares = {word: getattr(given, word.replace("-", "_")) for word in SHARES}
    try:
        plan_fleet(given.devices, shares, given.seed)
    except ValueError as error:
        parser.error(str(error))
    return Options(
        given.devices,
        given.seed,
        shares,
        given.ca_out,
        given.kills,
        given.store,
        given.minutes,
        given.workers,
        given.threads,
        given.keys,
        given.keep,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/simulate",
        description="Simulated devices enroll with a real daemon and get a certificate, while "
        "devices, CA and daemon fail.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--devices", type=_number(1, 100_000), default=100, metavar="N", help="[%(default)s]")
    add("--seed", default="1", metavar="TEXT", help="fixes who does what, and when [%(default)s]")
    for word in SHARES:
        text = f"percent that {_HELP[word]} [{_DEFAULTS.get(word, 0.0):g}]"
        default = _DEFAULTS.get(word, 0.0)
        add(f"--{word}", type=float, default=default, metavar="%", help=text.replace("%", "%%"))
    add("--ca-out", type=float, default=10.0, metavar="SECONDS", help="0: never [%(default)g]")
    add("--kills", type=_number(0, 20), default=2, metavar="N", help="of the daemon [%(default)s]")
    add("--store", choices=("sqlite", "postgresql"), default="sqlite", help="[%(default)s]")
    add("--minutes", type=float, default=10.0, metavar="LIMIT", help="[%(default)g]")
    add("--workers", type=_number(1, 16), default=2, metavar="N", help="processes [%(default)s]")
    add("--threads", type=_number(1, 64), default=8, metavar="N", help="in each [%(default)s]")
    add(
        "--keys",
        type=Path,
        default=KEYS,
        metavar="FOLDER",
        help="where the devices' keys are kept [%(default)s]",
    )
    add("--keep", type=Path, metavar="FOLDER", help="keep the daemons' files and logs there")
    return parser


def _number(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        number = int(text)
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"{number} is not {least} to {most}")
        return number

    return read
