"""
The next command of a device: rendered when it is handed over, and at no other time.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from scepd.errors import InvalidInput, MessageError, SecretUnreadable, TemporaryError
from scepd.mdm.commands import INSTALL_PROFILE, REMOVE_PROFILE, install_profile, remove_profile
from scepd.metrics import Metrics
from scepd.model import (
    DeliveryChallenge,
    EnrollmentChallenge,
    EnrollmentWindow,
    OfferRule,
    Profile,
    QueuedCommand,
    RowEvent,
    WindowState,
)
from scepd.pki.keyring import RandomBytes
from scepd.ports import AssignmentStore, CommandStore, HostStore, ProfileStore, Workers
from scepd.profiles.lifecycle import Event
from scepd.services.clock import utc_now
from scepd.services.delivery_resolving import (
    CHALLENGE_UNREADABLE,
    HOST_GONE,
    LONGEST_DETAIL,
    PROFILE_GONE,
    sentences_of,
)
from scepd.services.identity_hand_over import IdentityHandOver, RenewalVoid
from scepd.services.rendering import MadeChallenge, ProfileRendering, RenderedProfile
from scepd.services.unanswered import Unanswered
from scepd.services.unrendered import Unrendered

# In base64url that is 32 characters, without padding.
_TOKEN_BYTES = 24
# So many in a row that can't be rendered: the device asks again.
_MOST_TRIES = 100
# What says nothing against the command that it came with.
_NOT_OF_COMMAND = (TemporaryError, CancelledError, GeneratorExit, KeyboardInterrupt, SystemExit)

_log = Logger()


class _Undeliverable(Exception):
    """
    A command that can't be rendered; its text is the reason.
    """


@dataclass(frozen=True, slots=True)
class CommandSettings:
    """
    How commands are handed over.

    :param window: seconds for which a delivered profile may enroll.
    :param one_time_urls: whether each delivery has a proxy URL of its own.
    :param offers: what becomes of commands that are offered and never answered, or can't be made;
        the store counts by the same.
    """

    window: float = 3600.0
    one_time_urls: bool = False
    offers: OfferRule = field(default_factory=OfferRule)


@dataclass(frozen=True, slots=True)
class CommandPorts:
    """
    What the hand-over of commands needs from outside.

    :param new_id: makes the ids of enrollment windows.
    :param random: makes the tokens of one-time URLs.
    """

    commands: CommandStore
    assignments: AssignmentStore
    profiles: ProfileStore
    hosts: HostStore
    rendering: ProfileRendering
    workers: Workers
    clock: IReactorTime
    new_id: Callable[[], str]
    random: RandomBytes
    identities: IdentityHandOver
    unanswered: Unanswered
    metrics: Metrics


@dataclass(frozen=True, slots=True)
class _Rendered:
    body: bytes
    window: EnrollmentWindow | None = None
    challenge: DeliveryChallenge | EnrollmentChallenge | None = None


class Commands:
    """
    Hands queued commands to devices.
    """

    def __init__(self, ports: CommandPorts, settings: CommandSettings | None = None) -> None:
        self._ports = ports
        self._settings = settings or CommandSettings()
        self._unrendered = Unrendered(
            ports.commands, ports.unanswered, ports.clock, self._settings.offers, ports.metrics
        )

    async def next(self, enrollment_id: str, host_uuid: str, *, idle: bool) -> bytes:
        """
        The next command's plist, or nothing when none waits.

        :param idle: the device reported Idle: commands that it answered NotNow are offered again.
        """
        passed_over: list[str] = []
        for _ in range(_MOST_TRIES):
            command = await self._ports.commands.next_command(
                enrollment_id, after_not_now=not idle, without=passed_over
            )
            if command is None:
                return b""
            body = await self._offer(command, host_uuid, idle=idle)
            if body is not None:
                return body
            passed_over.append(command.uuid)
        return b""

    async def renewal(self, command_uuid: str | None, host_uuid: str) -> bytes:
        """
        The plist of the command that renews the identity of a device, or nothing when it does not
        wait any more.
        """
        if command_uuid is None:
            return b""
        command = await self._ports.commands.command(command_uuid)
        if command is None or not command.renews_identity:
            return b""
        return await self._offer(command, host_uuid, idle=True) or b""

    async def _offer(self, command: QueuedCommand, host_uuid: str, *, idle: bool) -> bytes | None:
        """
        Hand a command over; None when it was, or had to be, cancelled, ends because the device
        never answers it, or could not be handed over by a fault of ours.
        """
        try:
            return await self._handed_over(command, host_uuid, idle=idle)
        except BaseException as error:
            # A panic in the Rust part of `cryptography` is no Exception.
            if isinstance(error, _NOT_OF_COMMAND):
                raise
            await self._unrendered.failed(command, host_uuid, error)
            return None

    async def _handed_over(
        self, command: QueuedCommand, host_uuid: str, *, idle: bool
    ) -> bytes | None:
        try:
            rendered = await self._rendered(command, host_uuid)
        except _Undeliverable as error:
            await self._cancel(command, host_uuid, str(error))
            return None
        if rendered is None:
            await self._conclude(command, host_uuid)
            return None
        now = utc_now(self._ports.clock)
        # After what is known better: that nothing is left to do, or that it can't be done.
        if self._settings.offers.is_over(command.offers, now):
            await self._ports.unanswered.end(command, host_uuid)
            return None
        if not await self._ports.commands.hand_over(
            command.uuid, now, rendered.window, rendered.challenge, is_idle=idle
        ):
            return None
        _log_hand_over(command, host_uuid, idle=idle)
        return rendered.body

    async def _rendered(self, command: QueuedCommand, host_uuid: str) -> _Rendered | None:
        """
        A command as it goes to the device; None: the device has done it already.
        """
        if command.renews_identity:
            return await self._identity(command)
        if command.body is not None:
            return _Rendered(command.body)
        if command.profile_uuid is None:
            raise _Undeliverable("the command is empty")
        if command.request_type == REMOVE_PROFILE:
            return await self._removal(command, host_uuid, command.profile_uuid)
        return await self._install(command, host_uuid, command.profile_uuid)

    async def _identity(self, command: QueuedCommand) -> _Rendered | None:
        try:
            made = await self._ports.identities.render(command)
        except RenewalVoid as error:
            raise _Undeliverable(str(error)) from error
        return None if made is None else _Rendered(made.body, challenge=made.challenge)

    async def _conclude(self, command: QueuedCommand, host_uuid: str) -> None:
        """
        Finish a renewal whose answer was lost: the device came with what it got by it.
        """
        now, id = utc_now(self._ports.clock), command.enrollment_id
        reason = "the device did not answer, but came with its new identity"
        await self._ports.commands.finish(command.uuid, id, "Acknowledged", reason, now, None)
        _log.info(
            "Host {host} has its new identity (command {command})",
            host=host_uuid,
            command=command.uuid,
        )

    async def _removal(
        self, command: QueuedCommand, host_uuid: str, profile_uuid: str
    ) -> _Rendered:
        row = await self._ports.assignments.assignment(host_uuid, profile_uuid)
        if row is None or not row.profile_identifier:
            raise _Undeliverable("the profile to remove is not known any more")
        return _Rendered(remove_profile(command.uuid, row.profile_identifier))

    async def _install(
        self, command: QueuedCommand, host_uuid: str, profile_uuid: str
    ) -> _Rendered:
        profile = await self._ports.profiles.profile(profile_uuid)
        if profile is None:
            raise _Undeliverable(PROFILE_GONE)
        token = self._token(profile)
        rendered = await self._content(profile, host_uuid, token)
        body = await self._ports.workers(lambda: install_profile(command.uuid, rendered.content))
        window = self._window(profile, host_uuid, token)
        return _Rendered(body, window, _challenge(rendered.challenge, window))

    def _token(self, profile: Profile) -> str:
        """
        A fresh token for the proxy URL, which is kept nowhere but in the delivered profile.
        """
        if not (self._settings.one_time_urls and profile.ca_names):
            return ""
        return urlsafe_b64encode(self._ports.random(_TOKEN_BYTES)).decode("ascii")

    async def _content(self, profile: Profile, host_uuid: str, token: str) -> RenderedProfile:
        host = await self._ports.hosts.host(host_uuid)
        if host is None:
            raise _Undeliverable(HOST_GONE)
        try:
            return await self._ports.rendering.render(host, profile, token)
        except InvalidInput as error:
            raise _Undeliverable(sentences_of(error)) from error
        except MessageError as error:
            raise _Undeliverable(f"the profile can't be read: {error}") from error
        except SecretUnreadable as error:
            _log.error("{reason}", reason=str(error))
            raise _Undeliverable(CHALLENGE_UNREADABLE) from error

    def _window(self, profile: Profile, host_uuid: str, token: str) -> EnrollmentWindow | None:
        if not profile.ca_names:
            return None
        now = utc_now(self._ports.clock)
        return EnrollmentWindow(
            id=self._ports.new_id(),
            host_uuid=host_uuid,
            profile_uuid=profile.uuid,
            ca_name=profile.ca_names[0],
            state=WindowState.OPEN,
            opened_at=now,
            deadline=now + timedelta(seconds=self._settings.window),
            token_sha256=sha256(token.encode()).hexdigest() if token else None,
        )

    async def _cancel(self, command: QueuedCommand, host_uuid: str, reason: str) -> None:
        reason = reason[:LONGEST_DETAIL]
        _log.warn(
            "Cancelled the command {command} for host {host}: {reason}",
            command=command.uuid,
            host=host_uuid,
            profile=command.profile_uuid,
            reason=reason,
        )
        event = None
        if command.profile_uuid is not None and not command.renews_identity:
            event = RowEvent(host_uuid, command.profile_uuid, Event.RESOLUTION_FAILED, reason)
        counted = await self._ports.commands.finish(
            command.uuid,
            command.enrollment_id,
            "cancelled",
            reason,
            utc_now(self._ports.clock),
            event,
        )
        if counted and command.renews_identity:
            await self._ports.identities.failed(command, reason)


def _challenge(
    made: MadeChallenge | None, window: EnrollmentWindow | None
) -> DeliveryChallenge | None:
    """
    The challenge as it is stored; it is good as long as the window of its certificate authority.
    """
    if made is None or window is None or window.ca_name != made.ca_name:
        return None
    return DeliveryChallenge(
        sha256=made.sha256,
        host_uuid=window.host_uuid,
        profile_uuid=window.profile_uuid,
        ca_name=made.ca_name,
        window_id=window.id,
        names=made.names,
        deadline=window.deadline,
    )


def _log_hand_over(command: QueuedCommand, host_uuid: str, *, idle: bool) -> None:
    where = {"host": host_uuid, "command": command.uuid, "profile": command.profile_uuid}
    if command.request_type != INSTALL_PROFILE or command.renews_identity:
        _log.info(
            "Handed {type} to host {host} (command {command})", type=command.request_type, **where
        )
        return
    if idle:
        _log.info("Host {host} is idle", step="B10", **where)
    _log.info("Handed profile {profile} to host {host} (command {command})", step="B11", **where)
