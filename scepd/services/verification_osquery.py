"""
The inventory that an osquery agent wrote back.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from scepd.osquery.distributed import DistributedWrite
from scepd.osquery.inventory import (
    InstalledProfile,
    ObservedCertificate,
    certificates_of,
    profiles_of,
    user_profiles_of,
)
from scepd.profiles.certificate_candidates import (
    CandidateCertificate,
    CertificateTexts,
    candidate_from_texts,
)
from scepd.services.verification import Inventory


def inventory_of(write: DistributedWrite) -> Inventory:
    """
    Take an inventory out of an agent's answer; a query that failed is none.
    """
    observed = certificates_of(write)
    certificates = None
    if observed is not None:
        found = (_candidate(each) for each in observed)
        certificates = [each for each in found if each is not None]
    return Inventory(
        _listed(profiles_of(write)),
        certificates,
        "osquery",
        user_profiles=_listed(user_profiles_of(write)),
    )


def _listed(
    profiles: Sequence[InstalledProfile] | None,
) -> list[tuple[str, datetime | None]] | None:
    if profiles is None:
        return None
    return [(each.identifier, each.installed_at) for each in profiles]


def _candidate(observed: ObservedCertificate) -> CandidateCertificate | None:
    return candidate_from_texts(
        CertificateTexts(
            sha1=observed.sha1,
            subject=observed.subject2,
            legacy_subject=observed.subject,
            issuer=observed.issuer2,
            legacy_issuer=observed.issuer,
            serial=observed.serial,
            not_before=observed.not_before,
            not_after=observed.not_after,
        )
    )
