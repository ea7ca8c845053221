"""
Which hosts a profile is for.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Targets:
    """
    Hosts by their labels; every part that is not empty must hold. When all are empty, all hosts
    are meant.

    :param labels_any: a host has one of these at least.
    :param labels_all: a host has every one of these.
    :param labels_none: a host has none of these.
    """

    labels_any: tuple[str, ...] = ()
    labels_all: tuple[str, ...] = ()
    labels_none: tuple[str, ...] = ()

    @property
    def are_all_hosts(self) -> bool:
        """
        Whether no label matters.
        """
        return not (self.labels_any or self.labels_all or self.labels_none)

    def include(self, labels: Collection[str]) -> bool:
        """
        Tell whether a host belongs to them.

        :param labels: the labels of the host.
        """
        has = frozenset(labels)
        return (
            (not self.labels_any or not has.isdisjoint(self.labels_any))
            and has.issuperset(self.labels_all)
            and has.isdisjoint(self.labels_none)
        )


ALL_HOSTS = Targets()


@dataclass(frozen=True, slots=True)
class TargetCount:
    """
    How many hosts a profile has.

    :param hosts: that should have it.
    :param leaving: that are still to lose it.
    :param is_applied: whether the last change of the profile has reached all its hosts; else the
        numbers still move.
    """

    hosts: int
    leaving: int
    is_applied: bool


@dataclass(frozen=True, slots=True)
class FactsChange:
    """
    What an operator tells of one host.

    :param facts: value by the variable's name without ``FLEET_VAR_``; None: it is taken away.
    """

    host_uuid: str
    facts: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True)
class DeviceDetails:
    """
    What a device, or its agent, says that it is; empty: it does not say.

    :param platform: ``macos``, ``ios`` or ``ipados``.
    """

    platform: str = ""
    serial_number: str = ""
    model: str = ""
    os_version: str = ""
