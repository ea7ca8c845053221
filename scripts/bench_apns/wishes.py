"""
Wishes to push, from the database to answered: a whole daemon against the fast server.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine, Table, create_engine, func, insert, select

from scepd.model import push_place
from scepd.pki.keyring import Keyring
from scepd.storage.tables import enrollment, host, push
from scripts.bench_apns.load import TOPIC, tokens
from scripts.bench_scep.authority import start_quietly
from scripts.bench_scep.processes import cpu_seconds
from tests.support.daemon import Daemon
from tests.support.nghttpd import Nghttpd

_ROWS = 5000
_PATIENCE = 300.0
_LOOK = 0.5
_DELAY = "scepd_reactor_delay_seconds"


@dataclass(frozen=True, slots=True)
class Wishes:
    """
    What came of it.

    :param count: wishes that were answered with 200.
    :param seconds: from the first answer in the database to the last.
    :param cpu: microseconds of the daemon's CPU time per wish.
    :param delay_p50: milliseconds by which the reactor was late, at most; None: more than measured.
    """

    count: int
    seconds: float
    cpu: float
    delay_p50: float | None
    delay_p99: float | None

    @property
    def per_second(self) -> float:
        """
        Wishes per second.
        """
        return self.count / self.seconds if self.seconds else 0.0


def measure_wishes(folder: Path, server: Nghttpd, count: int) -> Wishes:
    """
    Start a daemon that finds ``count`` wishes due in its database, and wait until all are answered.
    """
    daemon = Daemon(
        folder,
        {
            "log.level": '"warn"',
            "log.format": '"text"',
            "apns.certificate_file": f'"{server.certificate}"',
            "apns.key_file": f'"{server.certificate}"',
            "apns.host": '"localhost"',
            "apns.port": str(server.port),
            "apns.trusted_certificates_file": f'"{server.roots}"',
        },
    )
    engine = create_engine(daemon.database_url)
    try:
        _fill(engine, Keyring.parse((folder / "keyring").read_text()), count)
        start_quietly(daemon)
        # What its start takes is not of interest.
        pid = daemon.running_program.process.pid
        buckets, cpu = _buckets(daemon), cpu_seconds(pid)
        done, seconds = _wait(engine, count)
        spent = 1e6 * (cpu_seconds(pid) - cpu) / max(done, 1)
        late = [(upper, now - buckets[upper]) for upper, now in _buckets(daemon).items()]
        return Wishes(done, seconds, spent, _quantile(late, 0.5), _quantile(late, 0.99))
    finally:
        daemon.stop()
        engine.dispose()


def _wait(engine: Engine, count: int) -> tuple[int, float]:
    """
    How many were answered in the end, and the seconds between the first and the last answer.
    """
    answered = select(
        func.count(), func.min(push.c.answered_at), func.max(push.c.answered_at)
    ).where(push.c.last_status == 200)
    end = time.monotonic() + _PATIENCE
    done, first, last = 0, None, None
    while done < count and time.monotonic() < end:
        time.sleep(_LOOK)
        with engine.connect() as connection:
            done, first, last = connection.execute(answered).one()
    return done, (last - first).total_seconds() if first and last else 0.0


def _buckets(daemon: Daemon) -> dict[float, float]:
    """
    How often the reactor was late by at most so many seconds.
    """
    token = (daemon.folder / "admin.token").read_text().strip()
    headers = {"Authorization": f"Bearer {token}"}
    shown = httpx.get(f"{daemon.admin_url}/metrics", headers=headers, trust_env=False)
    families = text_string_to_metric_families(shown.raise_for_status().text)
    samples = [one for family in families if family.name == _DELAY for one in family.samples]
    return {float(one.labels["le"]): one.value for one in samples if one.name == f"{_DELAY}_bucket"}


def _quantile(buckets: list[tuple[float, float]], part: float) -> float | None:
    wanted = part * buckets[-1][1]
    most = next(upper for upper, count in buckets if count >= wanted)
    return None if most == float("inf") else 1000 * most


def _fill(engine: Engine, keyring: Keyring, count: int) -> None:
    """
    As many enrolled devices, each with a push that is due.
    """
    wished = list(tokens(count))
    for at in range(0, count, _ROWS):
        with engine.begin() as connection:
            for table, rows in _rows(wished[at : at + _ROWS], keyring):
                connection.execute(insert(table), [_complete(table, row) for row in rows])


def _rows(some: list[bytes], keyring: Keyring) -> Iterator[tuple[Table, list[dict[str, object]]]]:
    now = datetime.now(UTC)
    ids = [f"bench-{token.hex()[:8]}" for token in some]
    yield (
        host,
        [
            {"uuid": one, "folded_uuid": one, "serial_number": one, "platform": "macos"}
            | {"facts": {}}
            for one in ids
        ],
    )
    addresses = []
    for one, token in zip(ids, some, strict=True):
        address = f"{token.hex()}:{uuid.uuid4()}".encode()
        sealed = keyring.seal(address, push_place(one), os.urandom)
        addresses.append(
            {"id": one, "host_uuid": one, "kind": "device", "enabled": True}
            | {"push_topic": TOPIC, "push_key_id": sealed.key_id, "push": sealed.data}
            | {"token_updated_at": now, "enrolled_at": now}
        )
    yield enrollment, addresses
    yield push, [{"enrollment_id": one, "due_at": now} for one in ids]


def _complete(table: Table, row: dict[str, object]) -> dict[str, object]:
    """
    With 0 or an empty text in columns that need something and are of no interest here.
    """
    for column in table.columns:
        if not column.nullable and column.name not in row and column.default is None:
            row[column.name] = column.type.python_type()
    return row
