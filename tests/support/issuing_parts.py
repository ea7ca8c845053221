"""
An embedded certificate authority put together from fakes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

from twisted.internet.interfaces import IReactorTime

from scepd.metrics import Metrics
from scepd.pki.keyring import Keyring
from scepd.ports import Workers
from scepd.services.ca_keys import CAKeys
from scepd.services.ca_rollover import CARollOver
from scepd.services.certificates import Certificates
from scepd.services.certification import Certification
from scepd.services.delivery_challenges import DeliveryChallenges
from scepd.services.issuing import EmbeddedCA, IssuingPorts
from scepd.services.issuing_permission import IssuingPermission
from scepd.services.issuing_queries import IssuingQueries
from scepd.services.issuing_settings import IssuingSettings
from scepd.services.request_approval import ApprovalPorts, RequestApproval
from scepd.services.revocation_lists import RevocationLists
from tests.support.fake_issuing import FakeIssuing


@dataclass(frozen=True)
class IssuingParts:
    """
    The authority, and what operators have of it.
    """

    ca: EmbeddedCA
    approval: RequestApproval
    lists: RevocationLists
    certificates: Certificates
    roll_over: CARollOver


def issuing_parts(
    keys: CAKeys,
    store: FakeIssuing,
    clock: IReactorTime,
    workers: Workers,
    keyring: Callable[[], Keyring],
    settings: IssuingSettings,
    static_challenge: str | None,
    deliveries: DeliveryChallenges | None = None,
    *,
    manual: bool = False,
    metrics: Metrics | None = None,
) -> IssuingParts:
    """
    Put them together; the ids of waiting requests are ``r-1``, ``r-2`` and so on.
    """
    numbers: Iterator[int] = count(1)
    metrics = Metrics() if metrics is None else metrics
    certification = Certification(clock, os.urandom, settings)
    lists = RevocationLists(store, keys, workers, clock, settings.crl_lifetime)
    approval = RequestApproval(
        ApprovalPorts(
            store,
            store,
            keys,
            certification,
            keyring,
            workers,
            clock,
            os.urandom,
            lambda: f"r-{next(numbers)}",
        )
    )
    ports = IssuingPorts(
        keys,
        store,
        certification,
        IssuingPermission(store, clock, static_challenge, deliveries, manual=manual),
        approval,
        IssuingQueries(keys, store, lists),
        clock,
        os.urandom,
        workers,
        workers,
        metrics,
    )
    return IssuingParts(
        EmbeddedCA(ports, settings),
        approval,
        lists,
        Certificates(store, clock),
        CARollOver(keys, store, clock),
    )
