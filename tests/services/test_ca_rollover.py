"""
Tests for the roll-over of the embedded certificate authority.
"""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import count

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from twisted.internet.defer import Deferred

from scepd.errors import Conflict, NotFound
from scepd.model import CARole
from scepd.pki.certificates import summarize
from scepd.scep.attributes import FailInfo, MessageType
from scepd.services.ca_keys import CAKeys
from scepd.services.issuing_settings import IssuingSettings
from tests.services.issuing_case import IssuingCase, Sender
from tests.support.pki import openssl, party, rsa_key, tlv

DEVICE = Sender()
STATIC = "the-static-challenge"
YEAR = 365 * 86_400


class RollOverCase(IssuingCase):
    """
    An authority that can make several keys.
    """

    def make_keys(self) -> CAKeys:
        """
        Each key is another one.
        """
        numbers = count(77)
        return CAKeys(
            self.store,
            lambda: self.keyring,
            self.clock,
            os.urandom,
            self.workers,
            generate_key=lambda bits: rsa_key(next(numbers)),
        )

    def plan(self) -> bytes:
        """
        The certificate that comes next.
        """
        self.clock.advance(60)
        self.done(self.parts.roll_over.plan("alice"))
        following = self.done(self.keys.issuers()).next
        assert following is not None
        return following.certificate

    def roll_over(self) -> bytes:
        """
        The new current certificate.
        """
        following = self.plan()
        self.done(self.parts.roll_over.commit("alice"))
        return following

    def client(self, number: int) -> Sender:
        """
        A client with the static challenge.
        """
        return Sender(party("CN=client", number), f"CN=client {number}", STATIC)

    def enroll_by(self, signer: bytes, sender: Sender) -> x509.Certificate:
        """
        Get a certificate by another certificate of the authority than the first one.
        """
        self.certificate = self.signer = signer
        return self.enroll(sender)


class RollOverTests(RollOverCase):
    """
    Tests for plan and commit.
    """

    def roles(self) -> list[CARole]:
        """
        What the certificates are for.
        """
        return [role for role, _ in self.done(self.parts.roll_over.status())]

    def test_steps(self) -> None:
        """
        First a next certificate, then it is the current one; both steps are activities.
        """
        self.assertEqual(self.roles(), [CARole.CURRENT])
        following = self.plan()
        self.assertEqual(self.roles(), [CARole.NEXT, CARole.CURRENT])
        self.assertEqual(self.done(self.ca.certificate()), self.certificate)
        self.done(self.parts.roll_over.commit("bob"))
        self.assertEqual(self.roles(), [CARole.CURRENT, CARole.PREVIOUS])
        self.assertEqual(self.done(self.ca.certificate()), following)
        actions = [(one.actor, one.action) for one in self.store.activities.records]
        self.assertEqual(
            actions,
            [
                ("alice", "planned roll-over of the embedded CA"),
                ("bob", "committed roll-over of the embedded CA"),
            ],
        )

    def test_conflicts(self) -> None:
        """
        There is one next certificate at a time, and no commit without one.
        """
        roll_over = self.parts.roll_over
        self.failureResultOf(Deferred.fromCoroutine(roll_over.commit("alice")), Conflict)
        self.plan()
        self.failureResultOf(Deferred.fromCoroutine(roll_over.plan("alice")), Conflict)

    def test_get_next_ca_cert(self) -> None:
        """
        The next certificate comes signed by the current key, as OpenSSL finds; before and after
        there is none.
        """
        self.failureResultOf(Deferred.fromCoroutine(self.ca.next_certificate()), NotFound)
        following = self.plan()
        signed = self.done(self.ca.next_certificate())
        files = {"ca.pem": self.authority.public_bytes(Encoding.PEM)}
        at = str(int(self.clock.seconds()))
        content = openssl(
            *("cms", "-verify", "-inform", "DER", "-binary", "-CAfile", "ca.pem"),
            *("-purpose", "any", "-attime", at),
            stdin=signed,
            files=files,
        )
        pem = openssl("pkcs7", "-inform", "DER", "-print_certs", stdin=content)
        [found] = x509.load_pem_x509_certificates(pem)
        self.assertEqual(found.public_bytes(Encoding.DER), following)
        self.done(self.parts.roll_over.commit("alice"))
        self.failureResultOf(Deferred.fromCoroutine(self.ca.next_certificate()), NotFound)

    def test_other_process(self) -> None:
        """
        A process that did not roll over finds out by itself, in half a minute.
        """
        other = CAKeys(self.store, lambda: self.keyring, self.clock, os.urandom, self.workers)
        self.assertEqual(self.done(other.issuer()).certificate, self.certificate)
        self.roll_over()
        self.assertEqual(self.done(other.issuer()).certificate, self.done(self.ca.certificate()))
        self.assertEqual(len(self.done(other.issuers()).previous), 1)

    def test_broken_store(self) -> None:
        """
        What is known goes on while the database does not answer.
        """
        self.clock.advance(3600)
        self.store.broken = True
        self.assertEqual(self.done(self.ca.certificate()), self.certificate)


