"""
What a simulated device tells of itself over MDM.

Source: Apple's MDM reference, "Commands and queries".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from cryptography import x509
from cryptography.x509.oid import NameOID

from scepd.simulator.hardware import Hardware
from scepd.simulator.identity import Identity
from scepd.simulator.keychain import InstalledProfile


def profile_list(profiles: Iterable[InstalledProfile]) -> Mapping[str, object]:
    """
    Answer ProfileList.

    :param profiles: all profiles of the device.
    :returns: what goes into the result.
    """
    return {
        "ProfileList": [
            {
                "PayloadIdentifier": held.identifier,
                "PayloadUUID": held.uuid,
                "PayloadDisplayName": held.display_name,
                "PayloadVersion": 1,
                "IsEncrypted": False,
                "IsManaged": True,
            }
            for held in profiles
        ]
    }


def certificate_list(identities: Iterable[Identity]) -> Mapping[str, object]:
    """
    Answer CertificateList.

    :param identities: all of the device.
    :returns: what goes into the result.
    """
    return {
        "CertificateList": [
            {
                "CommonName": common_name(identity.summary),
                "Data": identity.certificate,
                "IsIdentity": True,
            }
            for identity in identities
        ]
    }


def device_information(hardware: Hardware, queries: Sequence[str]) -> Mapping[str, object]:
    """
    Answer DeviceInformation.

    :param hardware: the device.
    :param queries: what is asked for; what the device does not know is left out of the answer.
    :returns: what goes into the result.
    """
    known = hardware.facts
    return {"QueryResponses": {query: known[query] for query in queries if query in known}}


def common_name(certificate: x509.Certificate) -> str:
    """
    Read the first common name of a subject.

    :param certificate: any.
    :returns: its printable characters; empty when there is none.
    """
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return "".join(each for each in str(names[0].value) if each.isprintable()) if names else ""
