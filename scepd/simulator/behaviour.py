"""
How a simulated device behaves badly, when it is told to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from scepd.simulator.patience import Patience

Fault: TypeAlias = Literal[
    "not_now",
    "refuse",
    "hold",
    "lose_results",
    "run_twice",
    "new_keys",
    "old_identity",
    "lose_identity",
]
"""
The things of which a number can be done wrong.
"""


@dataclass(slots=True)
class Behaviour:
    """
    Counts of things to do wrong; each goes down when it was done.

    :ivar not_now: InstallProfile commands that are answered NotNow.
    :ivar refuse: InstallProfile commands that are answered Error without a look at the profile.
    :ivar hold: InstallProfile commands that are read and then left: neither installed nor answered.
    :ivar lose_results: results that are never sent: the device acts as if it lost power.
    :ivar run_twice: commands that are done a second time after their result was sent, with a second
        result: the device acts as if it had never got the answer to the first.
    :ivar new_keys: profiles whose certificates are asked for a second time, each with a fresh key:
        the device acts as if the authority's answer had been lost.
    :ivar old_identity: results that are signed with the identity before the last renewal.
    :ivar lose_identity: renewals of the identity that end when there is a new one, before it is
        used: the device acts as if it lost power, and has the old one.
    :ivar missing_tables: tables that the osquery agent does not know, such as ``macos_profiles``.
    :ivar late_requests: request types that are answered NotNow as long as they are here.
    :ivar refused_requests: request types that are answered Error, likewise.
    :ivar swollen_requests: request types whose answers are longer than a server takes, likewise.
    :ivar patience: how long to poll when an authority answers PENDING; None for what the SCEP
        payload says.
    :ivar before_install: called when a profile was received, before anything is done with it.
    :ivar after_install: called when a profile was installed, before its result is sent.
    """

    not_now: int = 0
    refuse: int = 0
    hold: int = 0
    lose_results: int = 0
    run_twice: int = 0
    new_keys: int = 0
    old_identity: int = 0
    lose_identity: int = 0
    missing_tables: frozenset[str] = frozenset()
    late_requests: frozenset[str] = frozenset()
    refused_requests: frozenset[str] = frozenset()
    swollen_requests: frozenset[str] = frozenset()
    patience: Patience | None = None
    before_install: Callable[[], None] | None = None
    after_install: Callable[[], None] | None = None

    def take(self, fault: Fault) -> bool:
        """
        Tell whether to do a thing wrong now, and count it down.

        :param fault: the thing.
        :returns: whether its count was above 0.
        """
        left: int = getattr(self, fault)
        if left <= 0:
            return False
        setattr(self, fault, left - 1)
        return True
