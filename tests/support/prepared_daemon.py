"""
Daemons out of a process that has imported all that ``twistd scepd`` imports: that costs four times
as much as the rest of a start, and tests start a hundred.

Each is a process of its own, which does what the program ``twistd`` does, from its command line on.
"""

from __future__ import annotations

import gc
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

_LARGEST_ORDER = 64 * 1024
_ANSWER = 64
CAN_BE = sys.platform == "linux"
"""
Elsewhere a process that has imported so much is not one to fork.
"""


class PreparedDaemon:
    """
    One of them, as what started it sees it: the part of ``subprocess.Popen`` that tests use.

    :param argv: the program and its arguments.
    :param folder: its working directory.
    :param environment: all of it.
    """

    def __init__(self, argv: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        order = {"argv": list(argv), "folder": str(folder), "environment": dict(environment)}
        reading, writing = os.pipe()
        self._told, telling = _pair()
        with telling:
            _prepared().start(json.dumps(order).encode(), writing, telling.fileno())
        os.close(writing)
        self._waiting = Lock()
        self.stdout = open(reading, encoding="utf-8", errors="replace")  # noqa: SIM115
        self.returncode: int | None = None
        self.pid = int(self._told.recv(_ANSWER))

    def poll(self) -> int | None:
        """
        Its exit code, as ``subprocess`` has it; None while it runs.
        """
        if self._waiting.acquire(blocking=False):
            try:
                return self._wait(0)
            except subprocess.TimeoutExpired:
                return None
            finally:
                self._waiting.release()
        # Who waits will know.
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """
        Its exit code, once it has ended.

        :raises TimeoutExpired: it has not, for so many seconds.
        """
        with self._waiting:
            return self._wait(timeout)

    def _wait(self, timeout: float | None) -> int:
        if self.returncode is None:
            self._told.settimeout(timeout)
            try:
                told = self._told.recv(_ANSWER)
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired("twistd", timeout or 0) from None
            self.returncode = os.waitstatus_to_exitcode(int(told))
            self._told.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """
        Signal it, if it runs.
        """
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """
        End it at once.
        """
        self.send_signal(signal.SIGKILL)


class _Prepared:
    """
    The process that they come from. It ends with the tests' own, when that closes its end of the
    way for orders: not before, as what tests share is stopped at exit.
    """

    def __init__(self) -> None:
        self._orders, theirs = _pair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                cwd=Path(__file__).parent.parent.parent,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    def start(self, order: bytes, output: int, telling: int) -> None:
        """
        Have one started.
        """
        socket.send_fds(self._orders, [order], [output, telling])


def _pair() -> tuple[socket.socket, socket.socket]:
    """
    Two ends of a way for whole messages.
    """
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


@cache
def _prepared() -> _Prepared:
    return _Prepared()


class _Parent:
    """
    What that process does: fork, and tell how each of its children ended.
    """

    def __init__(self, orders: socket.socket) -> None:
        self._orders = orders
        self._children: dict[int, socket.socket] = {}
        self._woken, self._waking = socket.socketpair()
        self._waking.setblocking(False)

    def serve(self) -> None:
        """
        Return in each child, and when nobody orders any more.
        """
        signal.set_wakeup_fd(self._waking.fileno())
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        with selectors.DefaultSelector() as selector:
            selector.register(self._orders, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while True:
                ready = [key.fileobj for key, _ in selector.select()]
                if self._woken in ready:
                    self._woken.recv(_LARGEST_ORDER)
                    self._tell_ends()
                if self._orders in ready:
                    order, files, _, _ = socket.recv_fds(self._orders, _LARGEST_ORDER, 2)
                    if not order:
                        self._end()
                    if self._fork(json.loads(order), *files):
                        return

    def _fork(self, order: dict[str, Any], output: int, telling: int) -> bool:
        teller = socket.socket(fileno=telling)
        pid = os.fork()
        if not pid:
            teller.close()
            self._become(order, output)
            return True
        os.close(output)
        teller.send(b"%d" % pid)
        self._children[pid] = teller
        return False

    def _become(self, order: dict[str, Any], output: int) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        for ours in (self._orders, self._woken, self._waking, *self._children.values()):
            ours.close()
        os.chdir(order["folder"])
        os.environ.clear()
        os.environ.update(order["environment"])
        sys.argv[:] = order["argv"]

    def _end(self) -> None:
        # Only those are left that nobody stopped.
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)
        raise SystemExit

    def _tell_ends(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            with self._children.pop(pid) as teller:
                teller.send(b"%d" % status)


def main() -> None:
    """
    Import, and be the parent; be ``twistd`` in its children.
    """
    from twisted.internet import reactor
    from twisted.scripts import twistd

    import scepd.tap  # noqa: F401

    # Children share what is never written, not even by a search for garbage.
    gc.collect()
    gc.freeze()
    _Parent(socket.socket(fileno=int(sys.argv[1]))).serve()
    # Its poll set and its waker were those of all.
    reactor.__init__()  # type: ignore[misc]
    twistd.run()


if __name__ == "__main__":
    main()
