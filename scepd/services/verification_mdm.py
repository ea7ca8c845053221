"""
The inventory that a device answered over MDM.
"""

from __future__ import annotations

from scepd.errors import LimitExceeded
from scepd.mdm.commands import CERTIFICATE_LIST, PROFILE_LIST
from scepd.mdm.results import CommandResult, listed_certificates, listed_profiles
from scepd.profiles.certificate_candidates import CandidateCertificate, candidate_from_der
from scepd.services.inventory_schedule import MDM
from scepd.services.verification_inventory import Inventory


def mdm_inventory(request_type: str, result: CommandResult) -> Inventory | None:
    """
    Take an inventory out of a device's answer.

    :param request_type: of the command, as devices often leave it out of the result.
    :returns: None when the answer holds no list, or one that is too long to be read to its end:
        that is no inventory, and not the same as an empty one.
    """
    try:
        if request_type == PROFILE_LIST:
            return _profiles(result)
        if request_type == CERTIFICATE_LIST:
            return _certificates(result)
    except LimitExceeded:
        return None
    return None


def _profiles(result: CommandResult) -> Inventory | None:
    listed = listed_profiles(result)
    if listed is None:
        return None
    return Inventory([(each.identifier, None) for each in listed], None, MDM)


def _certificates(result: CommandResult) -> Inventory | None:
    listed = listed_certificates(result)
    if listed is None:
        return None
    unreadable = listed.without_data
    found: dict[str, CandidateCertificate] = {}
    for each in listed.certificates:
        candidate = candidate_from_der(each.der)
        if candidate is None:
            unreadable += 1
        else:
            found.setdefault(candidate.sha1, candidate)
    return Inventory(None, list(found.values()), MDM, unreadable=unreadable)
