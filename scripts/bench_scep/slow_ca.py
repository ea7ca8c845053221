"""
A CA that tells its certificate and capabilities, and reads nothing of a PKIOperation.

As a program: ``FILE FILE``, with the bodies of its GetCACert and PKIOperation answers; it prints
its port.
"""

from __future__ import annotations

import socket
import sys
import threading
from pathlib import Path

from scripts.bench_scep.processes import raise_file_limit
from scripts.bench_scep.static_ca import prebuilt_answers

_held: list[socket.socket] = []


def answer(connection: socket.socket, answers: dict[bytes, bytes]) -> None:
    """
    Answer what is asked on one connection until it is a PKIOperation.
    """
    while True:
        head = connection.recv(8192, socket.MSG_PEEK)
        line = head.partition(b"\r\n")[0]
        operation = line.partition(b"operation=")[2].partition(b" ")[0].partition(b"&")[0]
        if not operation or operation == b"PKIOperation":
            _held.append(connection)
            return
        connection.recv(len(head))
        connection.sendall(answers[operation])


def main() -> None:
    """
    Run it as a program.
    """
    raise_file_limit()
    answers = prebuilt_answers(*(Path(name).read_bytes() for name in sys.argv[1:3]))
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=answer, args=(connection, answers), daemon=True).start()


if __name__ == "__main__":
    main()
