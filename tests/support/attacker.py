"""
Somebody who talks to the embedded certificate authority of a daemon, and looks at what it issued.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from dataclasses import dataclass

import httpx
from cryptography import x509

from scepd.scep.messages import PKIMessage, parse_pki_message
from scepd.scep.requesting import open_cert_rep
from tests.support.hostile_messages import Message, certification_request, sealed
from tests.support.interop import CA_PATH, embedded_ca_stage
from tests.support.pki import Party, party
from tests.support.scepserver import CHALLENGE

REQUEST_TIMEOUT = 4.0
"""
Seconds that the daemon gives a client for its request.
"""


@dataclass(frozen=True)
class Reply:
    """
    An answer to a PKIOperation.

    :param message: the CertRep; None: it is none.
    """

    response: httpx.Response
    message: PKIMessage | None

    @property
    def told(self) -> tuple[object, ...]:
        """
        All that tells one refusal from another, but for its nonces and signature.
        """
        head = tuple(sorted(each for each in self.response.headers.items() if each[0] != "date"))
        shape: list[object] = [self.response.status_code, head, len(self.response.content)]
        if self.message is not None:
            found = self.message
            shape += [found.pki_status, found.fail_info, found.fail_info_text, found.digest]
        return tuple(shape)


class Attacker:
    """
    A client of the embedded CA of a daemon that has a static challenge and takes no single DES.

    :param number: of its key; others have other keys.
    """

    def __init__(self, number: int = 40) -> None:
        self.stage = embedded_ca_stage(
            ca__allow_single_des="false", limits__request_timeout=str(REQUEST_TIMEOUT)
        )
        self.url = self.stage.url(CA_PATH)
        self.http = httpx.Client(timeout=20, trust_env=False)
        self.party = party("CN=attacker", number)
        got = self.http.get(self.url, params={"operation": "GetCACert"})
        self.authority = got.content

    def request(self, subject: str = "CN=attacker", challenge: str | None = CHALLENGE) -> bytes:
        """
        A certification request that is right.
        """
        return certification_request(self.party, subject, challenge)

    def seal(self, content: bytes, *options: str) -> bytes:
        """
        An envelope for the authority.
        """
        return sealed(content, self.authority, *options)

    def message(self, envelope: bytes, transaction_id: str = "0123456789abcdef") -> Message:
        """
        A PKCSReq that is right, but for its envelope.
        """
        return Message(envelope, (self.party,), transaction_id)

    def post(self, message: bytes, url: str | None = None) -> Reply:
        """
        Send a message, to the authority or to another URL.
        """
        url = f"{url or self.url}?operation=PKIOperation"
        response = self.http.post(url, content=message)
        is_cert_rep = response.headers.get("content-type") == "application/x-pki-message"
        return Reply(response, parse_pki_message(response.content) if is_cert_rep else None)

    def open(self, reply: Reply, signer: Party | None = None) -> x509.Certificate:
        """
        The certificate in an answer.
        """
        assert reply.message is not None, reply.response
        signer = signer or self.party
        [der] = open_cert_rep(reply.message, signer.key, signer.certificate, os.urandom)
        return x509.load_der_x509_certificate(der)

    def issued(self) -> int:
        """
        How many certificates the authority has issued, as its database says.
        """
        path = self.stage.daemon.folder / "scepd.sqlite"
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            [[count]] = database.execute("SELECT count(*) FROM issued_certificate").fetchall()
        return int(count)
