"""
Tests for what a SCEP client does while an authority answers PENDING.
"""

from __future__ import annotations

import itertools
from datetime import timedelta

import httpx
from twisted.trial.unittest import SynchronousTestCase

from scepd.simulator.device import SimulatedDevice
from scepd.simulator.failures import DeviceError
from scepd.simulator.patience import NO_PATIENCE, Patience, Waiting
from scepd.simulator.scep_failures import SCEPPending, SCEPRefused
from tests.simulator.scep_case import SUBJECT, SCEPClientCase, SleptClock, pki_operation
from tests.simulator.server import BASE, HARDWARE, Server, command, profile
from tests.support.authority_double import AuthorityDouble
from tests.support.pki import rsa_key
from tests.support.scep_answers import PENDING, cert_rep

_CHALLENGE = "challenge-of-the-device"


class PollingTests(SCEPClientCase):
    """
    Tests for SCEPClient and PENDING.
    """

    def test_issued_at_last(self) -> None:
        """
        CertPolls go out until there is a certificate: same transactionID, same signer, a nonce of
        their own; the first at once, then one per interval.
        """
        self.authority.pending = 3
        patience = Patience(20, limit=10)
        identity = self.client(patience).enroll_key(rsa_key(7), SUBJECT, _CHALLENGE)
        self.assertEqual(identity.certificate, self.authority.issued[0])
        received = self.authority.received
        self.assertEqual(self.types, ["19", "20", "20", "20"])
        self.assertEqual(len({each.transaction_id for each in received}), 1)
        self.assertEqual(len({each.signer for each in received}), 1)
        self.assertEqual(len({each.sender_nonce for each in received}), 4)
        self.assertEqual(self.clock.sleeps, [0, 20, 20])

    def test_refused_at_last(self) -> None:
        """
        A FAILURE that answers a CertPoll ends it.
        """
        self.authority.pending = 1

        def answer(request: httpx.Request) -> bytes:
            if self.authority.received:
                self.authority.refusal = ("2", "not this one")
            return self.authority.answer(pki_operation(request))

        self.server.replies["PKIOperation"] = answer
        error = self.assertRaises(
            SCEPRefused, self.client().enroll_key, rsa_key(7), SUBJECT, _CHALLENGE
        )
        self.assertEqual((error.fail_info, error.text), ("badRequest", "not this one"))
        self.assertEqual(str(error), "SCEP: the CA refused: badRequest")
        self.assertEqual(self.types, ["19", "20"])

    def test_limit(self) -> None:
        """
        After so many polls the client gives up, and can go on with what it was told.
        """
        self.authority.pending = 5
        client = self.client(Patience(10, limit=2))
        pending = self.assertRaises(SCEPPending, client.enroll_key, rsa_key(7), SUBJECT, _CHALLENGE)
        self.assertEqual(self.types, ["19", "20", "20"])
        self.assertNotIn(_CHALLENGE, str(pending) + repr(pending.request))
        identity = self.client(Patience(10, limit=9)).poll(pending.request)
        self.assertEqual(identity.certificate, self.authority.issued[0])
        self.assertEqual(identity.key, rsa_key(7))

    def test_deadline(self) -> None:
        """
        No poll is waited for that would come after the deadline.
        """
        self.authority.pending = 99
        client = self.client(Patience(10, limit=99, seconds=35, first=5))
        self.assertRaises(SCEPPending, client.enroll_key, rsa_key(7), SUBJECT, _CHALLENGE)
        self.assertEqual(self.clock.sleeps, [5, 10, 10, 10])

    def test_clock_that_runs(self) -> None:
        """
        A first poll without a wait takes place, though time passes between two looks at a clock;
        without further patience it is the only one.
        """
        started = self.clock.now()
        ticks = itertools.count(1)
        running = Waiting(lambda: started + timedelta(milliseconds=next(ticks)), lambda _: None)
        self.assertEqual(list(running.polls(Patience(10, 1, 0))), [1])
        self.assertEqual(list(running.polls(Patience(10, 3, 0))), [1])
        self.assertEqual(list(running.polls(Patience(10, 3, 5, first=10))), [])

    def test_no_patience(self) -> None:
        """
        Without patience there is no poll at all.
        """
        self.authority.pending = 1
        client = self.client(NO_PATIENCE)
        self.assertRaises(SCEPPending, client.enroll_key, rsa_key(7), SUBJECT, _CHALLENGE)
        self.assertEqual((self.types, self.clock.sleeps), (["19"], []))

    def test_lost_poll(self) -> None:
        """
        A poll that gets no answer decides nothing: the next one is sent.
        """
        self.authority.pending = 2

        def answer(request: httpx.Request) -> bytes:
            body = self.authority.answer(pki_operation(request))
            if len(self.authority.received) == 2:
                raise httpx.ReadError("gone", request=request)
            return body

        self.server.replies["PKIOperation"] = answer
        self.client().enroll_key(rsa_key(7), SUBJECT, _CHALLENGE)
        self.assertEqual(self.types, ["19", "20", "20"])

    def test_broken_poll(self) -> None:
        """
        A poll whose answer is to another request ends it.
        """
        self.authority.pending = 1
        first = self.client(NO_PATIENCE)
        pending = self.assertRaises(SCEPPending, first.enroll_key, rsa_key(7), SUBJECT, "")
        other = self.authority.received[0]
        answer = cert_rep(other, self.authority.ca, PENDING)
        self.server.replies["PKIOperation"] = (200, answer)
        error = self.assertRaises(DeviceError, self.client().poll, pending.request)
        self.assertIn("to another request", str(error))

    def test_renewal(self) -> None:
        """
        A renewal that is pending is polled for with the old identity, under the ID of the new key.
        """
        old = self.enrolled()
        self.authority.pending = 1
        new = self.client().renew(old, rsa_key(8))
        self.assertEqual(self.types, ["17", "20"])
        self.assertEqual({each.signer for each in self.authority.received}, {old.certificate})
        self.assertEqual(new.certificate, self.authority.issued[1])


