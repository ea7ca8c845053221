"""
All processes of one run, and what is measured of them.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from rich.progress import Progress

from scripts.bench_scep.authority import CHALLENGE, PATH, Authority
from scripts.bench_scep.comparison import Comparison, Options, Stock, Target, write_paths
from scripts.bench_scep.figures import ONE_KEPT, PACED, SITE, Figures
from scripts.bench_scep.generator import pack_messages
from scripts.bench_scep.material import static_material
from scripts.bench_scep.memory import MemoryFigure, measure_memory
from scripts.bench_scep.messages import make_messages
from scripts.bench_scep.nginx import Nginx
from scripts.bench_scep.processes import Generator, Python, pin
from scripts.bench_scep.proxy import Proxy

_CONCURRENCY = 128
_ENOUGH = 1.15
_FEW = 100
_WARM = 16


@dataclass(frozen=True, slots=True)
class Sizes:
    """
    How large the parts of a run are.

    :param delay: milliseconds after which the static CA answers.
    :param many: certificates that the CA has issued before, in its second measurement.
    :param transfers: that are open at once.
    :param cores: for what is measured, and for the rest; None: wherever the system likes.
    """

    delay: float
    many: int
    transfers: int
    cores: tuple[int, int] | None


class Stage:
    """
    Starts what a case needs when it is needed first, and ends all.
    """

    def __init__(
        self, folder: Path, options: Options, sizes: Sizes, figures: Figures, progress: Progress
    ) -> None:
        self._folder = folder
        self._options = options
        self._sizes = sizes
        self._figures = figures
        self._progress = progress
        self._exits = ExitStack()
        self.memory: MemoryFigure | None = None

    def stop(self) -> None:
        """
        End all processes.
        """
        self._exits.close()

    def measure_static(self) -> None:
        """
        The static CA directly, through nginx, through the daemon: the proxy has a core of its own.
        """
        ca, proxy = self._static_ca, self._proxy
        nginx = self._nginx("nginx-static", ca.port)
        proxy.add_authority("STATIC", f"http://127.0.0.1:{ca.port}/scep", _CONCURRENCY)
        site = self._site
        self._pin(alone=(proxy.pid, nginx.pid, site.process.pid), others=(ca.process.pid,))
        anything = Stock(self._pkcs_req, None)
        direct = Target("direct", ca.port, None, "/scep")
        through = replace(direct, name="nginx", port=nginx.port, pid=nginx.pid)
        scepd = Target("scepd", proxy.port, proxy.pid, self._windows("STATIC", "warm", 1500))
        stocks = {name: anything for name in ("direct", "nginx", SITE, PACED)}
        stocks["scepd"] = Stock(self._pkcs_req, 1500)
        warm = Comparison("static", self._generator, stocks)
        warm.once(through, _WARM, 0.3)
        tried = warm.once(scepd, _WARM, 1.0)
        count = self._needed(tried.count / tried.seconds, 1)
        stocks["scepd"] = Stock(self._pkcs_req, count)
        scepd = replace(scepd, paths=self._windows("STATIC", "static", count))
        comparison = Comparison("static", self._generator, stocks, ca.process.pid)
        self._run(comparison, [direct, through, scepd, *self._site_targets])

    def measure_real(self) -> None:
        """
        The embedded CA directly, through nginx, through the daemon: the CA has a core of its own.
        """
        ca, proxy = self._authority, self._proxy
        nginx = self._nginx("nginx-real", ca.port)
        url = f"http://127.0.0.1:{ca.port}{PATH}"
        proxy.add_authority("REAL", url, _CONCURRENCY)
        self._pin(alone=(ca.pid,), others=(proxy.pid, nginx.pid, self._site.process.pid))
        count = self._needed(self._issuing_rate, 3)
        messages = Stock(self._messages("real", count), count)
        direct = Target("direct", ca.port, None, PATH)
        through = replace(direct, name="nginx", port=nginx.port, pid=nginx.pid)
        scepd = Target("scepd", proxy.port, proxy.pid, self._windows("REAL", "real", count))
        targets = [direct, through, scepd]
        stocks = {target.name: messages for target in targets}
        stocks[SITE] = stocks[PACED] = Stock(self._pkcs_req, None)
        targets += self._site_targets
        self._run(Comparison("real", self._generator, stocks, ca.pid), targets)

    def measure_ca(self) -> None:
        """
        The embedded CA alone, with few and with many certificates issued before.
        """
        few, many = self._authority, self._full_authority
        self._pin(alone=(few.pid, many.pid), others=())
        count = self._needed(self._issuing_rate, 2, 1)
        stock = Stock(self._messages("ca", count), count)
        targets = [
            Target(f"{number} issued", one.port, one.pid, PATH)
            for number, one in ((_FEW, few), (self._sizes.many, many))
        ]
        comparison = Comparison("ca", self._generator, {one.name: stock for one in targets})
        self._run(comparison, targets, devices=(_WARM,))

    def measure_site(self) -> None:
        """
        A bare site: one request on a kept connection.
        """
        target = replace(self._site_targets[0], name=ONE_KEPT)
        self._pin(alone=(self._site.process.pid,), others=())
        comparison = Comparison("site", self._generator, {ONE_KEPT: Stock("", None)})
        comparison.once(target, _WARM, 0.3)
        self._run(comparison, [target], devices=(_WARM,), kept=True)

    def measure_memory(self) -> None:
        """
        Slow transfers.
        """
        files = self._static_files
        count = self._sizes.transfers
        self.memory = measure_memory(self._folder / "slow", files, count, self._progress)

    def _run(
        self,
        comparison: Comparison,
        targets: list[Target],
        devices: tuple[int, ...] | None = None,
        kept: bool | None = None,
    ) -> None:
        options = self._options
        if devices is not None:
            options = replace(options, devices=devices)
        if kept is not None:
            options = replace(options, kept=kept)
        comparison.run(targets, options, self._figures, self._progress)

    def _needed(self, per_second: float, targets: int, steps: int | None = None) -> int:
        """
        Enrollments to prepare for, when so many are done in a second.
        """
        steps = len(self._options.devices) if steps is None else steps
        measured = self._options.seconds * self._options.rounds * steps * targets
        # Those that are under way when a measurement ends are finished.
        return int(per_second * measured * _ENOUGH) + 64 * self._options.rounds * steps * targets

    def _pin(self, alone: tuple[int, ...], others: tuple[int, ...]) -> None:
        cores = self._sizes.cores
        if cores is None:
            return
        for pid in alone:
            pin(pid, cores[0])
        for pid in (*others, self._generator.pid):
            pin(pid, cores[1])

    def _windows(self, name: str, file: str, count: int) -> str:
        return write_paths(self._folder, file, self._proxy.open_windows(name, count))

    def _messages(self, file: str, count: int) -> str:
        made = make_messages(count, self._authority.certificate, CHALLENGE, self._progress)
        path = self._folder / f"{file}.messages"
        path.write_bytes(pack_messages(made))
        return str(path)

    def _nginx(self, name: str, upstream: int) -> Nginx:
        nginx = Nginx(self._folder / name, upstream)
        self._exits.callback(nginx.stop)
        return nginx

    @cached_property
    def _generator(self) -> Generator:
        generator = Generator()
        self._exits.callback(generator.stop)
        return generator

    @cached_property
    def _static_files(self) -> tuple[str, str]:
        """
        The files for the programs that play a CA; the PKCSReq is written beside them.
        """
        material = static_material()
        names = []
        for name, content in (
            ("certificate", material.certificate),
            ("cert-rep", material.cert_rep),
            ("pkcs-req", pack_messages([material.pkcs_req])),
        ):
            (self._folder / name).write_bytes(content)
            names.append(str(self._folder / name))
        return names[0], names[1]

    @property
    def _pkcs_req(self) -> str:
        return str(Path(self._static_files[0]).with_name("pkcs-req"))

    @cached_property
    def _static_ca(self) -> Python:
        ca = Python("static_ca", *self._static_files, str(self._sizes.delay))
        self._exits.callback(ca.stop)
        return ca

    @cached_property
    def _site(self) -> Python:
        """
        A bare site, which is measured beside the proxy: one minute's figures say little about
        another's.
        """
        site = Python("site")
        self._exits.callback(site.stop)
        return site

    @property
    def _site_targets(self) -> list[Target]:
        """
        The site as fast as it can, and at the proxy's rate.
        """
        fast = Target(SITE, self._site.port, self._site.process.pid, "/")
        return [fast, replace(fast, name=PACED, pace="scepd")]

    @cached_property
    def _proxy(self) -> Proxy:
        most = str(max(self._options.devices, default=1))
        proxy = Proxy(self._folder / "proxy", {"scep_proxy.max_idle_connections": most})
        self._exits.callback(proxy.stop)
        return proxy

    @cached_property
    def _empty_authority(self) -> Authority:
        return Authority(self._folder / "ca", 0)

    @cached_property
    def _authority(self) -> Authority:
        authority = Authority(self._folder / "ca-few", _FEW, self._empty_authority)
        authority.start()
        self._exits.callback(authority.stop)
        return authority

    @cached_property
    def _full_authority(self) -> Authority:
        authority = Authority(self._folder / "ca-many", self._sizes.many, self._empty_authority)
        authority.start()
        self._exits.callback(authority.stop)
        return authority

    @cached_property
    def _issuing_rate(self) -> float:
        """
        Certificates per second of the embedded CA, by a short try.
        """
        ca = self._authority
        if self._sizes.cores is not None:
            pin(ca.pid, self._sizes.cores[0])
        stock = Stock(self._messages("tried", 200), 200)
        target = Target("direct", ca.port, None, PATH)
        comparison = Comparison("real", self._generator, {"direct": stock})
        tried = comparison.once(target, _WARM, 1.0)
        return tried.count / tried.seconds


def two_cores() -> tuple[int, int] | None:
    """
    Two cores that this process may use; None when there are not two.
    """
    cores = sorted(os.sched_getaffinity(0))
    return (cores[1], cores[0]) if len(cores) > 1 else None
