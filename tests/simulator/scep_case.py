"""
A client and an authority, in memory and on a clock that only sleeping moves.
"""

from __future__ import annotations

import base64
from datetime import datetime, timedelta

import httpx
from cryptography import x509
from twisted.trial.unittest import SynchronousTestCase

from scepd.scep.dialect import Form
from scepd.simulator.identity import Identity
from scepd.simulator.patience import Patience, Waiting
from scepd.simulator.scep_client import SCEPClient
from tests.simulator.server import BASE, Server
from tests.support.authority_double import AuthorityDouble
from tests.support.pki import NOW, rsa_key

SUBJECT = x509.Name.from_rfc4514_string("CN=device,O=Example")


class SleptClock:
    """
    A clock that stands still but while somebody sleeps.
    """

    def __init__(self) -> None:
        self.sleeps: list[float] = []
        self.time = NOW

    def now(self) -> datetime:
        """
        The time.
        """
        return self.time

    def sleep(self, seconds: float) -> None:
        """
        Let time pass.
        """
        self.sleeps.append(seconds)
        self.time += timedelta(seconds=seconds)

    @property
    def waiting(self) -> Waiting:
        """
        The clock as clients want it.
        """
        return Waiting(self.now, self.sleep)


class SCEPClientCase(SynchronousTestCase):
    """
    Tests of a client with an authority double.
    """

    def setUp(self) -> None:
        """
        Make the server and the clock.
        """
        self.clock = SleptClock()
        self.use(AuthorityDouble())

    def use(self, authority: AuthorityDouble) -> None:
        """
        Take an authority.
        """
        self.authority = authority
        self.server = serving(authority)

    def client(
        self, patience: Patience | None = None, form: Form | None = None, allow_des: bool = False
    ) -> SCEPClient:
        """
        Make a client.
        """
        return SCEPClient(
            f"{BASE}/scep",
            self.server.http(),
            waiting=self.clock.waiting,
            patience=patience,
            form=form,
            allow_des=allow_des,
        )

    def enrolled(self) -> Identity:
        """
        Get an identity; what was received for it is forgotten.
        """
        identity = self.client().enroll_key(rsa_key(7), SUBJECT, "challenge-of-the-device")
        self.authority.received.clear()
        self.server.requests.clear()
        return identity

    @property
    def types(self) -> list[str]:
        """
        The messageTypes that were received.
        """
        return [each.message_type for each in self.authority.received]


def serving(authority: AuthorityDouble) -> Server:
    """
    Make the server of an authority.
    """
    server = Server()
    server.capabilities = b"AES\nSHA-256\nPOSTPKIOperation\nRenewal\nGetNextCACert\n"
    server.replies["GetCACert"] = lambda _: authority.certificates
    server.replies["PKIOperation"] = lambda request: authority.answer(pki_operation(request))
    return server


def pki_operation(request: httpx.Request) -> bytes:
    """
    The octets of a PKIOperation, by POST or GET.
    """
    if request.method == "POST":
        return request.content
    return base64.b64decode(request.url.params["message"], validate=True)
