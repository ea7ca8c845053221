"""
Installing a configuration profile: its SCEP payloads get their certificates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from cryptography import x509

from scepd.errors import MessageError
from scepd.mdm.enrollment import MDM_PAYLOAD, SCEP_PAYLOAD
from scepd.mdm.fields import dictionaries_of, text_of
from scepd.mdm.profile_signing import profile_content
from scepd.plist.reading import read_plist
from scepd.plist.values import PlistValue
from scepd.simulator.failures import PROFILE_INVALID, DeviceError
from scepd.simulator.http import DeviceHTTP
from scepd.simulator.identity import Identity
from scepd.simulator.keychain import InstalledProfile
from scepd.simulator.keys import Keys, fresh_key
from scepd.simulator.patience import Patience, Waiting
from scepd.simulator.scep_client import SCEPClient
from scepd.simulator.subjects import subject_of

_LARGEST_PROFILE = 16 * 1024 * 1024
# Apple's profile reference, payload com.apple.security.scep.
_DEFAULT_KEY_SIZE = 1024
_DEFAULT_RETRIES = 3
_DEFAULT_RETRY_DELAY = 10
_MOST_RETRIES = 1000
_LONGEST_RETRY_DELAY = 86_400

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class SCEPRequest:
    """
    What a SCEP payload asks for: enough for any SCEP client to go on with.

    :param url: of the authority.
    :param challenge: empty when there is none.
    :param subject: with Apple's variables filled in.
    :param key_bits: of the RSA key.
    :param patience: how long to poll when the authority answers PENDING.
    """

    url: str = field(repr=False)
    challenge: str = field(repr=False)
    subject: x509.Name
    key_bits: int
    patience: Patience


@dataclass(frozen=True, slots=True)
class ReceivedProfile:
    """
    A profile that the device has read.

    :param identifier: PayloadIdentifier.
    :param display_name: PayloadDisplayName; the identifier when there is none.
    :param uuid: PayloadUUID; may be empty.
    :param requests: of its SCEP payloads.
    :param is_enrollment: whether it holds an MDM payload.
    """

    identifier: str
    display_name: str
    uuid: str
    requests: tuple[SCEPRequest, ...]
    is_enrollment: bool


def read_profile(content: bytes, variables: Mapping[str, str]) -> ReceivedProfile:
    """
    Read a configuration profile; the signature of a signed one is not verified.

    :param content: the profile, signed or not, XML or binary.
    :param variables: the values of Apple's variables.
    :returns: what it holds.
    :raises DeviceError: it is none, or a SCEP payload of it lacks something.
    """
    try:
        plain = profile_content(content, max_size=_LARGEST_PROFILE)
        root = read_plist(plain, max_size=_LARGEST_PROFILE)
    except MessageError as error:
        raise _invalid(f"the profile: {error}") from error
    if not isinstance(root, dict) or root.get("PayloadType") != "Configuration":
        raise _invalid("this is not a configuration profile")
    payloads = dictionaries_of(root, "PayloadContent")
    identifier = text_of(root, "PayloadIdentifier")
    if payloads is None or not identifier:
        raise _invalid("the profile has no PayloadIdentifier or no PayloadContent")
    return ReceivedProfile(
        identifier,
        text_of(root, "PayloadDisplayName") or identifier,
        text_of(root, "PayloadUUID"),
        tuple(_request(each, variables) for each in payloads if _is(each, SCEP_PAYLOAD)),
        any(_is(each, MDM_PAYLOAD) for each in payloads),
    )


def install(
    profile: ReceivedProfile,
    http: DeviceHTTP,
    waiting: Waiting,
    story: Callable[[str, str], None],
    patience: Patience | None = None,
    keys: Keys = fresh_key,
) -> InstalledProfile:
    """
    Do what a profile asks for.

    :param profile: as read.
    :param http: how to get to its authorities.
    :param waiting: the device's clock.
    :param story: told of the step B12.
    :param patience: how long to poll when an authority answers PENDING; None for what the
        payloads say.
    :param keys: where keys come from.
    :returns: the profile with its identities.
    :raises DeviceError: it can't be installed.
    """
    identities = tuple(
        _identity(request, http, waiting, story, patience or request.patience, keys)
        for request in profile.requests
    )
    return InstalledProfile(
        profile.identifier, profile.display_name, waiting.now(), identities, profile.uuid
    )


def _is(payload: Mapping[str, PlistValue], payload_type: str) -> bool:
    return payload.get("PayloadType") == payload_type


def _request(payload: Mapping[str, PlistValue], variables: Mapping[str, str]) -> SCEPRequest:
    content = payload.get("PayloadContent")
    if not isinstance(content, dict):
        raise _invalid("the SCEP payload has no PayloadContent")
    if content.get("Key Type", "RSA") != "RSA":
        raise _invalid("the SCEP payload's Key Type is not RSA")
    return SCEPRequest(
        _value(content, "URL", str, None),
        _value(content, "Challenge", str, ""),
        subject_of(content.get("Subject"), variables),
        _value(content, "Keysize", int, _DEFAULT_KEY_SIZE),
        _patience(content),
    )


def _patience(content: Mapping[str, PlistValue]) -> Patience:
    retries = _value(content, "Retries", int, _DEFAULT_RETRIES)
    delay = _value(content, "RetryDelay", int, _DEFAULT_RETRY_DELAY)
    if not 0 <= retries <= _MOST_RETRIES or not 0 <= delay <= _LONGEST_RETRY_DELAY:
        raise _invalid("the SCEP payload's Retries or RetryDelay is out of bounds")
    return Patience(float(delay), retries)


def _value(content: Mapping[str, PlistValue], key: str, kind: type[_T], default: _T | None) -> _T:
    value = content.get(key, default)
    if not isinstance(value, kind):
        raise _invalid(f"the SCEP payload has no {key}, or none that makes sense")
    return value


def _identity(
    request: SCEPRequest,
    http: DeviceHTTP,
    waiting: Waiting,
    story: Callable[[str, str], None],
    patience: Patience,
    keys: Keys,
) -> Identity:
    client = SCEPClient(request.url, http, waiting=waiting, patience=patience, keys=keys)
    key = client.make_key(request.key_bits)
    story("B12", f"private key of {request.key_bits} bits made on the device")
    return client.enroll_key(key, request.subject, request.challenge)


def _invalid(sentence: str) -> DeviceError:
    return DeviceError(sentence, PROFILE_INVALID)
