"""
What the processor finds out before it queues a delivery: whether each variable has a value.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from twisted.internet.defer import CancelledError, Deferred, FirstError, gatherResults
from twisted.logger import Logger

from scepd.errors import InvalidInput, SecretUnreadable, StorageUnavailable
from scepd.mdm.identifiers import is_user_channel
from scepd.model import DueRow, Host, Profile, RowEvent
from scepd.ports import CertificateAuthorityStore, HostStore, ProfileStore, Workers
from scepd.profiles.lifecycle import Event, Operation
from scepd.profiles.validation import validate_profile
from scepd.services.authority_input import MASK
from scepd.services.rendering import ProfileRendering

LONGEST_DETAIL = 1000
"""
Characters of the reason that is stored with an assignment.
"""
PROFILE_GONE = "the profile does not exist any more"
HOST_GONE = "the host does not exist any more"
CHALLENGE_UNREADABLE = (
    "the challenge of the certificate authority can't be decrypted: "
    "the keyring lacks its key, or it was altered"
)
_INTERNAL = "scepd failed to resolve the profile's variables; see its log"

_log = Logger()


@dataclass(slots=True)
class Resolved:
    """
    What became of some rows.

    :param rows: may be queued.
    :param events: happened to all others but those that stay due.
    """

    rows: list[DueRow] = field(default_factory=list)
    events: list[RowEvent] = field(default_factory=list)


class Resolving:
    """
    Validates profiles again and resolves their variables; what that gives is thrown away.

    :param concurrency: how many hosts at one time.
    :param max_size: of a profile, in bytes.
    """

    def __init__(
        self,
        profiles: ProfileStore,
        hosts: HostStore,
        authorities: CertificateAuthorityStore,
        rendering: ProfileRendering,
        workers: Workers,
        *,
        concurrency: int = 16,
        max_size: int = 16 * 1024 * 1024,
    ) -> None:
        self._profiles = profiles
        self._hosts = hosts
        self._authorities = authorities
        self._rendering = rendering
        self._workers = workers
        self._concurrency = concurrency
        self._max_size = max_size

    async def resolve(self, rows: Sequence[DueRow]) -> Resolved:
        """
        Look at rows, which the failure of another one never hinders.

        :raises StorageUnavailable: nothing can be read.
        """
        resolved = Resolved()
        installs = defaultdict(list)
        for row in rows:
            if row.operation == Operation.REMOVE.value:
                # A removal needs no more than the profile's identifier.
                resolved.rows.append(row)
            else:
                installs[row.profile_uuid].append(row)
        for uuid, of_profile in installs.items():
            await self._resolve_profile(uuid, of_profile, resolved)
        return resolved

    async def _resolve_profile(self, uuid: str, rows: Sequence[DueRow], resolved: Resolved) -> None:
        profile = await self._profiles.profile(uuid)
        reason = PROFILE_GONE if profile is None else await self._invalid(profile)
        if profile is None or reason:
            resolved.events += [_failed(row, reason) for row in rows]
            return
        _log.info("The profile {profile} is valid", step="B5", profile=uuid)
        await self._resolve_hosts(profile, rows, resolved)

    async def _resolve_hosts(
        self, profile: Profile, rows: Sequence[DueRow], resolved: Resolved
    ) -> None:
        remaining = iter(rows)
        lanes = [
            Deferred.fromCoroutine(self._work(profile, remaining, resolved))
            for _ in range(min(self._concurrency, len(rows)))
        ]
        try:
            await gatherResults(lanes, consumeErrors=True)
        except FirstError as error:
            # Only to be cut off ends a lane early.
            error.subFailure.raiseException()

    async def _invalid(self, profile: Profile) -> str:
        known = await self._authorities.certificate_authority_names()
        try:
            await self._workers(
                lambda: validate_profile(
                    profile.content, known_authorities=known, max_size=self._max_size
                )
            )
        except InvalidInput as error:
            return sentences_of(error)
        except CancelledError:
            raise
        except Exception:  # noqa: BLE001 - one profile must not stop the others
            _log.failure("Failed to validate the profile {profile}", profile=profile.uuid)
            return _INTERNAL
        return ""

    async def _work(self, profile: Profile, rows: Iterator[DueRow], resolved: Resolved) -> None:
        for row in rows:
            try:
                event = await self._event(profile, row)
            except StorageUnavailable as error:
                # It stays due.
                _log.warn(
                    "Could not look at host {host}: {reason}",
                    host=row.host_uuid,
                    reason=str(error),
                )
                continue
            except CancelledError:
                raise
            except Exception:  # noqa: BLE001 - one host's failure must not stop the batch
                _log.failure("Failed to resolve for host {host}", host=row.host_uuid)
                event = _failed(row, _INTERNAL)
            if event is None:
                resolved.rows.append(row)
            else:
                resolved.events.append(event)

    async def _event(self, profile: Profile, row: DueRow) -> RowEvent | None:
        """
        What keeps a row from being queued, if anything does.
        """
        host = await self._hosts.host(row.host_uuid)
        if host is None:
            return _failed(row, HOST_GONE)
        if needs_user_channel(profile, host) and not is_user_channel(row.enrollment_id):
            return RowEvent(row.host_uuid, row.profile_uuid, Event.USER_CHANNEL_MISSED)
        try:
            values = await self._rendering.values_for(host, profile)
        except InvalidInput as error:
            return _failed(row, sentences_of(error))
        except SecretUnreadable as error:
            _log.error("{reason}", reason=str(error))
            return _failed(row, CHALLENGE_UNREADABLE)
        _log_steps(profile, host, is_made_later=MASK in values.values())
        return None


def needs_user_channel(profile: Profile, host: Host) -> bool:
    """
    Whether a profile is for a user of a Mac: other devices know no users.
    """
    return profile.scope == "User" and host.platform == "macos"


def sentences_of(error: InvalidInput) -> str:
    """
    The sentences of all faults of a profile.
    """
    return " ".join(fault.message for fault in error.faults)


def _failed(row: DueRow, reason: str) -> RowEvent:
    detail = reason[:LONGEST_DETAIL]
    return RowEvent(row.host_uuid, row.profile_uuid, Event.RESOLUTION_FAILED, detail)


def _log_steps(profile: Profile, host: Host, *, is_made_later: bool) -> None:
    where = {"host": host.uuid, "profile": profile.uuid}
    if profile.ca_names:
        names = ", ".join(profile.ca_names)
        sentence = "Decrypted the challenge of {ca}"
        if is_made_later:
            sentence = "The challenge of {ca} is made when the profile is handed over"
        _log.info(sentence, step="B6", ca=names, **where)
    _log.info("Resolved the variables of {profile} for host {host}", step="B7", **where)
