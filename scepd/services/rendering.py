"""
Profiles filled in for one host: where the values of their variables come from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from scepd.model import CertificateAuthority, Host, Profile, challenge_place
from scepd.pki.keyring import Keyring
from scepd.ports import CertificateAuthorityStore, Workers
from scepd.profiles.mobileconfig import is_signed
from scepd.profiles.rendering import plain_variables, render
from scepd.profiles.variables import (
    FACTS,
    AuthorityValues,
    HostValues,
    authority_of,
    resolve_variables,
)
from scepd.services.authority_input import MASK


class ProfileRendering:
    """
    Renders profiles. Challenges are decrypted at that moment and kept nowhere.

    :param external_url: the URL under which devices reach this server, without a trailing slash.
    """

    def __init__(
        self,
        authorities: CertificateAuthorityStore,
        keyring: Callable[[], Keyring],
        workers: Workers,
        external_url: str,
    ) -> None:
        self._authorities = authorities
        self._keyring = keyring
        self._workers = workers
        self._external_url = external_url

    async def values_for(self, host: Host, profile: Profile) -> Mapping[str, str]:
        """
        The value of each variable of ``profile`` for ``host``, by the variable's name; challenges
        are in clear.

        :raises InvalidInput: values are missing; a fault for each.
        :raises SecretUnreadable: no key of the keyring opens a challenge.
        """
        return await self._values(host, profile, self._opened)

    async def render(self, host: Host, profile: Profile, token: str = "") -> bytes:
        """
        The profile as the device gets it.

        :param token: the last part of its proxy URL; empty: the URL has none.
        :raises InvalidInput: values are missing, or are none that a profile can hold.
        :raises SecretUnreadable: no key of the keyring opens a challenge.
        """
        values = await self._values(host, profile, self._opened, token)
        return await self._workers(lambda: render(profile.content, values))

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
            names, host=_host_values(host), profile_uuid=profile.uuid, authorities=authorities
        )

    async def _known(self, names: Iterable[str]) -> list[CertificateAuthority]:
        wanted = {authority_of(name) for name in names} - {None}
        found = [await self._authorities.certificate_authority(str(name)) for name in wanted]
        return [ca for ca in found if ca is not None]

    def _opened(self, ca: CertificateAuthority) -> str:
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


def _host_values(host: Host) -> HostValues:
    facts = {FACTS[name]: value for name, value in host.facts.items() if name in FACTS}
    return HostValues(host.uuid, host.serial_number, host.platform, facts)
