"""
What became of every device: as the admin API tells it, as the device has it, as the CA knows it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import httpx
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from sqlalchemy import Engine, create_engine, select

from scepd.simulator.fleet_plan import DevicePlan, Part
from scepd.storage.tables import issued_certificate, managed_certificate
from scripts.simulate_fleet.stage import CA_NAME, Stage

STATES = ("verified", "verifying", "pending", "failed", "no row")


@dataclass(frozen=True, slots=True)
class Spent:
    """
    Seconds: of the clock, and of the CPU time of daemon, CA and devices.
    """

    seconds: float
    daemon: float
    ca: float
    devices: float


@dataclass(frozen=True, slots=True)
class DeviceOutcome:
    """
    What became of one device.

    :param status: of its row; ``no row`` when there is none.
    :param detail: of its row.
    :param attempts: of its row.
    :param is_certified: whether it has a certificate that the CA signed and that the daemon knows
        as the profile's.
    :param issued: certificates that the CA issued for it.
    :param did: its own account.
    """

    plan: DevicePlan
    status: str
    detail: str
    attempts: int
    is_certified: bool
    issued: int
    did: Mapping[str, Any]

    @property
    def is_good(self) -> bool:
        """
        Whether it is as it has to be.
        """
        if self.plan.is_reachable:
            return self.status == "verified" and self.is_certified
        return self.status == "pending" and not self.did["certificates"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What became of all.

    :param complaints: lines of the daemon's log about bugs of its own.
    """

    devices: Sequence[DeviceOutcome]
    spent: Spent
    pushes: int
    delay_p50: str
    delay_p99: str
    complaints: Sequence[str]

    @property
    def is_good(self) -> bool:
        """
        Whether every device is as it has to be.
        """
        return all(one.is_good for one in self.devices)

    def states(self) -> list[tuple[str, ...]]:
        """
        The table of states: of each part its devices, those in each state, those with a
        certificate. It depends on the seed alone.
        """
        rows = []
        for part, devices in self.parts():
            count = Counter(one.status for one in devices)
            certified = sum(one.is_certified for one in devices)
            numbers = (len(devices), *(count[state] for state in STATES), certified)
            rows.append((part.value, *map(str, numbers)))
        return rows

    def digest(self) -> str:
        """
        Of the states of each device: equal for two runs that ended equally.
        """
        text = "".join(
            f"{one.plan.hardware.udid} {one.plan.part.value} {one.status} {one.is_certified}\n"
            for one in self.devices
        )
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def parts(self) -> Iterator[tuple[Part, list[DeviceOutcome]]]:
        """
        The devices by their parts, without empty ones.
        """
        for part in Part:
            devices = [one for one in self.devices if one.plan.part is part]
            if devices:
                yield part, devices


def gather(
    plans: Sequence[DevicePlan],
    reports: Sequence[Mapping[str, Any]],
    stage: Stage,
    engine: Engine,
    profile: str,
    spent: Spent,
) -> Outcome:
    """
    Ask everybody.
    """
    rows = _rows(stage, profile)
    known = _known(engine)
    issuer, issued = _issuer(stage), _issued(stage)
    devices = []
    for plan, did in zip(plans, reports, strict=True):
        row = rows.get(plan.hardware.udid, {})
        mine = known.get(plan.hardware.udid, set())
        devices.append(
            DeviceOutcome(
                plan,
                str(row.get("status", "no row")),
                str(row.get("detail", "")),
                int(row.get("attempts", 0)),
                any(_is_good(one, issuer, mine) for one in did["certificates"]),
                issued[plan.hardware.serial_number],
                did,
            )
        )
    delays = stage.server.delays
    return Outcome(
        devices,
        spent,
        stage.pushes,
        delays.quantile(0.5),
        delays.quantile(0.99),
        stage.server.complaints(),
    )


def _rows(stage: Stage, profile: str) -> dict[str, dict[str, Any]]:
    """
    What an operator sees of each host.
    """
    found: dict[str, dict[str, Any]] = {}
    cursor: str | None = ""
    if not profile:
        return found
    with closing(stage.server.daemon.api()) as api:
        while cursor is not None:
            parameters = {"limit": "200", **({"after": cursor} if cursor else {})}
            page = api.get(f"/profiles/{profile}/status", params=parameters)
            content = page.raise_for_status().json()
            found |= {row["host"]: row for row in content["items"]}
            cursor = content["next"]
    return found


def _known(engine: Engine) -> dict[str, set[str]]:
    """
    The SHA-1 of each certificate that the daemon saw on a host.
    """
    found: dict[str, set[str]] = {}
    wanted = select(managed_certificate.c.host_uuid, managed_certificate.c.sha1).where(
        managed_certificate.c.ca_name == CA_NAME
    )
    with engine.connect() as connection:
        for host_uuid, sha1 in connection.execute(wanted):
            found.setdefault(host_uuid, set()).add(sha1.lower())
    return found


def _issuer(stage: Stage) -> x509.Certificate:
    daemon = stage.ca.daemon
    url = f"http://127.0.0.1:{daemon.device_port}/mdm/scep/ca?operation=GetCACert"
    answer = httpx.get(url, trust_env=False, timeout=30).raise_for_status()
    return x509.load_der_x509_certificate(answer.content)


def _issued(stage: Stage) -> Counter[str]:
    """
    How many certificates the CA issued for each serial number.
    """
    engine = create_engine(stage.ca.daemon.database_url)
    try:
        with engine.connect() as connection:
            subjects = connection.scalars(select(issued_certificate.c.subject))
            words = [word for subject in subjects for word in subject.replace("=", " ").split()]
            return Counter(words)
    finally:
        engine.dispose()


def _is_good(certificate: str, issuer: x509.Certificate, known: set[str]) -> bool:
    der = bytes.fromhex(certificate)
    if hashlib.sha1(der, usedforsecurity=False).hexdigest() not in known:
        return False
    try:
        x509.load_der_x509_certificate(der).verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True
