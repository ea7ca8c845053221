"""
The configuration profiles that operators upload, look at and remove.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from scepd.config import ProfilesSection
from scepd.errors import Fault, InvalidInput, NotFound
from scepd.model import Activity, Profile
from scepd.pki.keyring import RandomBytes
from scepd.ports import CertificateAuthorityStore, HostStore, ProfileStore, Workers
from scepd.profiles.validation import ValidatedProfile, validate_profile
from scepd.services.clock import utc_now
from scepd.services.rendering import ProfileRendering

_LABEL = re.compile(r"[^\x00-\x1f\x7f]{1,255}")

_log = Logger()


@dataclass(frozen=True, slots=True)
class UploadedProfile:
    """
    A profile that was stored, and what is unwise in it.

    :param warnings: a sentence each.
    """

    profile: Profile
    warnings: tuple[str, ...]


class Profiles:
    """
    Uploading, showing and removing configuration profiles.
    """

    def __init__(
        self,
        store: ProfileStore,
        authorities: CertificateAuthorityStore,
        hosts: HostStore,
        rendering: ProfileRendering,
        clock: IReactorTime,
        random: RandomBytes,
        workers: Workers,
        settings: ProfilesSection,
    ) -> None:
        self._store = store
        self._authorities = authorities
        self._hosts = hosts
        self._rendering = rendering
        self._clock = clock
        self._random = random
        self._workers = workers
        self._settings = settings

    async def upload(self, content: bytes, label: str | None, actor: str) -> UploadedProfile:
        """
        Check a profile and store it.

        :param content: the profile, XML or binary, signed or not.
        :param label: the hosts with this label get it; None: all hosts.
        :param actor: the name of the API token that asks for it.
        :raises InvalidInput: every fault of it.
        :raises Conflict: its identifier is taken, or a certificate authority of it is gone.
        """
        _log.info("Received a profile of {size} bytes", step="B1", size=len(content))
        if label is not None and not _LABEL.fullmatch(label):
            message = "1 to 255 characters, none of them a control character, are allowed."
            raise InvalidInput((Fault("label", message),))
        checked = await self._validated(content)
        _log.info("The profile {identifier} is valid", step="B2", identifier=checked.identifier)
        profile = self._profile(content, label, checked)
        activity = self._activity(actor, "added profile", profile.identifier)
        await self._store.add_profile(profile, activity)
        _log.info(
            "Stored the profile {identifier} as {profile}",
            step="B3",
            identifier=profile.identifier,
            profile=profile.uuid,
            actor=actor,
        )
        return UploadedProfile(profile, checked.warnings)

    async def list(self, *, after: str = "", limit: int = 100) -> Sequence[Profile]:
        """
        At most ``limit`` profiles by identifier, from the first greater than ``after``.
        """
        return await self._store.profiles(after=after, limit=limit)

    async def show(self, uuid: str) -> Profile:
        """
        The profile of that uuid; its ``content`` is what was uploaded.

        :raises NotFound: there is none.
        """
        profile = await self._store.profile(uuid)
        if profile is None:
            raise NotFound("There is no profile of this uuid.")
        return profile

    async def preview(self, uuid: str, host_uuid: str) -> bytes:
        """
        The profile as it would be rendered for a host, with every challenge masked.

        :raises NotFound: there is no such profile or host.
        :raises InvalidInput: values of its variables are missing.
        """
        profile = await self.show(uuid)
        host = await self._hosts.host(host_uuid)
        if host is None:
            raise NotFound("There is no host of this uuid.")
        return await self._rendering.preview(host, profile)

    async def remove(self, uuid: str, actor: str) -> None:
        """
        Remove a profile, its assignments and its enrollment windows.

        :raises NotFound: there is none of that uuid.
        """
        profile = await self.show(uuid)
        activity = self._activity(actor, "removed profile", profile.identifier)
        await self._store.remove_profile(uuid, activity)
        _log.info("Removed the profile {profile}", profile=uuid, actor=actor)

    async def _validated(self, content: bytes) -> ValidatedProfile:
        known = await self._authorities.certificate_authority_names()
        limit = self._settings.max_size
        return await self._workers(
            lambda: validate_profile(content, known_authorities=known, max_size=limit)
        )

    def _profile(self, content: bytes, label: str | None, checked: ValidatedProfile) -> Profile:
        return Profile(
            uuid=f"a{UUID(bytes=self._random(16), version=4)}",
            identifier=checked.identifier,
            display_name=checked.display_name,
            content=content,
            sha256=sha256(content).hexdigest(),
            scope=checked.scope,
            target_label=label,
            ca_names=checked.certificate_authorities,
            created_at=utc_now(self._clock),
        )

    def _activity(self, actor: str, action: str, subject: str) -> Activity:
        return Activity(utc_now(self._clock), actor, action, subject)
