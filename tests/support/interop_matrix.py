"""
The interoperability matrix: which client does what with which server, and why a cell is not "yes".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from tests.support.scep_clients.certmonger import CertmongerDevice
from tests.support.scep_clients.outcome import Action, Outcome, Result, SCEPDevice
from tests.support.scep_clients.scepclient import SCEPClientDevice
from tests.support.scep_clients.simulated import SimulatedDevice
from tests.support.scep_clients.strongswan import StrongSwanDevice


class Server(Enum):
    """
    The tables of the matrix.
    """

    OUR_CA = "The embedded CA"
    OUR_CA_BY_PROXY = "The embedded CA, through the proxy"
    SCEPSERVER_BY_PROXY = "scepserver, through the proxy"


class Client(Enum):
    """
    The rows of each table.
    """

    SCEPCLIENT = "scepclient"
    STRONGSWAN = "strongSwan pki"
    CERTMONGER = "certmonger"
    SIMULATED = "simulated device"


Cell = tuple[Server, Client, Action]

DEVICES: Mapping[Client, Callable[[Path, str], SCEPDevice]] = {
    Client.SCEPCLIENT: SCEPClientDevice,
    Client.STRONGSWAN: StrongSwanDevice,
    Client.CERTMONGER: CertmongerDevice,
    Client.SIMULATED: SimulatedDevice,
}

WANTED: Mapping[Action, Result] = {
    Action.ENROLL: Result.ISSUED,
    Action.WRONG_CHALLENGE: Result.REFUSED,
    Action.RENEW: Result.ISSUED,
    Action.POLL: Result.ISSUED,
}
"""
What a "yes" stands for.
"""

_OURS = (Server.OUR_CA, Server.OUR_CA_BY_PROXY)

NOT_YET: frozenset[Cell] = frozenset(
    [
        *((server, Client.SCEPCLIENT, Action.RENEW) for server in _OURS),
        *((server, Client.STRONGSWAN, Action.RENEW) for server in _OURS),
        *((server, Client.SIMULATED, Action.RENEW) for server in Server),
        *((server, Client.STRONGSWAN, Action.POLL) for server in _OURS),
        *((server, Client.CERTMONGER, Action.POLL) for server in _OURS),
        *((server, Client.SIMULATED, Action.POLL) for server in _OURS),
    ]
)
"""
Cells that are not tried, because the embedded CA or the simulated device can't do that yet.
"""


@dataclass(frozen=True, slots=True)
class Failure:
    """
    A cell that is not "yes" for good.

    :param result: what the client makes of it.
    :param said: some words that it says then.
    :param why: for the document.
    """

    result: Result
    said: str
    why: str


_NO_CERT_POLL = "It has no CertPoll; on PENDING it sends its PKCSReq again after 30 seconds."
_NEVER_PENDING = "scepserver decides at once: it never answers PENDING."
_MASKS = (
    "strongSwan takes the ordinals of capabilities for bit masks. In what scepserver says"
    " (`Renewal SHA-1 SHA-256 AES DES3 SCEPStandard POSTPKIOperation`) it finds no AES, and sends"
    " nothing; the embedded CA says `SHA-384`, too, which it needs for that. With"
    " `--cipher des3` it sends its request, but refuses the answer, whose signature algorithm"
    " is not plain `rsaEncryption`."
)
_SINGLE_DES = (
    "scepserver issues the certificate and encrypts its answer with single DES, whatever the"
    " request used; OpenSSL 3, which certmonger decrypts with, has that in its legacy provider"
    " only."
)
_NOTHING = "There is no certificate to renew, see above."

CANNOT: Mapping[tuple[Server | None, Client | None, Action], str] = {
    (None, Client.SCEPCLIENT, Action.POLL): _NO_CERT_POLL,
    (Server.SCEPSERVER_BY_PROXY, None, Action.POLL): _NEVER_PENDING,
}
"""
What a client can do with no server, or a server with no client: these cells are "n/a".
"""

FAILURES: Mapping[Cell, Failure] = {
    (Server.SCEPSERVER_BY_PROXY, Client.STRONGSWAN, Action.ENROLL): Failure(
        Result.BROKEN, "AES_CBC encryption algorithm not supported by CA", _MASKS
    ),
    (Server.SCEPSERVER_BY_PROXY, Client.STRONGSWAN, Action.WRONG_CHALLENGE): Failure(
        Result.BROKEN, "AES_CBC encryption algorithm not supported by CA", _MASKS
    ),
    (Server.SCEPSERVER_BY_PROXY, Client.STRONGSWAN, Action.RENEW): Failure(
        Result.BROKEN, "", _NOTHING
    ),
    (Server.SCEPSERVER_BY_PROXY, Client.CERTMONGER, Action.ENROLL): Failure(
        Result.BROKEN, "digital envelope routines::unsupported", _SINGLE_DES
    ),
    (Server.SCEPSERVER_BY_PROXY, Client.CERTMONGER, Action.RENEW): Failure(
        Result.BROKEN, "", _NOTHING
    ),
}
"""
What fails, and is not ours to mend.
"""


def why_not_tried(cell: Cell) -> str | None:
    """
    Why a cell can't be tried: one sentence, or None.
    """
    server, client, action = cell
    if cell in NOT_YET:
        return "Not there yet."
    return CANNOT.get((None, client, action)) or CANNOT.get((server, None, action))


def as_expected(cell: Cell, outcome: Outcome) -> bool:
    """
    Whether an outcome is what the matrix says.
    """
    failure = FAILURES.get(cell)
    if failure is None:
        return outcome.result is WANTED[cell[2]]
    return outcome.result is failure.result and failure.said in outcome.output
