"""
Hostile bytes for a running daemon, from a seed, and what it may answer to them.
"""

from __future__ import annotations

import http.client
import os
import random
import socket
import time
from collections.abc import Callable, Iterator
from urllib.parse import quote_from_bytes

SECONDS = float(os.environ.get("SCEPD_FUZZ_SECONDS", "4"))
"""
For each test that draws its inputs from the seed.
"""

SEED = int(os.environ.get("SCEPD_FUZZ_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)
"""
Printed by each such test; the same seed draws the same inputs.
"""

DEADLINE = 20.0
"""
Seconds within which each connection is answered or ended, however busy the machine is.
"""


def inputs(name: str) -> Iterator[random.Random]:
    """
    One source of randomness after the other, until the time is up.
    """
    print(f"{name}: SCEPD_FUZZ_SEED={SEED}")
    count, end = 0, time.monotonic() + SECONDS
    while time.monotonic() < end:
        count += 1
        yield random.Random(f"{SEED} {name} {count}")
    print(f"{name}: {count} inputs")


# -- messages --------------------------------------------------------------------------------------


def altered(message: bytes, source: random.Random) -> bytes:
    """
    A message with something done to it.
    """
    return source.choice(_ALTERATIONS)(message, source)


def _flip_bits(message: bytes, source: random.Random) -> bytes:
    changed = bytearray(message)
    for _ in range(source.choice((1, 1, 2, 8, 64))):
        changed[source.randrange(len(changed))] ^= 1 << source.randrange(8)
    return bytes(changed)


def _cut(message: bytes, source: random.Random) -> bytes:
    return message[: source.randrange(len(message))]


def _longer(message: bytes, source: random.Random) -> bytes:
    return message + source.randbytes(source.choice((1, 100, 5000)))


def _lengths(message: bytes, source: random.Random) -> bytes:
    # A length octet anywhere, in the forms that readers trip over.
    at = source.randrange(1, len(message))
    form = source.choice(
        (b"\x80", b"\x84\xff\xff\xff\xff", b"\x88" + b"\x7f" * 8, b"\xff", b"\x00")
    )
    return message[:at] + form + message[at + source.randrange(3) :]


def _nested(message: bytes, source: random.Random) -> bytes:
    opening = source.choice((b"\x30\x80", b"\x24\x80", b"\xa0\x80", b"\x31\x80", b"\x30\x84\x7f"))
    return message[: source.randrange(60)] + opening * source.choice((30, 1000, 60_000))


def _spliced(message: bytes, source: random.Random) -> bytes:
    start, end = sorted(source.randrange(len(message)) for _ in range(2))
    at = source.randrange(len(message))
    return message[:at] + message[start:end] * source.choice((1, 2, 20)) + message[at:]


def _many(message: bytes, source: random.Random) -> bytes:
    piece = source.choice((b"\x05\x00", b"\x30\x00", b"\x02\x01\x00", b"\x06\x01\x80"))
    return b"\x30\x83\x02\x00\x00" + piece * (0x20000 // len(piece))


_ALTERATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    *(_flip_bits, _flip_bits, _flip_bits, _cut, _cut, _longer),
    *(_lengths, _lengths, _nested, _spliced, _many),
)


# -- HTTP ------------------------------------------------------------------------------------------

_METHODS = (b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"TRACE", b"CONNECT", b"G\x00T", b"")
_PATHS = (
    *(b"/mdm/scep/ca", b"/mdm/scep/proxy/", b"/mdm/scep/proxy/a,b,c", b"/mdm", b"/enroll/"),
    *(b"/osquery/enroll", b"/", b"*", b"//", b"/../../etc/passwd", b"/%2e%2e/%00"),
    *(b"http://other.example/mdm/scep/ca", b"/mdm/scep/ca/pkiclient.exe", b"/mdm/checkin"),
)
_HEADERS = (
    *(b"Host: x", b"Host:", b"Expect: 100-continue", b"Connection: close", b"Upgrade: h2c"),
    *(b"Content-Length: 5", b"Content-Length: -1", b"Content-Length: 99999999999999999999"),
    *(b"Content-Length: +5", b"Content-Length: 5\r\nContent-Length: 6", b"Content-Length: 0x5"),
    *(b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"TE: trailers"),
    *(b"Transfer-Encoding: chunked\r\nContent-Length: 3", b"Transfer-Encoding: identity"),
    *(b"Content-Type: multipart/form-data", b"Content-Type: multipart/form-data; boundary=x"),
    *(b"Content-Type: application/x-www-form-urlencoded", b"Content-Encoding: gzip"),
    *(b"Mdm-Signature: %%%", b"Authorization: Basic \xff", b"Cookie: " + b"x=y; " * 200),
    *(
        b": no name",
        b"no colon",
        b" folded",
        b"X: a\r\n b",
        b"X: \x00",
        b"X-\xff: y",
        b"X" * 20_000,
    ),
    *(b"Range: bytes=0-", b"If-Modified-Since: x", b"Accept-Encoding: gzip"),
)
_CHUNKS = (
    *(b"5\r\nhello\r\n0\r\n\r\n", b"5;x=y\r\nhello\r\n0\r\nX: y\r\n\r\n", b"-5\r\nhello\r\n"),
    *(b"ffffffffffffffffffff\r\nhello", b"5\r\nhelloX\r\n0\r\n\r\n", b"0x5\r\nhello\r\n0\r\n\r\n"),
    *(b"5\nhello\n0\n\n", b"\r\n", b"g\r\n", b"5\r\nhe", b"0" * 20_000 + b"\r\n"),
    *(b"1\r\na\r\n" * 3000 + b"0\r\n\r\n", b"0\r\n" + b"X: y\r\n" * 3000 + b"\r\n"),
)


def http_request(message: bytes, source: random.Random) -> bytes:
    """
    A request that may not be HTTP.
    """
    query = source.choice((b"operation=PKIOperation", b"operation=GetCACaps", b"operation", b""))
    if source.random() < 0.3:
        query += (
            b"&message=" + quote_from_bytes(source.randbytes(source.choice((1, 90, 2000)))).encode()
        )
    if source.random() < 0.1:
        query = source.randbytes(30).replace(b"\n", b"").replace(b" ", b"")
    target = source.choice(_PATHS) + source.choice((b"?", b"?", b"")) + query
    version = source.choice((b"HTTP/1.1",) * 6 + (b"HTTP/1.0", b"HTTP/2.0", b"HTTP/9.9", b"x", b""))
    lines = [b" ".join((source.choice(_METHODS[: source.choice((2, 9))]), target, version))]
    lines += source.choices(_HEADERS, k=source.randrange(4))
    body = source.choice((b"", b"hello", message, altered(message, source), *_CHUNKS))
    if source.random() < 0.5:
        chosen = source.choice((b"Transfer-Encoding: chunked", b"Content-Length: %d" % len(body)))
        lines.append(chosen)
    request = b"\r\n".join([*lines, b"", body])
    return _flip_bits(request, source) if source.random() < 0.2 else request


# -- connections -----------------------------------------------------------------------------------


def connect(port: int) -> socket.socket:
    """
    A connection to a listener on loopback whose every wait has a deadline.
    """
    return socket.create_connection(("127.0.0.1", port), DEADLINE)


def exchange(port: int, request: bytes) -> list[int]:
    """
    Send these bytes and no more, and return the statuses of all answers until the connection ends.

    :raises TimeoutError: it did not end in time.
    """
    with connect(port) as connection:
        try:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            # It was ended in the middle; there may be an answer all the same.
            pass
        return statuses(read_to_end(connection))


def read_to_end(connection: socket.socket) -> bytes:
    """
    All that comes until the other side ends the connection.

    :raises TimeoutError: it did not in time.
    """
    received, end = bytearray(), time.monotonic() + DEADLINE
    while time.monotonic() < end:
        try:
            data = connection.recv(65536)
        except ConnectionResetError:
            return bytes(received)
        if not data:
            return bytes(received)
        received += data
    raise TimeoutError("the connection has not ended")


def statuses(received: bytes) -> list[int]:
    """
    The statuses of all answers in a stream.
    """
    lines = [line for line in received.split(b"\n") if b"HTTP/1." in line]
    return [int(line.partition(b"HTTP/1.")[2].split()[1]) for line in lines]


def get(port: int, path: str) -> tuple[int, bytes]:
    """
    Status and body of an ordinary request.
    """
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
    try:
        client.request("GET", path)
        answer = client.getresponse()
        return answer.status, answer.read()
    finally:
        client.close()
