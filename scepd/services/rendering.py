"""
Profiles filled in for one host: where the values of their variables come from.
"""

from __future__ import annotations

import os
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from scepd.model import CertificateAuthority, ChallengeMode, Host, Profile, challenge_place
from scepd.pki.keyring import Keyring, RandomBytes
from scepd.ports import CertificateAuthorityStore, Workers
from scepd.profiles.facts import host_values
from scepd.profiles.mobileconfig import is_signed
from scepd.profiles.rendering import plain_variables, render
from scepd.profiles.requested_names import RequestedNames, requested_names
from scepd.profiles.variables import (
    AuthorityValues,
    authority_of,
    resolve_variables,
)
from scepd.services.authority_input import MASK

_CHALLENGE_BYTES = 32


@dataclass(frozen=True, slots=True)
class MadeChallenge:
    """
    A one-time challenge that a rendered profile holds.

    :param sha256: of its text, hex.
    :param names: what the profile makes the device ask for.
    """

    sha256: str
    ca_name: str
    names: RequestedNames


@dataclass(frozen=True, slots=True)
class RenderedProfile:
    """
    A profile as one device gets it, once.

    :param challenge: its one-time challenge; None: it has none.
    """

    content: bytes = field(repr=False)
    challenge: MadeChallenge | None


class ProfileRendering:
    """
    Renders profiles. Challenges are decrypted, or made, at that moment and kept nowhere.

    :param external_url: the URL under which devices reach this server, without a trailing slash.
    :param random: makes one-time challenges.
    """

    def __init__(
        self,
        authorities: CertificateAuthorityStore,
        keyring: Callable[[], Keyring],
        workers: Workers,
        external_url: str,
        random: RandomBytes = os.urandom,
    ) -> None:
        self._authorities = authorities
        self._keyring = keyring
        self._workers = workers
        self._external_url = external_url
        self._random = random

    async def values_of(self, profile: Profile) -> Callable[[Host], Mapping[str, str]]:
        """
        What gives the value of each variable of ``profile`` for a host, by the variable's name;
        challenges are in clear, but for one-time ones: the mask stands for them. It raises
        InvalidInput when values are missing, with a fault for each.

        The profile is read, and its challenges are opened, once for all hosts.

        :raises SecretUnreadable: no key of the keyring opens a challenge.
        """
        names = await self._workers(lambda: variables_of(profile))
        challenges = {ca.name: self._opened(ca) for ca in await self._known(names)}

        def values(host: Host) -> Mapping[str, str]:
            authorities = {
                name: AuthorityValues(challenge, self._proxy_url(host, profile, name, ""))
                for name, challenge in challenges.items()
            }
            return resolve_variables(
                names,
                host=host_values(host.uuid, host.serial_number, host.platform, host.facts),
                profile_uuid=profile.uuid,
                authorities=authorities,
            )

        return values

    async def render(self, host: Host, profile: Profile, token: str = "") -> RenderedProfile:
        """
        The profile as the device gets it, with a fresh challenge where that is a one-time one.

        :param token: the last part of its proxy URL; empty: the URL has none.
        :raises InvalidInput: values are missing, or are none that a profile can hold.
        :raises MessageError: what the device will ask for can't be read from the profile.
        :raises SecretUnreadable: no key of the keyring opens a challenge.
        """
        made: dict[str, str] = {}

        def challenge_of(ca: CertificateAuthority) -> str:
            if ca.challenge_mode is not ChallengeMode.ONE_TIME:
                return self._opened(ca)
            text = made[ca.name] = self._fresh()
            return text

        values = await self._values(host, profile, challenge_of, token)
        return await self._workers(lambda: _rendered(profile, host, values, made))

    async def preview(self, host: Host, profile: Profile) -> bytes:
        """
        The profile as the device would get it, but with the mask in place of each challenge.

        :raises InvalidInput: as :meth:`render`.
        """
        values = await self._values(host, profile, lambda ca: MASK)
        return await self._workers(lambda: render(profile.content, values))

    async def _values(
        self,
        host: Host,
        profile: Profile,
        challenge_of: Callable[[CertificateAuthority], str],
        token: str = "",
    ) -> Mapping[str, str]:
        names = await self._workers(lambda: variables_of(profile))
        authorities = {
            ca.name: AuthorityValues(
                challenge_of(ca), self._proxy_url(host, profile, ca.name, token)
            )
            for ca in await self._known(names)
        }
        return resolve_variables(
            names,
            host=host_values(host.uuid, host.serial_number, host.platform, host.facts),
            profile_uuid=profile.uuid,
            authorities=authorities,
        )

    async def _known(self, names: Iterable[str]) -> list[CertificateAuthority]:
        wanted = {authority_of(name) for name in names} - {None}
        found = [await self._authorities.certificate_authority(str(name)) for name in wanted]
        return [ca for ca in found if ca is not None]

    def _fresh(self) -> str:
        text = urlsafe_b64encode(self._random(_CHALLENGE_BYTES))
        return text.rstrip(b"=").decode("ascii")

    def _opened(self, ca: CertificateAuthority) -> str:
        if ca.challenge is None:
            return MASK
        return self._keyring().open(ca.challenge, challenge_place(ca.name)).decode()

    def _proxy_url(self, host: Host, profile: Profile, ca_name: str, token: str) -> str:
        parts = (host.uuid, profile.uuid, ca_name, token)
        subject = "%2C".join(part for part in parts if part)
        return f"{self._external_url}/mdm/scep/proxy/{subject}"


def variables_of(profile: Profile) -> frozenset[str]:
    """
    The names of the variables in a stored profile.
    """
    if is_signed(profile.content):
        return frozenset()
    return frozenset(plain_variables(profile.content))


def apple_values(host: Host) -> Mapping[str, str]:
    """
    What is known of Apple's variables on a host, by their names without percent signs.
    """
    return {"SerialNumber": host.serial_number, "HardwareUUID": host.uuid, "UDID": host.uuid}


def _rendered(
    profile: Profile, host: Host, values: Mapping[str, str], made: Mapping[str, str]
) -> RenderedProfile:
    content = render(profile.content, values)
    challenge = None
    # A profile that is valid has one SCEP payload with variables, and that one challenge.
    for ca_name, text in made.items():
        names = requested_names(content, apple_values(host))
        challenge = MadeChallenge(sha256(text.encode()).hexdigest(), ca_name, names)
    return RenderedProfile(content, challenge)
