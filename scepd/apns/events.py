"""
What the push engine reports.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class SettingsReceived:
    """
    The server's SETTINGS came; from the first on pushes may be sent.

    :param max_streams: how many pushes may be in flight now.
    """

    max_streams: int


@dataclass(frozen=True, slots=True)
class PushAnswered:
    """
    A push has its answer.

    :param reason: from the body, or None.
    :param timestamp: from the body, or None (aware).
    :param apns_id: from the header, or None.
    """

    stream_id: int
    status: int
    reason: str | None
    timestamp: datetime | None
    apns_id: str | None


@dataclass(frozen=True, slots=True)
class PushesAccepted:
    """
    Pushes that were answered by a plain 200, of which there is nothing more to tell.

    A 200 may as well come as :class:`PushAnswered`.

    :param stream_ids: in the order of the answers.
    """

    stream_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PushRefused:
    """
    A push was surely not processed (RFC 9113 section 8.7).
    """

    stream_id: int


@dataclass(frozen=True, slots=True)
class PushLost:
    """
    It will never be known whether a push was processed; or it can't be sent at all, as the
    complaint then says.

    :param complaint: why, as the end of a sentence.
    """

    stream_id: int
    complaint: str


@dataclass(frozen=True, slots=True)
class GoAwayReceived:
    """
    The server takes no new pushes on this connection; those up to ``last_stream_id`` may still be
    answered.

    :param reason: Apple's word from the debug data, or None.
    """

    last_stream_id: int
    error_code: int
    reason: str | None


@dataclass(frozen=True, slots=True)
class PingAcknowledged:
    """
    The server answered a PING.
    """

    payload: bytes


@dataclass(frozen=True, slots=True)
class ConnectionBroken:
    """
    The server spoke nonsense; nothing more comes from this connection.

    :param complaint: what was wrong, as the end of a sentence.
    """

    complaint: str


Event = (
    SettingsReceived
    | PushAnswered
    | PushesAccepted
    | PushRefused
    | PushLost
    | GoAwayReceived
    | PingAcknowledged
    | ConnectionBroken
)
