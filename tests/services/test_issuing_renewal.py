"""
Tests for renewals at the embedded certificate authority.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from scepd.scep.attributes import FailInfo, MessageType
from tests.services.issuing_case import NAME, STATIC, IssuingCase, Sender, challenge_for
from tests.support.pki import NOW, Party, issue, party, rsa_key

DEVICE = Sender()
NEW_KEY = rsa_key(31)
STRANGER = "the signer's certificate is not one of this authority"


class RenewalTests(IssuingCase):
    """
    Requests that are signed with a certificate that the authority issued.
    """

    def setUp(self) -> None:
        """
        Enroll the device, and wait.
        """
        super().setUp()
        self.old = self.enroll(DEVICE)
        self.device = replace(
            DEVICE.holding(self.old), message_type=MessageType.RENEWAL_REQ, transaction_id="renewal"
        )
        self.clock.advance(86_400)

    def test_renewal_req(self) -> None:
        """
        A RenewalReq with the old certificate gets a new one, without a challenge; it is an MDM
        identity as the old one is, and costs the token nothing.
        """
        new = self.enroll(self.device)
        self.assertEqual(new.subject, self.old.subject)
        self.assertGreater(new.not_valid_after_utc, self.old.not_valid_after_utc)
        record = self.store.certificates[-1]
        self.assertEqual((record.purpose, record.challenge_sha256), ("enroll", None))
        old_sha256 = sha256(self.old.public_bytes(Encoding.DER)).hexdigest()
        self.assertEqual(record.renewed_sha256, old_sha256)
        [token] = self.store.tokens.values()
        self.assertEqual(token.uses_left, 2)

    def test_pkcs_req(self) -> None:
        """
        Apple's clients send a PKCSReq for it.
        """
        new = self.enroll(replace(self.device, message_type=MessageType.PKCS_REQ))
        self.assertNotEqual(new.serial_number, self.old.serial_number)

    def test_with_a_spent_challenge(self) -> None:
        """
        A challenge beside it does no harm, whatever it is.
        """
        for number, challenge in enumerate(("spent", STATIC)):
            kind = MessageType.PKCS_REQ
            sender = replace(
                self.device, challenge=challenge, message_type=kind, transaction_id=f"{number}"
            )
            self.enroll(sender)
            self.assertEqual(self.store.certificates[-1].purpose, "enroll")

    def test_new_challenge(self) -> None:
        """
        Who signs with the old certificate and has a challenge for another name enrolls anew.
        """
        later = NOW + timedelta(days=2)
        self.add_challenge(replace(challenge_for("another", "CN=another"), expires_at=later))
        kind = MessageType.PKCS_REQ
        sender = replace(self.device, subject="CN=another", challenge="another", message_type=kind)
        self.enroll(sender)
        self.assertIsNotNone(self.store.certificates[-1].challenge_sha256)

    def test_by_enrollment_profile(self) -> None:
        """
        The challenge of an enrollment profile that was sent again gets a device another identity,
        for which no token pays; whether it signs with a fresh key, with its identity, or with that
        when it has expired. Another key gets nothing for it.
        """
        self.clock.advance(5 * 365 * 86_400)
        for number, held in enumerate((DEVICE, self.device, DEVICE)):
            kind = MessageType.PKCS_REQ
            text = "again" if number else "first"
            sender = replace(
                held, subject="CN=renewed", challenge=text, message_type=kind, transaction_id=text
            )
            made = replace(
                challenge_for(text, "CN=renewed"),
                token_sha256=None,
                enrollment_id="UDID-1",
                host_uuid="UDID-1",
                expires_at=NOW + timedelta(days=3000),
            )
            self.store.challenges.setdefault(made.sha256, made)
            new = self.enroll(sender)
            record = self.store.certificates[-1]
            self.assertEqual((record.purpose, record.host_uuid), ("renew", "UDID-1"))
            self.assertEqual(new.subject.rfc4514_string(), "CN=renewed")
        other = replace(sender, identity=party("CN=renewed", 32), transaction_id="other")
        self.assert_refused(other, "the challenge was used for another key")
        [token] = self.store.tokens.values()
        self.assertEqual(token.uses_left, 2)

    def test_repeated_after_revocation(self) -> None:
        """
        A repeated renewal does not get a revoked certificate.
        """
        sent = self.device.request(self.certificate)
        self.revoke(self.device.open(self.exchange(sent)))
        text = "the certificate that was issued for this request has been revoked"
        self.assert_failure(sent, text)

    def test_repeated(self) -> None:
        """
        The same renewal gets the same certificate again, though the old one has expired since.
        """
        first = self.enroll(self.device)
        self.clock.advance(5 * 365 * 86_400)
        self.assertEqual(self.enroll(self.device), first)

    def test_profile(self) -> None:
        """
        What was issued for the static challenge is renewed as such, with the same names only.
        """
        names = (x509.DNSName("a.example"), x509.DNSName("b.example"))
        client = Sender(party("CN=client", 7), "CN=client", STATIC, names=names)
        holder = replace(client.holding(self.enroll(client)), transaction_id="client")
        for number, fewer in enumerate(((), names[:1], (*names, x509.DNSName("c.example")))):
            self.assert_refused(
                replace(holder, names=fewer, transaction_id=f"client {number}"),
                "the request has other names than the certificate it renews",
            )
        new = self.enroll(replace(holder, names=names[::-1]))
        found = new.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        self.assertEqual(found.get_values_for_type(x509.DNSName), ["b.example", "a.example"])
        self.assertEqual(self.store.certificates[-1].purpose, "profile")

    def test_other_subject(self) -> None:
        """
        Another subject is refused, to the letter.
        """
        text = "the request is for another subject than the certificate it renews"
        for subject in ("CN=another", NAME.upper()):
            self.assert_refused(replace(self.device, subject=subject), text)

    def test_expired(self) -> None:
        """
        An expired certificate renews nothing.
        """
        self.clock.advance(5 * 365 * 86_400)
        self.assert_refused(self.device, "the signer's certificate has expired")

    def test_revoked(self) -> None:
        """
        A revoked certificate renews nothing.
        """
        self.revoke(self.old)
        self.assert_refused(self.device, "the signer's certificate has been revoked")
        pkcs_req = replace(self.device, message_type=MessageType.PKCS_REQ)
        self.assert_refused(pkcs_req, "the signer's certificate has been revoked")

    def test_revoked_meanwhile(self) -> None:
        """
        What counts is when the new one is stored.
        """
        self.workers.held = True
        answer = self.begin(self.device.request(self.certificate).message)
        self.workers.go()
        self.revoke(self.old)
        while self.workers.calls:
            self.workers.go()
        self.successResultOf(answer)
        self.assertEqual(len(self.store.certificates), 1)

    def test_stranger(self) -> None:
        """
        A RenewalReq by a certificate of somebody else, self-signed or with our name in it, is
        refused, also with a good challenge.
        """
        key, name = rsa_key(32), x509.Name.from_rfc4514_string(NAME)
        forged = Party(key, issue(key, name, key, self.authority.subject))
        for number, identity in enumerate((party(NAME, 33), forged)):
            for challenge in (None, STATIC):
                sender = Sender(
                    identity,
                    challenge=challenge,
                    message_type=MessageType.RENEWAL_REQ,
                    transaction_id=f"stranger {number}",
                )
                self.assert_refused(sender, STRANGER, FailInfo.BAD_MESSAGE_CHECK)
        forger = Sender(forged, challenge=None)
        self.assert_refused(forger, STRANGER, FailInfo.BAD_MESSAGE_CHECK)

    def test_authority_itself(self) -> None:
        """
        The authority's own certificate is none that it issued.
        """
        issuer = self.done(self.keys.issuer())
        own = Party(issuer.key, issuer.certificate)
        sender = Sender(own, challenge=None, message_type=MessageType.RENEWAL_REQ)
        self.assert_refused(sender, STRANGER, FailInfo.BAD_MESSAGE_CHECK)

    def test_cut_to_the_authority(self) -> None:
        """
        No renewal outlives the authority's certificate.
        """
        self.clock.advance(5 * 365 * 86_400 - 2 * 86_400)
        new = self.enroll(replace(self.device, transaction_id="late"))
        self.assertLessEqual(new.not_valid_after_utc, self.authority.not_valid_after_utc)
        self.assertGreater(new.not_valid_after_utc, self.old.not_valid_after_utc + timedelta(365))
