"""
Tests for the judgement of one-time challenges.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from hashlib import sha256

from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import StorageUnavailable
from scepd.metrics import Metrics
from scepd.model import DeliveryChallenge
from scepd.pki.requests import build_request
from scepd.profiles.requested_names import NamePattern, RequestedNames
from scepd.services.delivery_challenges import DeliveryChallenges
from tests.support.fake_challenges import FakeDeliveryChallenges
from tests.support.fakes import InlineWorkers
from tests.support.pki import NOW, openssl, rsa_key

TEXT = "the-challenge-of-one-delivery"
HOUR = timedelta(hours=1)
DEVICE = RequestedNames(((NamePattern("2.5.4.3", ("device-1",)),),), ())


def stored(text: str = TEXT, ca_name: str = "CORP") -> DeliveryChallenge:
    """
    The challenge of a delivery to HOST-1, for an hour.
    """
    digest = sha256(text.encode()).hexdigest()
    return DeliveryChallenge(digest, "HOST-1", "aPROFILE-1", ca_name, "w-1", DEVICE, NOW + HOUR)


def csr(name: str = "CN=device-1", challenge: str | None = TEXT, key: int = 1) -> bytes:
    """
    A request in DER.
    """
    return build_request(rsa_key(key), x509.Name.from_rfc4514_string(name), challenge)


class VouchTests(SynchronousTestCase):
    """
    Tests for L{DeliveryChallenges.vouch}.
    """

    def setUp(self) -> None:
        """
        One challenge was handed over.
        """
        self.clock = Clock()
        self.clock.advance(NOW.timestamp())
        self.store = FakeDeliveryChallenges()
        self.store.by_sha256[stored().sha256] = stored()
        self.metrics = Metrics()
        self.challenges = DeliveryChallenges(self.store, self.clock, InlineWorkers(), self.metrics)

    def begin(self, der: bytes, ca_name: str, challenge: str | None) -> Deferred[bool]:
        """
        Ask.
        """
        return Deferred.fromCoroutine(self.challenges.vouch(ca_name, der, challenge))

    def vouch(self, der: bytes, ca_name: str = "CORP", challenge: str | None = None) -> bool:
        """
        What is answered.
        """
        return self.successResultOf(self.begin(der, ca_name, challenge))

    def counted(self, result: str, ca_name: str = "CORP") -> float:
        """
        What ``scepd_challenges_total`` shows.
        """
        labels = {"ca": ca_name, "result": result}
        return self.metrics.registry.get_sample_value("scepd_challenges_total", labels) or 0.0

    def assert_refused(self, ask: Callable[[], bool], reason: str) -> None:
        """
        A question is answered no, the challenge stays as it was, and the log says why, without it.
        """
        before = dict(self.store.by_sha256)
        with capturedLogs() as events:
            self.assertFalse(ask())
        self.assertEqual(self.store.by_sha256, before)
        self.assertEqual([event["reason"] for event in events], [reason])
        self.assertNotIn(TEXT, str(events))

    def test_allowed(self) -> None:
        """
        The right request is allowed, again and again, and binds the challenge.
        """
        der = csr()
        self.assertTrue(self.vouch(der))
        self.assertTrue(self.vouch(der, challenge=TEXT))
        bound = self.store.by_sha256[stored().sha256].csr_sha256
        self.assertEqual(bound, sha256(der).hexdigest())
        self.assertEqual(self.counted("allowed"), 2)

    def test_made_by_openssl(self) -> None:
        """
        A request that another program made is read as well.
        """
        configuration = (
            b"[req]\ndistinguished_name = dn\nattributes = more\nprompt = no\n"
            b"[dn]\nCN = device-1\n[more]\nchallengePassword = " + TEXT.encode() + b"\n"
        )
        der = openssl(
            *("req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", "k", "-outform", "DER"),
            *("-config", "c"),
            files={"c": configuration},
        )
        self.assertTrue(self.vouch(der))

    def test_another_request(self) -> None:
        """
        After the first one no other is allowed, whatever its key.
        """
        self.assertTrue(self.vouch(csr()))
        reason = "the challenge was used for another request"
        self.assert_refused(lambda: self.vouch(csr(key=2)), reason)
        self.assertEqual(self.counted("refused"), 1)

    def test_another_subject(self) -> None:
        """
        VU#971035: a valid challenge, and another name; the challenge stays good for its own.
        """
        reason = "the request is for another subject than the profile's"
        self.assert_refused(lambda: self.vouch(csr("CN=administrator")), reason)
        self.assertTrue(self.vouch(csr()))

    def test_another_authority(self) -> None:
        """
        A challenge is of the authority that it was made for.
        """
        reason = "the challenge is not known here"
        self.assert_refused(lambda: self.vouch(csr(), ca_name="OTHER"), reason)

    def test_unknown(self) -> None:
        """
        A challenge that was never made, and a request without one.
        """
        reason = "the challenge is not known here"
        self.assert_refused(lambda: self.vouch(csr(challenge="guess")), reason)
        reason = "the request has no challenge"
        self.assert_refused(lambda: self.vouch(csr(challenge=None)), reason)
        self.assert_refused(lambda: self.vouch(csr(challenge=None), challenge=TEXT), reason)

    def test_authority_saw_another(self) -> None:
        """
        What the authority took for the challenge has to be what is in the request.
        """
        reason = "the challenge is not the one in the request"
        for seen in ("guess", "", "\udcff"):
            self.assert_refused(partial(self.vouch, csr(), challenge=seen), reason)

    def test_closed(self) -> None:
        """
        With the window the challenge ends, for the request too that was allowed.
        """
        self.assertTrue(self.vouch(csr()))
        self.clock.advance(3600)
        self.assertTrue(self.vouch(csr()))
        self.clock.advance(1)
        reason = "the enrollment window of the challenge is closed"
        self.assert_refused(lambda: self.vouch(csr()), reason)

    def test_altered(self) -> None:
        """
        A request whose signature is not its key's is refused.
        """
        der = bytearray(csr())
        der[-1] ^= 1
        reason = "the certification request's signature is wrong"
        self.assert_refused(lambda: self.vouch(bytes(der)), reason)

    def test_database_is_gone(self) -> None:
        """
        Without the database there is no answer, so that the authority refuses.
        """
        self.store.broken = True
        self.failureResultOf(self.begin(csr(), "CORP", None), StorageUnavailable)

    @given(st.one_of(st.binary(max_size=200), st.integers(0, 2000).map(lambda at: csr()[:at])))
    def test_any_bytes(self, der: bytes) -> None:
        """
        Bytes that are no request are refused.
        """
        self.assertFalse(self.vouch(der) and der != csr())

    @given(at=st.integers(0, 10_000), value=st.integers(0, 255))
    def test_any_change(self, at: int, value: int) -> None:
        """
        A request with one octet changed is never allowed.
        """
        der = bytearray(csr())
        at %= len(der)
        if der[at] != value:
            der[at] = value
            self.assertFalse(self.vouch(bytes(der)))
