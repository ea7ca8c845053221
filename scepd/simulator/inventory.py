"""
What a simulated device tells of itself over MDM.
"""

from __future__ import annotations

from collections.abc import Mapping

from cryptography import x509
from cryptography.x509.oid import NameOID

from scepd.simulator.hardware import Hardware
from scepd.simulator.keychain import Keychain


def profile_list(keychain: Keychain) -> Mapping[str, object]:
    """
    The answer to ProfileList.
    """
    return {
        "ProfileList": [
            {"PayloadIdentifier": held.identifier, "PayloadDisplayName": held.display_name}
            for held in keychain.profiles.values()
        ]
    }


def certificate_list(keychain: Keychain) -> Mapping[str, object]:
    """
    The answer to CertificateList.
    """
    return {
        "CertificateList": [
            {
                "CommonName": common_name(identity.summary),
                "Data": identity.certificate,
                "IsIdentity": True,
            }
            for identity in keychain.identities
        ]
    }


def device_information(hardware: Hardware) -> Mapping[str, object]:
    """
    The answer to DeviceInformation.
    """
    return {
        "QueryResponses": {
            "UDID": hardware.udid,
            "SerialNumber": hardware.serial_number,
            "DeviceName": hardware.name,
            "Model": hardware.model,
            "OSVersion": hardware.os_version,
        }
    }


def common_name(certificate: x509.Certificate) -> str:
    """
    The subject's (first) common name; empty when it has none.
    """
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""
