"""
Profiles, hosts, and which host should have which profile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from scepd.model.targets import Targets


@dataclass(frozen=True, slots=True)
class Profile:
    """
    A configuration profile as an operator uploaded it.

    :param uuid: ``a`` and a UUID; kept when the content is replaced.
    :param identifier: PayloadIdentifier, unique.
    :param content: the original bytes, with variables.
    :param sha256: of the content, hex.
    :param scope: PayloadScope, ``System`` or ``User``.
    :param targets: the hosts that get it.
    :param ca_names: the certificate authorities that its variables name.
    :param host_variables: the variables in it that stand for something of the host, sorted,
        without ``FLEET_VAR_``.
    """

    uuid: str
    identifier: str
    display_name: str
    content: bytes = field(repr=False)
    sha256: str
    scope: str
    targets: Targets
    ca_names: tuple[str, ...]
    created_at: datetime
    host_variables: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Host:
    """
    An Apple device that is, or was, managed.

    :param uuid: Apple's UDID.
    :param platform: ``macos``, ``ios`` or ``ipados``.
    :param labels: the labels it has, sorted; automatic ones are among them.
    :param model: Apple's model name or identifier, where the device told it.
    :param facts: what operators said of it, by the variable's name without ``FLEET_VAR_``.
    """

    uuid: str
    serial_number: str
    platform: str
    labels: tuple[str, ...]
    facts: Mapping[str, str]
    model: str = ""
    os_version: str = ""
    last_seen: datetime | None = None


@dataclass(frozen=True, slots=True)
class HostProfile:
    """
    That a host should have, or lose, a profile, and how far that got.

    :param operation: ``install`` or ``remove``.
    :param status: ``pending``, ``verifying``, ``verified`` or ``failed``.
    :param ca_name: the certificate authority that its certificate comes from, if any.
    :param detail: why, in a sentence; empty when there is nothing to say.
    :param due_at: when the processor should look at it; None: not by itself.
    :param profile_identifier: PayloadIdentifier, kept for the removal of a profile that is gone.
    :param attempts: deliveries that failed since the last success.
    :param command_uuid: the current command, if one was queued.
    :param delivered_at: when the current command was handed to the device.
    :param acknowledged_at: when the device acknowledged it.
    :param scope: ``User``: it goes by the user channel of a Mac; ``System``: all others.
    """

    host_uuid: str
    profile_uuid: str
    operation: str
    status: str
    ca_name: str | None
    detail: str
    due_at: datetime | None
    profile_identifier: str = ""
    attempts: int = 0
    command_uuid: str | None = None
    delivered_at: datetime | None = None
    acknowledged_at: datetime | None = None
    scope: str = "System"