class ClientTests(RollOverCase):
    """
    Tests for clients that know one certificate or another.
    """

    def test_each_certificate(self) -> None:
        """
        Requests by the next, current and previous certificates are answered by the same; what is
        issued is issued with the current one.
        """
        first, second = self.certificate, self.plan()
        issued = self.enroll_by(second, self.client(1))
        issued.verify_directly_issued_by(x509.load_der_x509_certificate(first))
        self.done(self.parts.roll_over.commit("alice"))
        third = self.plan()
        for number, known in enumerate((first, second, third), 2):
            issued = self.enroll_by(known, self.client(number))
            issued.verify_directly_issued_by(x509.load_der_x509_certificate(second))
            record = self.store.certificates[-1]
            self.assertEqual(record.issuer_serial, summarize(second).serial)

    def test_refusals(self) -> None:
        """
        A refusal is signed by the certificate that the client knows, too.
        """
        self.roll_over()
        self.assert_refused(replace(DEVICE, challenge=None), "the request has no challenge")

    def test_renewal(self) -> None:
        """
        What was issued with the previous certificate is renewed with the current one.
        """
        old = self.enroll(DEVICE)
        second = self.roll_over()
        holder = replace(
            DEVICE.holding(old), message_type=MessageType.RENEWAL_REQ, transaction_id="renewal"
        )
        new = self.enroll(holder)
        new.verify_directly_issued_by(x509.load_der_x509_certificate(second))
        self.assertEqual(self.store.certificates[-1].purpose, "enroll")

    def test_expired_previous(self) -> None:
        """
        A previous certificate that has expired opens nothing any more.
        """
        self.roll_over()
        self.clock.advance(10 * YEAR + 3 * 86_400)
        self.clock.advance(60)
        self.done(self.keys.read_again())
        self.signer = self.done(self.ca.certificate())
        text = "the envelope could not be opened"
        self.assert_failure(DEVICE.request(self.certificate), text, FailInfo.BAD_MESSAGE_CHECK)

    def test_lists(self) -> None:
        """
        Each certificate has the list of what it issued, and new certificates say where.
        """
        self.configure(IssuingSettings(crl_url="http://mdm.example/mdm/scep/ca.crl"))
        old = self.enroll(DEVICE)
        first = summarize(self.certificate).serial
        self.revoke(old)
        second = self.roll_over()
        self.assertEqual(self.listed(None), [])
        self.assertEqual(self.listed(first), [old.serial_number])
        self.assertEqual(self.listed(summarize(second).serial.lower()), [])
        new = self.enroll_by(second, self.client(1))
        for certificate, serial in ((old, first), (new, summarize(second).serial)):
            points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints)
            [[name]] = [point.full_name for point in points.value]
            self.assertEqual(name.value, f"http://mdm.example/mdm/scep/ca.crl?issuer={serial}")
            self.assertFalse(points.critical)

    def test_get_crl_of_the_previous(self) -> None:
        """
        GetCRL names an issuer, and gets that one's list.
        """
        old = self.enroll(DEVICE)
        self.revoke(old)
        self.roll_over()
        octets = b"\0" + old.serial_number.to_bytes(16, "big")
        content = tlv(0x30, self.authority.subject.public_bytes(), tlv(0x02, octets))
        sent = DEVICE.ask(MessageType.GET_CRL, content, self.certificate, "query")
        self.assertIsNotNone(self.exchange(sent).content)

    def listed(self, serial: str | None) -> list[int]:
        """
        The serial numbers on a list.
        """
        found = x509.load_der_x509_crl(self.done(self.parts.lists.with_serial(serial)))
        return [entry.serial_number for entry in found]
