"""
A look at a connection's socket, without reading from it.
"""

from __future__ import annotations

import socket
from typing import Any


def has_input(transport: Any) -> bool:
    """
    Whether something waits to be read: bytes, the connection's end, or an error.

    The reactor tells of them only when it is its turn, and that may be after the next write.

    :param transport: of TCP; of any other nothing is known, and the answer is no.
    """
    get_handle = getattr(transport, "getHandle", None)
    handle = None if get_handle is None else get_handle()
    if not isinstance(handle, socket.socket):
        return False
    try:
        handle.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True
