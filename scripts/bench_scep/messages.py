"""
PKCSReqs for a real CA, each with a certification request and a transactionID of its own.

They are made before anything is timed, by as many processes as there are cores.
"""

from __future__ import annotations

import functools
import itertools
import multiprocessing
import os
from collections.abc import Iterator

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from rich.progress import Progress

from scepd.pki.requests import build_request
from scepd.scep.requesting import build_pkcs_req
from scripts.bench_scep.material import certify

_KEYS = 8
_CHUNK = 20


def make_messages(count: int, recipient: bytes, challenge: str, progress: Progress) -> list[bytes]:
    """
    That many PKCSReqs.

    :param recipient: the CA's certificate, DER.
    """
    numbers = [range(at, min(at + _CHUNK, count)) for at in range(0, count, _CHUNK)]
    jobs = ((recipient, challenge, some) for some in numbers)
    made: list[bytes] = []
    # Not by fork: this process has threads.
    context = multiprocessing.get_context("spawn")
    with context.Pool() as pool:
        task = progress.add_task(f"making {count} PKCSReqs", total=count)
        for chunk in pool.imap_unordered(_make, jobs):
            made += chunk
            progress.advance(task, len(chunk))
    return made


def _make(job: tuple[bytes, str, range]) -> list[bytes]:
    recipient, challenge, numbers = job
    return [make_message(recipient, challenge, number) for number in numbers]


def make_message(recipient: bytes, challenge: str, number: int) -> bytes:
    """
    One PKCSReq.

    :param recipient: the CA's certificate, DER.
    :param number: becomes part of the subject.
    """
    key, own = next(_parties())
    subject = x509.Name.from_rfc4514_string(f"CN=device-{number},OU={os.urandom(4).hex()}")
    request = build_request(key, subject, challenge)
    # The CA refuses another key under a transactionID that it knows.
    name = os.urandom(20).hex()
    return build_pkcs_req(request, key, own, recipient, os.urandom, transaction_id=name).message


@functools.cache
def _parties() -> Iterator[tuple[rsa.RSAPrivateKey, bytes]]:
    """
    This process's keys with a certificate for each, round and round.
    """
    keys = [rsa.generate_private_key(65537, 2048) for _ in range(_KEYS)]
    return itertools.cycle(
        [(key, certify("CN=device", key, "CN=device", key, ca=False)) for key in keys]
    )
