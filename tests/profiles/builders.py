"""
Profiles for the tests, built by the standard library's ``plistlib``.
"""

from __future__ import annotations

import copy
import plistlib
from collections.abc import Callable, Mapping
from pathlib import Path

from scepd.errors import Fault, InvalidInput
from scepd.profiles.validation import validate_profile

SAMPLE = (Path(__file__).parent.parent / "data" / "scep-profile.mobileconfig").read_bytes()

Tree = dict[str, object]


def scep_content(**changes: object) -> Tree:
    """
    Build the content of a good SCEP payload for the authority ``X``.

    :param changes: keys that get another value.
    :returns: the content.
    """
    content: Tree = {
        "Challenge": "$FLEET_VAR_CUSTOM_SCEP_CHALLENGE_X",
        "URL": "${FLEET_VAR_CUSTOM_SCEP_PROXY_URL_X}",
        "Key Type": "RSA",
        "Key Usage": 5,
        "Keysize": 2048,
        "Subject": [[["CN", "%SerialNumber%"]], [["OU", "$FLEET_VAR_SCEP_RENEWAL_ID"]]],
    }
    return {**content, **changes}


def scep_payload(**changes: object) -> Tree:
    """
    Build a good SCEP payload.

    :param changes: keys of its content that get another value.
    :returns: the payload.
    """
    return {
        "PayloadType": "com.apple.security.scep",
        "PayloadIdentifier": "com.example.scep",
        "PayloadContent": scep_content(**changes),
    }


def profile(*payloads: Mapping[str, object], **changes: object) -> Tree:
    """
    Build a profile.

    :param payloads: its payloads.
    :param changes: keys of the profile that get another value.
    :returns: the profile.
    """
    root: Tree = {
        "PayloadType": "Configuration",
        "PayloadIdentifier": "com.example.profile",
        "PayloadDisplayName": "Example",
        "PayloadContent": list(payloads),
    }
    return {**root, **changes}


def xml(root: Mapping[str, object]) -> bytes:
    """
    Write a profile in XML.

    :param root: the profile.
    :returns: its bytes.
    """
    return plistlib.dumps(copy.deepcopy(dict(root)), fmt=plistlib.FMT_XML)


def binary(root: Mapping[str, object]) -> bytes:
    """
    Write a profile in binary form.

    :param root: the profile.
    :returns: its bytes.
    """
    return plistlib.dumps(copy.deepcopy(dict(root)), fmt=plistlib.FMT_BINARY)


def in_plist(inner: str) -> bytes:
    """
    Put XML elements into a property list.

    :param inner: the elements.
    :returns: the document, in UTF-8.
    """
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<plist version="1.0">{inner}</plist>'.encode()


def faults_of(act: Callable[[], object]) -> tuple[Fault, ...]:
    """
    Do something that is refused.

    :param act: what to do.
    :returns: the faults; none when it was not refused.
    """
    try:
        act()
    except InvalidInput as error:
        return error.faults
    return ()


def upload_faults(content: bytes, *authorities: str) -> tuple[Fault, ...]:
    """
    Upload a profile.

    :param content: the profile.
    :param authorities: the certificate authorities that exist; ``X`` when none is given.
    :returns: its faults.
    """
    known = authorities or ("X",)
    return faults_of(lambda: validate_profile(content, known_authorities=known))
