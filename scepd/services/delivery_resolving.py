"""
What the processor finds out before it queues a delivery: whether each variable has a value.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from twisted.internet.defer import CancelledError
from twisted.logger import Logger
from twisted.python.failure import Failure

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

ValuesOf = Callable[[Host], Mapping[str, str]]
"""
Gives the values of a profile's variables for a host.
"""


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

    What is the same for all hosts is done once for all rows of a profile: it is validated, its
    variables are found, its challenges are opened, its hosts are read.

    :param slice: so many hosts are resolved, and told of, in one turn.
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
        slice: int = 25,
        max_size: int = 16 * 1024 * 1024,
    ) -> None:
        self._profiles = profiles
        self._hosts = hosts
        self._authorities = authorities
        self._rendering = rendering
        self._workers = workers
        self._slice = slice
        self._max_size = max_size

    async def resolve(self, rows: Sequence[DueRow]) -> Resolved:
        """
        Look at rows, which the failure of another one never hinders.

        :raises StorageUnavailable: they can't be read; all of them stay due.
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
        try:
            values_of = await self._rendering.values_of(profile)
        except SecretUnreadable as error:
            _log.error("{reason}", reason=str(error))
            resolved.events += [_failed(row, CHALLENGE_UNREADABLE) for row in rows]
        except (StorageUnavailable, CancelledError):
            raise
        except Exception:  # noqa: BLE001 - its rows would come first for ever, and no others after
            _log.failure("Failed to resolve the profile {profile}", profile=uuid)
            resolved.events += [_failed(row, _INTERNAL) for row in rows]
        else:
            await self._resolve_hosts(profile, values_of, rows, resolved)

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

    async def _resolve_hosts(
        self, profile: Profile, values_of: ValuesOf, rows: Sequence[DueRow], resolved: Resolved
    ) -> None:
        hosts = await self._hosts.hosts_of([row.host_uuid for row in rows])
        for start in range(0, len(rows), self._slice):
            some = rows[start : start + self._slice]
            found = await self._workers(partial(_look_at, profile, values_of, some, hosts))
            for one in found:
                _tell(profile, one)
                if one.event is None:
                    resolved.rows.append(one.row)
                else:
                    resolved.events.append(one.event)


@dataclass(frozen=True, slots=True)
class _Looked:
    """
    What was found out about a row.

    :param event: what keeps it from being queued, if anything does.
    :param failure: of ours.
    :param is_made_later: whether its challenge is made when the profile is handed over.
    """

    row: DueRow
    event: RowEvent | None
    failure: Failure | None = None
    is_made_later: bool = False


def _look_at(
    profile: Profile, values_of: ValuesOf, rows: Sequence[DueRow], hosts: Mapping[str, Host]
) -> list[_Looked]:
    """
    Look at rows, in a thread.
    """
    found: list[_Looked] = []
    for row in rows:
        try:
            found.append(_looked(profile, values_of, row, hosts.get(row.host_uuid)))
        except Exception:  # noqa: BLE001 - one host's failure must not stop the batch
            found.append(_Looked(row, _failed(row, _INTERNAL), Failure()))
    return found


def _looked(profile: Profile, values_of: ValuesOf, row: DueRow, host: Host | None) -> _Looked:
    if host is None:
        return _Looked(row, _failed(row, HOST_GONE))
    if needs_user_channel(profile, host) and not is_user_channel(row.enrollment_id):
        missed = RowEvent(row.host_uuid, row.profile_uuid, Event.USER_CHANNEL_MISSED)
        return _Looked(row, missed)
    try:
        values = values_of(host)
    except InvalidInput as error:
        return _Looked(row, _failed(row, sentences_of(error)))
    return _Looked(row, None, is_made_later=MASK in values.values())


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


def _tell(profile: Profile, one: _Looked) -> None:
    where = {"host": one.row.host_uuid, "profile": profile.uuid}
    if one.failure is not None:
        _log.failure("Failed to resolve for host {host}", one.failure, host=one.row.host_uuid)
    if one.event is not None:
        return
    if profile.ca_names:
        names = ", ".join(profile.ca_names)
        sentence = "Decrypted the challenge of {ca}"
        if one.is_made_later:
            sentence = "The challenge of {ca} is made when the profile is handed over"
        _log.info(sentence, step="B6", ca=names, **where)
    _log.info("Resolved the variables of {profile} for host {host}", step="B7", **where)
