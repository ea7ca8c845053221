"""
The header blocks that the server sends: put together, and decoded where that is needed.
"""

from __future__ import annotations

from collections.abc import Iterable

from h2.errors import ErrorCodes
from hpack import Decoder, HPACKError

from scepd.apns.frames import LARGEST_PAYLOAD, PeerFault

LARGEST_HEADER_LIST = 16_384
"""
Octets of a reply's header list that we take, and say so.
"""

STATUS_200 = 0x88
"""
The static table's entry ``:status: 200``; a block that begins with it needs no table.
"""

_LARGEST_BLOCK = 32_768
_MOST_FRAGMENTS = 16

Headers = Iterable[tuple[bytes, bytes]]


class HeaderBlocks:
    """
    Header blocks of replies.

    :ivar plain: how long a block that begins with :data:`STATUS_200` may be so that it is a plain
        200 without being decoded. Within a block: 0. Otherwise 1, as nothing is there that might
        change the table; or any length, once the server has said that its table has size 0.
    :ivar unfinished: whether only CONTINUATION may come.
    """

    def __init__(self) -> None:
        self.plain = 1
        self.unfinished = False
        self._stream_id = 0
        self._ended = False
        self._fragments: list[bytes] = []
        self._acknowledged = False
        self._decoder = Decoder(LARGEST_HEADER_LIST)

    def acknowledged(self) -> None:
        """
        The server has taken our settings, a table of size 0 among them.

        The decoder's limit is not lowered yet: it would refuse the blocks of a server that needs no
        table, and therefore does not say that it has given it up.
        """
        self._acknowledged = True

    def begin(self, stream_id: int, *, ended: bool, fragment: bytes) -> None:
        """
        A block's beginning came, without its end.

        :param ended: the stream ends with this block.
        """
        self.unfinished, self.plain = True, 0
        self._stream_id, self._ended = stream_id, ended
        self._fragments = [fragment]

    def proceed(self, stream_id: int, fragment: bytes, *, last: bool) -> tuple[bool, bytes] | None:
        """
        CONTINUATION came.

        :returns: (whether the stream ends with it, the block), when it is complete.
        :raises PeerFault: there is nothing to continue, or too much.
        """
        if not self.unfinished or stream_id != self._stream_id:
            raise PeerFault(ErrorCodes.PROTOCOL_ERROR, "a CONTINUATION frame of nothing")
        self._fragments.append(fragment)
        size = sum(len(one) for one in self._fragments)
        if size > _LARGEST_BLOCK or len(self._fragments) > _MOST_FRAGMENTS:
            raise PeerFault(ErrorCodes.ENHANCE_YOUR_CALM, "a header block without end")
        if not last:
            return None
        block = b"".join(self._fragments)
        self._fragments = []
        self.unfinished = False
        return self._ended, block

    def decode(self, block: bytes) -> Headers:
        """
        Decode a whole block; every one must come by here that may have changed the table.

        :raises PeerFault: it is not one.
        """
        try:
            headers: Headers = self._decoder.decode(block, raw=True)
        except HPACKError as error:
            raise PeerFault(ErrorCodes.COMPRESSION_ERROR, "a malformed header block") from error
        self._consider_table()
        return headers

    def _consider_table(self) -> None:
        self.plain = 1
        if self._acknowledged and self._decoder.header_table_size == 0:
            self._decoder.max_allowed_table_size = 0
            self.plain = LARGEST_PAYLOAD
