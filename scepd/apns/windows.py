"""
The connection's two flow-control windows (RFC 9113 section 5.2); those of streams are theirs.
"""

from __future__ import annotations

from h2.errors import ErrorCodes

from scepd.apns.frames import INITIAL_WINDOW, LARGEST_WINDOW, PeerFault


def checked(window: int) -> int:
    """
    A window that the server made larger.

    :raises PeerFault: too large.
    """
    if window > LARGEST_WINDOW:
        raise PeerFault(ErrorCodes.FLOW_CONTROL_ERROR, "a window of more than 2^31-1 octets")
    return window


class SendWindow:
    """
    What we may send on all streams together; only the server makes it larger.

    A body is taken off it as a whole when its stream opens, so that no credit is promised twice.

    :ivar free: octets that no body has been given.
    """

    def __init__(self) -> None:
        self.free = INITIAL_WINDOW
        self._promised = 0

    def promise(self, octets: int) -> None:
        """
        A body that was taken off is not sent yet.
        """
        self._promised += octets

    def keep(self, octets: int) -> None:
        """
        So much of what was promised is sent now.
        """
        self._promised -= octets

    def release(self, octets: int) -> None:
        """
        So much of what was promised will never be sent.
        """
        self._promised -= octets
        self.free += octets

    def credit(self, octets: int) -> None:
        """
        The server takes so much more.

        :raises PeerFault: more than there can be.
        """
        checked(self.free + self._promised + octets)
        self.free += octets


class ReceiveWindow:
    """
    What the server may send on all streams together.

    Credit is given once for many frames. As it is given for all of them, and streams start with the
    same window, a server that overdraws a stream's window overdraws this one, too.
    """

    def __init__(self) -> None:
        self._left = INITIAL_WINDOW

    def take(self, octets: int) -> None:
        """
        So much came.

        :raises PeerFault: more than was allowed.
        """
        self._left -= octets
        if self._left < 0:
            raise PeerFault(ErrorCodes.FLOW_CONTROL_ERROR, "more data than it was allowed")

    def restore(self) -> int:
        """
        Allow as much as in the beginning.

        :returns: the credit that is to be given for that.
        """
        taken, self._left = INITIAL_WINDOW - self._left, INITIAL_WINDOW
        return taken
