"""
The enrollment profile as a device reads it.
"""

from __future__ import annotations

from collections.abc import Mapping

from scepd.errors import EncodingError
from scepd.mdm.enrollment import (
    MDM_PAYLOAD,
    SCEP_PAYLOAD,
    EnrollmentProfile,
    payload_of,
    subject_of,
)
from scepd.mdm.fields import flag_of
from scepd.mdm.profile_signing import profile_content
from scepd.plist.reading import DEFAULT_MAX_SIZE, read_plist
from scepd.plist.values import PlistValue


def parse_enrollment_profile(content: bytes) -> EnrollmentProfile:
    """
    Read an enrollment profile; the signature of a signed one is not verified.

    :param content: the profile, signed or not, XML or binary; at most 1 MiB.
    :returns: what it holds.
    :raises EncodingError: not a profile with one SCEP and one MDM payload, or the MDM payload
        takes its identity from elsewhere, or a value is missing.
    :raises LimitExceeded: too large, too deep, or too much in it.
    """
    root = read_plist(profile_content(content, max_size=DEFAULT_MAX_SIZE))
    if not isinstance(root, dict) or root.get("PayloadType") != "Configuration":
        raise EncodingError("this is not a configuration profile")
    scep, mdm = payload_of(root, SCEP_PAYLOAD), payload_of(root, MDM_PAYLOAD)
    inner = scep.get("PayloadContent")
    if not isinstance(inner, dict):
        raise EncodingError("the SCEP payload has no content")
    if _required(mdm, "IdentityCertificateUUID") != _required(scep, "PayloadUUID"):
        raise EncodingError("the MDM payload's identity is not that of the SCEP payload")
    return _profile(root, scep, inner, mdm)


def _profile(
    root: Mapping[str, PlistValue],
    scep: Mapping[str, PlistValue],
    inner: Mapping[str, PlistValue],
    mdm: Mapping[str, PlistValue],
) -> EnrollmentProfile:
    server_url = _required(mdm, "ServerURL")
    return EnrollmentProfile(
        identifier=_required(root, "PayloadIdentifier"),
        uuid=_required(root, "PayloadUUID"),
        scep_uuid=_required(scep, "PayloadUUID"),
        mdm_uuid=_optional(mdm, "PayloadUUID"),
        display_name=_optional(root, "PayloadDisplayName"),
        organization=_optional(root, "PayloadOrganization"),
        server_url=server_url,
        # Apple: without a CheckInURL, the ServerURL is for both.
        check_in_url=_optional(mdm, "CheckInURL") or server_url,
        topic=_required(mdm, "Topic"),
        scep_url=_required(inner, "URL"),
        challenge=_optional(inner, "Challenge"),
        subject=subject_of(inner.get("Subject")),
        sign_message=flag_of(mdm, "SignMessage"),
    )


def _required(root: Mapping[str, PlistValue], key: str) -> str:
    value = _optional(root, key)
    if not value:
        raise EncodingError(f"the enrollment profile has no {key}")
    return value


def _optional(root: Mapping[str, PlistValue], key: str) -> str:
    value = root.get(key, "")
    if not isinstance(value, str):
        raise EncodingError(f"the enrollment profile's {key} is not a text")
    return value
