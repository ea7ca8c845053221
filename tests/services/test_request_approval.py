"""
Tests for requests that wait for an operator.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from cryptography import x509
from twisted.internet.defer import Deferred

from scepd.errors import Conflict, NotFound
from scepd.model import RequestState
from scepd.scep.attributes import FailInfo, MessageType, PKIStatus
from scepd.services import request_approval
from tests.services.issuing_case import STATIC, IssuingCase, Sender
from tests.support.pki import party, tlv

NAMES = (x509.DNSName("client.example"),)
CLIENT = Sender(party("CN=client", 4), "CN=client", STATIC, transaction_id="t-1", names=NAMES)
OTHER = replace(CLIENT, identity=party("CN=client", 5))
UNKNOWN = "there is no such request of this signer, or the envelope could not be opened"
WEEK = 7 * 86_400


class ManualCase(IssuingCase):
    """
    An authority with ``approval = "manual"``, and a request that waits.
    """

    manual = True

    def setUp(self) -> None:
        """
        Send the request.
        """
        super().setUp()
        self.request = CLIENT.request(self.certificate)
        self.first = self.exchange(self.request)

    def poll(self, sender: Sender = CLIENT, subject: str = "CN=client", name: str = "t-1") -> Any:
        """
        The answer to a CertPoll.
        """
        return self.exchange(self.cert_poll(sender, subject, name))

    def cert_poll(self, sender: Sender, subject: str = "CN=client", name: str = "t-1") -> Any:
        """
        A CertPoll: the names of issuer and subject, as RFC 8894 section 3.3.3 says.
        """
        asked = x509.Name.from_rfc4514_string(subject).public_bytes()
        content = tlv(0x30, self.authority.subject.public_bytes(), asked)
        return sender.ask(MessageType.CERT_POLL, content, self.certificate, name)

    def approve(self) -> None:
        """
        As an operator does.
        """
        self.done(self.parts.approval.approve("r-1", "alice"))


class WaitingTests(ManualCase):
    """
    Tests for what clients are told.
    """

    def test_pending(self) -> None:
        """
        A request with the static challenge waits, without an envelope; nothing is issued.
        """
        self.assertEqual(self.first.pki_status, PKIStatus.PENDING)
        self.assertIsNone(self.first.content)
        self.assertEqual(self.store.certificates, [])
        [stored] = self.store.requests.values()
        self.assertEqual((stored.subject, stored.state), ("CN=client", RequestState.PENDING))
        self.assertEqual(stored.alternative_names, ("dns:client.example",))

    def test_sealed(self) -> None:
        """
        The request is stored sealed, as the challenge is in it.
        """
        [stored] = self.store.requests.values()
        self.assertNotIn(STATIC.encode(), stored.request.data)
        self.assertNotIn(STATIC, repr(stored))

    def test_enrollment_is_automatic(self) -> None:
        """
        MDM identities wait for nobody.
        """
        self.enroll(Sender())

    def test_wrong_challenge(self) -> None:
        """
        Who does not know the challenge does not get to an operator.
        """
        sender = replace(OTHER, challenge="wrong", transaction_id="t-2")
        names = replace(sender, names=())
        self.assert_refused(names, "the challenge is not one of this authority")
        self.assert_refused(sender, "the challenge is not one of this authority")
        self.assertEqual(len(self.store.requests), 1)

    def test_repeated(self) -> None:
        """
        The same request waits once, and gets its certificate when it is approved.
        """
        again = CLIENT.request(self.certificate)
        self.assertEqual(self.exchange(again).pki_status, PKIStatus.PENDING)
        self.assertEqual(len(self.store.requests), 1)
        self.approve()
        self.assertEqual(CLIENT.open(self.exchange(again)).public_key(), self.key)

    def test_revoked(self) -> None:
        """
        Neither the same request nor a CertPoll gets a certificate that was revoked.
        """
        self.approve()
        self.revoke(CLIENT.open(self.poll()))
        text = "the certificate that was issued for this request has been revoked"
        self.assert_failure(CLIENT.request(self.certificate), text)
        self.assert_failure(self.cert_poll(CLIENT), text)
        self.manual = False
        self.configure(self.settings)
        self.assert_failure(CLIENT.request(self.certificate), text)

    def test_other_key(self) -> None:
        """
        Another key is refused in the transaction of one that waits.
        """
        self.assert_refused(OTHER, "another key lives under this transactionID")

    def test_poll(self) -> None:
        """
        CertPoll answers PENDING, then SUCCESS with what was asked for.
        """
        self.assertEqual(self.poll().pki_status, PKIStatus.PENDING)
        self.approve()
        issued = CLIENT.open(self.poll())
        self.assertEqual(issued.public_key(), self.key)
        names = issued.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        self.assertEqual(list(names), list(NAMES))
        [record] = self.store.certificates
        self.assertEqual((record.purpose, record.transaction_id), ("profile", "t-1"))

    def test_poll_of_a_denied_one(self) -> None:
        """
        CertPoll answers FAILURE when the request was denied, and so does the request again.
        """
        self.done(self.parts.approval.deny("r-1", "alice"))
        self.assert_failure(self.cert_poll(CLIENT), "an operator denied the request")
        self.assert_failure(CLIENT.request(self.certificate), "an operator denied the request")

    def test_poll_by_others(self) -> None:
        """
        Only the key that signed the request learns what became of it, for the names in it.
        """
        self.approve()
        for poll in (
            self.cert_poll(OTHER),
            self.cert_poll(CLIENT, name="t-2"),
            self.cert_poll(CLIENT, subject="CN=another"),
        ):
            self.assert_failure(poll, UNKNOWN, FailInfo.BAD_CERT_ID)

    def test_poll_of_another_authority(self) -> None:
        """
        The issuer in it must be this authority.
        """
        name = x509.Name.from_rfc4514_string("CN=client").public_bytes()
        poll = CLIENT.ask(MessageType.CERT_POLL, tlv(0x30, name, name), self.certificate, "t-1")
        self.assert_failure(poll, UNKNOWN, FailInfo.BAD_CERT_ID)

    def test_junk_in_a_poll(self) -> None:
        """
        A CertPoll that holds something else is like one of an unknown request.
        """
        for junk in (b"", b"\x30\x00", os.urandom(40)):
            poll = CLIENT.ask(MessageType.CERT_POLL, junk, self.certificate, "t-1")
            self.assert_failure(poll, UNKNOWN, FailInfo.BAD_CERT_ID)

    def test_forgotten(self) -> None:
        """
        After a week the request is forgotten.
        """
        self.clock.advance(WEEK)
        self.assert_failure(self.cert_poll(CLIENT), UNKNOWN, FailInfo.BAD_CERT_ID)
        again = self.exchange(CLIENT.request(self.certificate))
        self.assertEqual(again.pki_status, PKIStatus.PENDING)
        self.assertEqual(list(self.store.requests), ["r-2"])

    def test_too_many(self) -> None:
        """
        There is a bound for what may wait; what was decided leaves room.
        """
        self.patch(request_approval, "MOST_WAITING", 1)
        second = replace(OTHER, transaction_id="t-2")
        self.assert_refused(second, "too many requests wait for an operator")
        self.approve()
        answer = self.exchange(second.request(self.certificate))
        self.assertEqual(answer.pki_status, PKIStatus.PENDING)

    def test_asks_for_too_much(self) -> None:
        """
        What no approval could make good does not wait for one.
        """
        names = tuple(x509.DNSName(f"{number}.example") for number in range(17))
        sender = replace(OTHER, names=names, transaction_id="t-2")
        self.assert_refused(sender, "the request asks for too many alternative names")
        self.assertEqual(len(self.store.requests), 1)

    def test_automatic_again(self) -> None:
        """
        When requests need no operator any more, those that wait are let through, and can be
        polled for.
        """
        self.manual = False
        self.configure(self.settings)
        self.enroll(CLIENT)
        self.assertEqual(self.poll().pki_status, PKIStatus.SUCCESS)

    @property
    def key(self) -> object:
        """
        The client's public key.
        """
        return CLIENT.identity.key.public_key()


class DecisionTests(ManualCase):
    """
    Tests for what operators do.
    """

    def test_list(self) -> None:
        """
        Requests are listed newest first, all or those that wait, in pages.
        """
        self.exchange(replace(OTHER, transaction_id="t-2").request(self.certificate))
        self.approve()
        approval = self.parts.approval
        found = [one.id for one in self.done(approval.list())]
        self.assertEqual(found, ["r-2", "r-1"])
        self.assertEqual([one.id for one in self.done(approval.list(waiting=True))], ["r-2"])
        self.assertEqual([one.id for one in self.done(approval.list(after="r-2"))], ["r-1"])

    def test_approve(self) -> None:
        """
        An approval is recorded, with who and when, and is an activity.
        """
        self.clock.advance(60)
        decided = self.done(self.parts.approval.approve("r-1", "alice"))
        self.assertEqual((decided.state, decided.decided_by), (RequestState.APPROVED, "alice"))
        self.assertEqual(decided.serial, self.store.certificates[0].serial)
        self.assertEqual(self.store.requests["r-1"], decided)
        activity = self.store.activities.records[-1]
        self.assertEqual(activity.action, "approved certificate request")
        self.assertEqual(activity.subject, "CN=client (r-1)")

    def test_deny(self) -> None:
        """
        A denial is recorded, and is an activity.
        """
        decided = self.done(self.parts.approval.deny("r-1", "bob"))
        self.assertEqual((decided.state, decided.serial), (RequestState.DENIED, None))
        self.assertEqual(self.store.activities.records[-1].action, "denied certificate request")
        self.assertEqual(self.store.certificates, [])

    def test_once(self) -> None:
        """
        What was decided stays so.
        """
        self.done(self.parts.approval.deny("r-1", "bob"))
        for again in (self.parts.approval.approve, self.parts.approval.deny):
            failure = self.failureResultOf(Deferred.fromCoroutine(again("r-1", "eve")), Conflict)
            self.assertEqual(str(failure.value), "the request was denied before")

    def test_unknown(self) -> None:
        """
        There is nothing to decide on what is not there, or forgotten.
        """
        approve = self.parts.approval.approve
        self.failureResultOf(Deferred.fromCoroutine(approve("r-9", "alice")), NotFound)
        self.clock.advance(WEEK)
        self.failureResultOf(Deferred.fromCoroutine(approve("r-1", "alice")), NotFound)
