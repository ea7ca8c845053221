"""
What h2 keeps of a connection: SETTINGS and PING of both ends.
"""

from __future__ import annotations

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import Event
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings

from scepd.apns.frames import ACK, SETTINGS, PeerFault, frame
from scepd.apns.header_blocks import LARGEST_HEADER_LIST

_ENTRY_SIZE = 6
_KNOWN = frozenset(code.value.to_bytes(2, "big") for code in SettingCodes)


class PeerSettings:
    """
    An h2 connection that never opens a stream; it sees SETTINGS and PING only.

    WINDOW_UPDATE is not for it: it never sees our DATA, so its window would only grow until it ends
    the connection. Nor is GOAWAY: after one it refuses PING and SETTINGS.
    """

    def __init__(self) -> None:
        self._h2 = H2Connection(H2Configuration(client_side=True))
        self._h2.local_settings = Settings(
            client=True,
            initial_values={
                SettingCodes.HEADER_TABLE_SIZE: 0,
                SettingCodes.ENABLE_PUSH: 0,
                SettingCodes.MAX_HEADER_LIST_SIZE: LARGEST_HEADER_LIST,
            },
        )
        self._h2.initiate_connection()

    def data_to_send(self) -> bytes:
        """
        What it has to say, in the beginning or to the last frame.
        """
        return self._h2.data_to_send()

    def receive(self, kind: int, flags: int, stream_id: int, payload: bytes) -> list[Event]:
        """
        Take a SETTINGS or PING frame.

        :raises PeerFault: it is malformed, or sets what can't be.
        """
        if kind == SETTINGS and not flags & ACK:
            payload = _known_settings(payload)
        try:
            return self._h2.receive_data(frame(kind, flags, stream_id, payload))
        except ProtocolError as error:
            complaint = f"a wrong frame ({type(error).__name__})"
            raise PeerFault(error.error_code, complaint) from error

    def ping(self, payload: bytes) -> None:
        """
        Ask for a sign of life.
        """
        self._h2.ping(payload)

    @property
    def max_streams(self) -> int:
        """
        How many streams may be open; without a word of the server, very many.
        """
        return self._h2.remote_settings.max_concurrent_streams

    @property
    def initial_window(self) -> int:
        """
        Octets that may be sent on a new stream.
        """
        return self._h2.remote_settings.initial_window_size

    @property
    def largest_header_list(self) -> int | None:
        """
        Octets of a request's header list, as RFC 9113 section 6.5.2 counts them, if limited.
        """
        return self._h2.remote_settings.max_header_list_size


def _known_settings(payload: bytes) -> bytes:
    """
    Leave out what h2 would only store (of each of 65,536 settings).

    :raises PeerFault: it is no list of settings.
    """
    if len(payload) % _ENTRY_SIZE:
        raise PeerFault(ErrorCodes.FRAME_SIZE_ERROR, "a SETTINGS frame of a wrong size")
    entries = (payload[at : at + _ENTRY_SIZE] for at in range(0, len(payload), _ENTRY_SIZE))
    return b"".join(entry for entry in entries if entry[:2] in _KNOWN)
