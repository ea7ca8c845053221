"""
How an osquery agent becomes known: the enroll request, and the node key in all that follow.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from scepd.osquery.messages import (
    LARGEST_BODY,
    object_in,
    read_object,
    required_text,
    write_object,
)

_LONGEST_NAME = 255


@dataclass(frozen=True, slots=True)
class EnrollRequest:
    """
    An agent wants a node key.

    :param enroll_secret: proves that it is one of ours.
    :param host_identifier: what the agent calls its host: a UUID or a host name.
    :param hardware_uuid: ``host_details.system_info.uuid``, as sent: Apple's UDID but for case;
        the host identifier when there is none.
    :param hardware_serial: ``host_details.system_info.hardware_serial``; empty: not told.
    :param os_platform: ``host_details.os_version.platform``, such as ``darwin``; empty: not told.
    :param os_version: ``host_details.os_version.version``, such as ``15.3.1``; empty: not told.
    """

    enroll_secret: str = field(repr=False)
    host_identifier: str
    hardware_uuid: str
    hardware_serial: str = ""
    os_platform: str = ""
    os_version: str = ""


def parse_enroll_request(body: bytes) -> EnrollRequest:
    """
    Read the request to ``enroll``.

    :param body: JSON; at most 1 MiB.
    :returns: the request.
    :raises EncodingError: not JSON, or without a secret.
    :raises LimitExceeded: too large.
    """
    root = read_object(body)
    secret = required_text(root, "enroll_secret")
    identifier = _name(root.get("host_identifier"))
    details = object_in(root, "host_details")
    system, version = object_in(details, "system_info"), object_in(details, "os_version")
    return EnrollRequest(
        secret,
        identifier,
        _name(system.get("uuid")) or identifier,
        _name(system.get("hardware_serial")),
        _name(version.get("platform")),
        _name(version.get("version")),
    )


def parse_node_key(body: bytes, *, max_size: int = LARGEST_BODY) -> str:
    """
    Read the node key of a request to ``config``, ``log`` or ``distributed/read``.

    :param body: JSON.
    :param max_size: bytes; logs can be longer than other requests.
    :returns: the node key.
    :raises EncodingError: not JSON, or without a node key.
    :raises LimitExceeded: too large.
    """
    return required_text(read_object(body, max_size=max_size), "node_key")


def enroll_answer(node_key: str) -> bytes:
    """
    Answer an enroll request that was granted.

    :param node_key: what the agent shows from then on.
    :returns: JSON.
    """
    return write_object({"node_key": node_key, "node_invalid": False})


def node_invalid_answer() -> bytes:
    """
    Answer an unknown node key, or an enroll request that was not granted: the agent enrolls again.

    :returns: JSON; the HTTP status is 200.
    """
    return write_object({"node_invalid": True})


def config_answer() -> bytes:
    """
    Answer a request to ``config``: no schedule, as inventories come by distributed queries.

    :returns: JSON.
    """
    return write_object({"schedule": {}, "node_invalid": False})


def log_answer() -> bytes:
    """
    Answer a request to ``log``: taken.

    :returns: JSON.
    """
    return write_object({"node_invalid": False})


def _name(value: object) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_NAME or not value.isprintable():
        return ""
    return value.strip()
