"""
``docs/interop.md``, made of the matrix. As a program it runs the matrix first:
``scripts/test --interop``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from tests.support.interop import InteropStage
from tests.support.interop_matrix import (
    FAILURES,
    NOT_YET,
    Cell,
    Client,
    Server,
    as_expected,
    why_not_tried,
)
from tests.support.scep_clients.outcome import Action

PATH = Path(__file__).parent.parent.parent / "docs" / "interop.md"
_INTRODUCTION = """\
# Interoperability

SCEP clients against the embedded CA and, through the proxy, against micromdm's scepserver. The
tests run this matrix with the real programs (`tests/acceptance/test_interop.py`); `scripts/test
--interop` runs it and writes this page.

The programs are Debian 12's: scepclient and scepserver 2.1.0 (`scep`), strongSwan 5.9.8
(`strongswan-pki`, `libstrongswan-extra-plugins`), certmonger 0.79 (`certmonger`). The simulated
device is scepd's own.

* **enroll**: GetCACaps, GetCACert and a PKCSReq with the right challenge; the client has a
  certificate for its key.
* **wrong challenge**: the client says that the authority refused (CertRep FAILURE), and not that
  something is broken.
* **renew**: another certificate, for which the first one vouches; scepserver wants the challenge,
  too.
* **poll**: the authority answers PENDING, the request is approved, and the client fetches its
  certificate.

The embedded CA has `challenge_file` set, and `allow_single_des`, which only scepclient needs: it
sends single DES and SHA-1 whatever it is offered. certmonger sends its messages by GET, and needs
the CA certificate both as the one that signs (`-r`) and as the one that is trusted (`-N`). It
renews and polls by PKCSReq alone: signed with the old key and certificate, and repeated as it
was. It writes an underscore in a name as a PrintableString, which may not hold one: both CAs
refuse such names.
"""


def render() -> str:
    """
    The document.
    """
    tables = [_INTRODUCTION]
    for server in Server:
        notes: list[str] = []
        rows = [_row([client.value, *_cells(server, client, notes)]) for client in Client]
        head = _row(["client", *(action.value for action in Action)])
        rule = "|---" * (len(Action) + 1) + "|\n"
        tables.append(f"## {server.value}\n\n{head}{rule}{''.join(rows)}")
        if notes:
            tables.append("".join(f"{n}. {note}\n" for n, note in enumerate(notes, 1)))
    return "\n".join(tables)


def _cells(server: Server, client: Client, notes: list[str]) -> Iterator[str]:
    for action in Action:
        cell = (server, client, action)
        if cell in FAILURES:
            yield f"no ({_number(FAILURES[cell].why, notes)})"
        elif cell in NOT_YET:
            yield "not yet"
        elif (reason := why_not_tried(cell)) is not None:
            yield f"n/a ({_number(reason, notes)})"
        else:
            yield "yes"


def _number(note: str, notes: list[str]) -> int:
    if note not in notes:
        notes.append(note)
    return notes.index(note) + 1


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


async def _run() -> None:
    stage, wrong = InteropStage(), list[Cell]()
    for server in Server:
        for client in Client:
            for action, outcome in (await stage.row(server, client)).items():
                cell = (server, client, action)
                word = "as expected" if as_expected(cell, outcome) else "NOT AS EXPECTED"
                print(
                    server.value, client.value, action.value, outcome.result.value, word, sep=": "
                )
                if not as_expected(cell, outcome):
                    wrong.append(cell)
                    print(outcome.output)
    if wrong:
        sys.exit(f"{len(wrong)} cells are not what tests/support/interop_matrix.py says")
    PATH.write_text(render(), encoding="utf-8")


def main() -> None:
    """
    Run the matrix, and write the document when all is as it should be.
    """
    react(lambda reactor: Deferred.fromCoroutine(_run()))


if __name__ == "__main__":
    main()
