"""
The enrollment profile: how a device gets an identity, and where its MDM server is.

Source: Apple's profile reference, payloads ``com.apple.security.scep`` and ``com.apple.mdm``.
"""

from __future__ import annotations

import plistlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from scepd.errors import EncodingError
from scepd.plist.values import PlistValue

SCEP_PAYLOAD = "com.apple.security.scep"
MDM_PAYLOAD = "com.apple.mdm"
CONTENT_TYPE = "application/x-apple-aspen-config"
"""
The content type of a profile that a browser or device fetches.
"""
ALL_RIGHTS = 8191
"""
Every access right of MDM.
"""
KEY_SIZE = 2048
"""
Bits of the identity's RSA key.
"""
_SIGNING_AND_ENCRYPTION = 5

Subject: TypeAlias = tuple[tuple[tuple[str, str], ...], ...]
"""
A name as the SCEP payload spells it: RDNs, each of pairs of attribute type and value.
"""


@dataclass(frozen=True, slots=True)
class EnrollmentProfile:
    """
    Everything that differs from one enrollment profile to another.

    When an identity is renewed, a device takes the new profile only with the same identifiers,
    ServerURL and Topic.

    :param identifier: PayloadIdentifier; those of the two payloads add ``.scep`` and ``.mdm``.
    :param uuid: PayloadUUID of the profile.
    :param scep_uuid: PayloadUUID of the SCEP payload, the IdentityCertificateUUID of MDM.
    :param mdm_uuid: PayloadUUID of the MDM payload.
    :param display_name: what the user of the device sees.
    :param organization: likewise; may be empty.
    :param server_url: where the device asks for commands.
    :param check_in_url: where it checks in.
    :param topic: the UID of the push certificate.
    :param scep_url: of the embedded certificate authority.
    :param challenge: good for one certificate.
    :param subject: of the identity's certificate.
    :param sign_message: whether the device signs what it sends; else TLS has to prove who it is.
    """

    identifier: str
    uuid: str
    scep_uuid: str
    mdm_uuid: str
    display_name: str
    organization: str
    server_url: str
    check_in_url: str
    topic: str
    scep_url: str
    challenge: str = field(repr=False)
    subject: Subject
    sign_message: bool = True


def common_name(text: str) -> Subject:
    """
    Make a subject that is nothing but a common name.

    :param text: the common name; at most 64 characters (RFC 5280 appendix A.1).
    :returns: the subject.
    """
    return ((("CN", text),),)


def build_enrollment_profile(profile: EnrollmentProfile) -> bytes:
    """
    Write an enrollment profile; the same input always gives the same bytes.

    Its ServerCapabilities let a Mac hand over its bootstrap token, and open a user channel.

    :param profile: what to put into it.
    :returns: the unsigned profile in XML.
    :raises EncodingError: a value holds characters that XML can't carry.
    """
    root = {
        "PayloadType": "Configuration",
        "PayloadVersion": 1,
        "PayloadIdentifier": profile.identifier,
        "PayloadUUID": profile.uuid,
        "PayloadDisplayName": profile.display_name,
        "PayloadOrganization": profile.organization,
        "PayloadScope": "System",
        "PayloadContent": [_scep_payload(profile), _mdm_payload(profile)],
    }
    try:
        return plistlib.dumps(root)
    except ValueError:
        raise EncodingError("the enrollment profile can't be written in XML") from None


def _scep_payload(profile: EnrollmentProfile) -> dict[str, object]:
    return {
        "PayloadType": SCEP_PAYLOAD,
        "PayloadVersion": 1,
        "PayloadIdentifier": f"{profile.identifier}.scep",
        "PayloadUUID": profile.scep_uuid,
        "PayloadDisplayName": "Device identity",
        "PayloadContent": {
            "URL": profile.scep_url,
            "Challenge": profile.challenge,
            "Subject": [[list(pair) for pair in rdn] for rdn in profile.subject],
            "Key Type": "RSA",
            "Keysize": KEY_SIZE,
            "Key Usage": _SIGNING_AND_ENCRYPTION,
        },
    }


def _mdm_payload(profile: EnrollmentProfile) -> dict[str, object]:
    return {
        "PayloadType": MDM_PAYLOAD,
        "PayloadVersion": 1,
        "PayloadIdentifier": f"{profile.identifier}.mdm",
        "PayloadUUID": profile.mdm_uuid,
        "PayloadDisplayName": "Device management",
        "ServerURL": profile.server_url,
        "CheckInURL": profile.check_in_url,
        "Topic": profile.topic,
        "IdentityCertificateUUID": profile.scep_uuid,
        "SignMessage": profile.sign_message,
        "AccessRights": ALL_RIGHTS,
        "CheckOutWhenRemoved": True,
        "ServerCapabilities": [
            "com.apple.mdm.per-user-connections",
            "com.apple.mdm.bootstraptoken",
        ],
    }


def subject_of(value: PlistValue | None) -> Subject:
    """
    Read the ``Subject`` of a SCEP payload.

    :param value: an array of RDNs, each an array of pairs of type and value.
    :returns: the subject.
    :raises EncodingError: another shape.
    """
    if not isinstance(value, list):
        raise EncodingError("the SCEP payload has no Subject")
    return tuple(_rdn(rdn) for rdn in value)


def _rdn(rdn: PlistValue) -> tuple[tuple[str, str], ...]:
    if not isinstance(rdn, list) or not rdn:
        raise EncodingError("an RDN of the SCEP payload's Subject is not an array")
    return tuple(_pair(pair) for pair in rdn)


def _pair(pair: PlistValue) -> tuple[str, str]:
    if isinstance(pair, list) and len(pair) == 2:
        kind, text = pair
        if isinstance(kind, str) and isinstance(text, str):
            return kind, text
    raise EncodingError("a part of the SCEP payload's Subject is not [type, value]")


def payload_of(root: Mapping[str, PlistValue], payload_type: str) -> dict[str, PlistValue]:
    """
    Find the one payload of a type.

    :param root: a profile.
    :param payload_type: such as ``com.apple.mdm``.
    :returns: the payload.
    :raises EncodingError: none, or more than one.
    """
    payloads = root.get("PayloadContent")
    found = [
        each
        for each in (payloads if isinstance(payloads, list) else [])
        if isinstance(each, dict) and each.get("PayloadType") == payload_type
    ]
    if len(found) != 1:
        raise EncodingError(f"the profile has {len(found)} payloads {payload_type}, not one")
    return found[0]
