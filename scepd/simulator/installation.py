"""
Installing a configuration profile: its SCEP payloads get their certificates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from scepd.errors import MessageError
from scepd.plist.reading import read_plist
from scepd.simulator.failures import DeviceError
from scepd.simulator.hardware import Hardware
from scepd.simulator.http import DeviceHTTP
from scepd.simulator.keychain import InstalledProfile
from scepd.simulator.scep_client import Identity, SCEPClient
from scepd.simulator.subjects import subject_of

_SCEP = "com.apple.security.scep"


def install(
    content: bytes,
    hardware: Hardware,
    http: DeviceHTTP,
    now: Callable[[], datetime],
    story: Callable[[str, str], None],
) -> InstalledProfile:
    """
    Do what a profile asks for.

    :raises DeviceError: it can't be installed.
    """
    try:
        profile = read_plist(content)
    except MessageError as error:
        raise DeviceError(f"the profile: {error}", 1000) from error
    if not isinstance(profile, Mapping) or not isinstance(profile.get("PayloadContent"), Sequence):
        raise DeviceError("the profile is no configuration profile", 1000)
    identities = tuple(
        _identity(payload, hardware, http, now, story) for payload in scep_payloads(profile)
    )
    identifier, name = profile.get("PayloadIdentifier"), profile.get("PayloadDisplayName")
    return InstalledProfile(str(identifier), str(name or identifier), now(), identities)


def scep_payloads(profile: Mapping[str, object]) -> list[Mapping[str, object]]:
    """
    The contents of the profile's SCEP payloads.
    """
    payloads = profile.get("PayloadContent")
    assert isinstance(payloads, Sequence)
    return [
        payload["PayloadContent"]
        for payload in payloads
        if isinstance(payload, Mapping)
        and payload.get("PayloadType") == _SCEP
        and isinstance(payload.get("PayloadContent"), Mapping)
    ]


def _identity(
    payload: Mapping[str, object],
    hardware: Hardware,
    http: DeviceHTTP,
    now: Callable[[], datetime],
    story: Callable[[str, str], None],
) -> Identity:
    subject = subject_of(payload.get("Subject"), hardware.apple_variables)
    url, challenge = payload.get("URL"), payload.get("Challenge")
    bits = payload.get("Keysize", 1024)
    if not isinstance(url, str) or not isinstance(challenge, str) or not isinstance(bits, int):
        raise DeviceError("the SCEP payload lacks URL, Challenge or Keysize", 1000)
    client = SCEPClient(url, http, now=now)
    key = client.make_key(bits)
    story("B12", f"private key of {bits} bits made on the device")
    return client.enroll_key(key, subject, challenge)
