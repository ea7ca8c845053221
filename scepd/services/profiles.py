"""
The configuration profiles that operators upload, look at, replace, aim and remove.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from uuid import UUID

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from scepd.config import ProfilesSection
from scepd.errors import Fault, InvalidInput, NotFound
from scepd.model import ALL_HOSTS, Activity, Profile, TargetCount, Targets
from scepd.pki.keyring import RandomBytes
from scepd.ports import CertificateAuthorityStore, HostStore, ProfileStore, Workers
from scepd.profiles.labels import label_faults
from scepd.profiles.validation import ValidatedProfile, validate_profile
from scepd.profiles.variables import HOST_NAMES
from scepd.services.clock import utc_now
from scepd.services.rendering import ProfileRendering

_log = Logger()


@dataclass(frozen=True, slots=True)
class UploadedProfile:
    """
    A profile that was stored, and what is unwise in it.

    :param warnings: a sentence each.
    :param is_changed: whether it differs from what was stored before.
    """

    profile: Profile
    warnings: tuple[str, ...]
    is_changed: bool = True


class Profiles:
    """
    Uploading, showing, replacing, aiming and removing configuration profiles.

    :param changed: called when a change may not have reached all hosts of a profile.
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
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._authorities = authorities
        self._hosts = hosts
        self._rendering = rendering
        self._clock = clock
        self._random = random
        self._workers = workers
        self._settings = settings
        self._changed = changed

    async def upload(self, content: bytes, targets: Targets | None, actor: str) -> UploadedProfile:
        """
        Check a profile and store it.

        :param content: the profile, XML or binary, signed or not.
        :param targets: the hosts that get it; None: all hosts.
        :param actor: the name of the API token that asks for it.
        :raises InvalidInput: every fault of it.
        :raises Conflict: its identifier is taken, or a certificate authority of it is gone.
        """
        _log.info("Received a profile of {size} bytes", step="B1", size=len(content))
        aimed = checked_targets(targets or ALL_HOSTS)
        checked = await self._validated(content)
        _log.info("The profile {identifier} is valid", step="B2", identifier=checked.identifier)
        new = self._profile(content, aimed, checked)
        activity = self._activity(actor, "added profile", new.identifier)
        profile = replace(new, uuid=await self._store.add_profile(new, activity))
        self._changed()
        _log.info(
            "Stored the profile {identifier} as {profile}",
            step="B3",
            identifier=profile.identifier,
            profile=profile.uuid,
            actor=actor,
        )
        return UploadedProfile(profile, checked.warnings)

    async def replace(self, uuid: str, content: bytes, actor: str) -> UploadedProfile:
        """
        Check a profile and store it in place of the one of that uuid: all its hosts get it.

        :param content: of the same identifier and scope.
        :returns: the profile; the same content as before changes nothing.
        :raises NotFound: there is none of that uuid.
        :raises InvalidInput: every fault of it.
        :raises Conflict: a certificate authority of it is gone.
        """
        known = await self.show(uuid)
        checked = await self._validated(content)
        if faults := tuple(_replacing_faults(known, checked)):
            raise InvalidInput(faults)
        made = self._profile(content, known.targets, checked)
        new = replace(made, uuid=uuid, created_at=known.created_at)
        if new == known:
            return UploadedProfile(known, checked.warnings, is_changed=False)
        activity = self._activity(actor, "replaced profile", new.identifier)
        await self._store.replace_profile(new, activity)
        self._changed()
        _log.info("Replaced the profile {profile}", profile=uuid, actor=actor)
        return UploadedProfile(new, checked.warnings)

    async def aim(self, uuid: str, targets: Targets, actor: str) -> Profile:
        """
        Aim a profile at other hosts: those that leave its targets lose it.

        :raises NotFound: there is none of that uuid.
        :raises InvalidInput: every fault of the labels.
        """
        known, aimed = await self.show(uuid), checked_targets(targets)
        if aimed != known.targets:
            activity = self._activity(actor, "aimed profile", known.identifier)
            await self._store.set_targets(uuid, aimed, activity)
            self._changed()
            _log.info("Aimed the profile {profile} at other hosts", profile=uuid, actor=actor)
        return replace(known, targets=aimed)

    async def count(self, uuid: str) -> TargetCount:
        """
        How many hosts have, or are to lose, the profile of that uuid.
        """
        return await self._store.target_count(uuid)

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
        Remove a profile and its enrollment windows; the hosts that may have it lose it.

        :raises NotFound: there is none of that uuid.
        """
        profile = await self.show(uuid)
        activity = self._activity(actor, "removed profile", profile.identifier)
        await self._store.remove_profile(uuid, activity)
        self._changed()
        _log.info("Removed the profile {profile}", profile=uuid, actor=actor)

    async def _validated(self, content: bytes) -> ValidatedProfile:
        known = await self._authorities.certificate_authority_names()
        limit = self._settings.max_size
        return await self._workers(
            lambda: validate_profile(content, known_authorities=known, max_size=limit)
        )

    def _profile(self, content: bytes, targets: Targets, checked: ValidatedProfile) -> Profile:
        return Profile(
            uuid=f"a{UUID(bytes=self._random(16), version=4)}",
            identifier=checked.identifier,
            display_name=checked.display_name,
            content=content,
            sha256=sha256(content).hexdigest(),
            scope=checked.scope,
            targets=targets,
            ca_names=checked.certificate_authorities,
            created_at=utc_now(self._clock),
            host_variables=tuple(sorted(checked.variables & HOST_NAMES)),
        )

    def _activity(self, actor: str, action: str, subject: str) -> Activity:
        return Activity(utc_now(self._clock), actor, action, subject)


def checked_targets(targets: Targets) -> Targets:
    """
    Targets as they are stored: each label once, sorted.

    :raises InvalidInput: every fault of the labels.
    """
    faults: list[Fault] = []
    for field in ("labels_any", "labels_all", "labels_none"):
        faults += label_faults(field, getattr(targets, field), by_hand=False)
    wanted = {*targets.labels_any, *targets.labels_all}
    for label in sorted(wanted.intersection(targets.labels_none)):
        message = f"The label {label!r} is wanted as well: no host could ever be meant by it."
        faults.append(Fault("labels_none", message))
    if faults:
        raise InvalidInput(tuple(faults))
    return Targets(
        tuple(sorted(set(targets.labels_any))),
        tuple(sorted(set(targets.labels_all))),
        tuple(sorted(set(targets.labels_none))),
    )


def _replacing_faults(known: Profile, checked: ValidatedProfile) -> Iterator[Fault]:
    if checked.identifier != known.identifier:
        yield Fault(
            "PayloadIdentifier",
            f"The profile that is replaced has the PayloadIdentifier {known.identifier!r}: to a "
            "device one of another identifier is another profile. Add it as one of its own.",
        )
    if checked.scope != known.scope:
        yield Fault(
            "PayloadScope",
            f"The profile that is replaced has the PayloadScope {known.scope}: remove it, and add "
            "the new one when it is gone from all devices.",
        )