class DeviceTests(SynchronousTestCase):
    """
    Tests for the simulated device and PENDING.
    """

    def setUp(self) -> None:
        """
        Make a device, and a server whose authority the test steers once it is enrolled.
        """
        self.clock, self.server = SleptClock(), Server()
        self.device = SimulatedDevice(HARDWARE, self.server.http(), waiting=self.clock.waiting)
        self.device.enroll(f"{BASE}/mdm/enroll?token=token-of-the-enrollment")
        self.authority = AuthorityDouble()
        self.server.replies["GetCACert"] = lambda _: self.authority.certificates
        self.server.replies["PKIOperation"] = lambda request: self.authority.answer(
            pki_operation(request)
        )

    def _installed(self, **changes: object) -> str:
        self.server.messages.clear()
        self.server.commands = [command("InstallProfile", Payload=profile(**changes))]
        self.device.poll()
        return str(self.server.messages[-1][0]["Status"])

    def test_acknowledged(self) -> None:
        """
        The profile's RetryDelay and Retries are kept to, and the result says Acknowledged.
        """
        self.authority.pending = 3
        self.assertEqual(self._installed(Retries=4, RetryDelay=60), "Acknowledged")
        self.assertEqual(self.clock.sleeps, [0, 60, 60])
        (identity,) = self.device.keychain.identities
        self.assertEqual(identity.certificate, self.authority.issued[0])

    def test_error(self) -> None:
        """
        When the retries are used up the result says Error; Apple's defaults are 3 and 10 s.
        """
        self.authority.pending = 4
        self.assertEqual(self._installed(), "Error")
        self.assertEqual(self.clock.sleeps, [0, 10, 10])
        self.assertIn("PENDING", self.device.errors[0])
        self.assertEqual(self.device.keychain.identities, [])

    def test_refused(self) -> None:
        """
        A refusal is an Error at once.
        """
        self.authority.refusal = ("1", None)
        self.assertEqual(self._installed(), "Error")
        self.assertIn("badMessageCheck", self.device.errors[0])
        self.assertEqual(self.clock.sleeps, [])

    def test_behaviour(self) -> None:
        """
        A device can be told to be more, or less, patient than the profile says.
        """
        self.authority.pending = 5
        self.device.behaviour.patience = Patience(1, limit=5)
        self.assertEqual(self._installed(Retries=0), "Acknowledged")
        self.authority.pending = 1
        self.device.behaviour.patience = NO_PATIENCE
        self.assertEqual(self._installed(), "Error")

    def test_odd_retries(self) -> None:
        """
        Retries that make no sense, or would take for ever, make the profile invalid.
        """
        for change in ({"Retries": -1}, {"Retries": 10**9}, {"RetryDelay": "x"}):
            self.assertEqual(self._installed(**change), "Error")
        self.assertEqual(self.authority.received, [])
