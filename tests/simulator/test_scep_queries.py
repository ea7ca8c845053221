"""
Tests for what a SCEP client asks beside certificates for itself, and for whom it believes.
"""

from __future__ import annotations

import httpx

from scepd.scep.dialect import Form
from scepd.simulator.failures import DeviceError
from scepd.simulator.scep_failures import SCEPRefused
from tests.simulator.scep_case import SUBJECT, SCEPClientCase, pki_operation
from tests.simulator.server import Reply
from tests.support.authority_double import AuthorityDouble
from tests.support.pki import openssl, party, rsa_key
from tests.support.scep_answers import (
    certificates_only,
    next_ca_answer,
    receive,
    revocation_list,
    success,
)

_FORMS: tuple[Form | None, ...] = (None, "get", "post")


class QueryTests(SCEPClientCase):
    """
    Tests for SCEPClient.get_cert and get_crl.
    """

    def test_crl(self) -> None:
        """
        GetCRL names the client's own certificate, and the authority's list comes back.
        """
        identity = self.enrolled()
        self.authority.revoked = [5, 2**100]
        found = self.client().get_crl(identity)
        self.assertEqual(found.serial_numbers, {5, 2**100})
        self.assertEqual(found.issuer, "CN=ca,O=Double")
        self.assertEqual((found.next_update or found.this_update) > found.this_update, True)
        printed = openssl("crl", "-inform", "DER", "-noout", "-issuer", stdin=found.der)
        self.assertIn(b"CN = ca", printed)
        self.assertEqual(self.types, ["22"])

    def test_large_crl(self) -> None:
        """
        A list of many thousand certificates is read.
        """
        identity = self.enrolled()
        self.authority.revoked = list(range(2**120, 2**120 + 12_000))
        self.assertEqual(len(self.client().get_crl(identity).serial_numbers), 12_000)

    def test_crl_of_another(self) -> None:
        """
        A list that another authority of the same name signed is refused, and so is none at all.
        """
        identity = self.enrolled()
        other = party("CN=ca,O=Double", 96, usage="sign encipher", ca=True)
        for crls, words in (
            ([revocation_list(other, [1])], "not signed by"),
            ([], "no revocation"),
        ):
            content = certificates_only([], crls)
            self.server.replies["PKIOperation"] = self._with(content)
            error = self.assertRaises(DeviceError, self.client().get_crl, identity)
            self.assertIn(words, str(error))

    def test_cert(self) -> None:
        """
        GetCert brings the certificate of a serial number.
        """
        identity = self.enrolled()
        number = identity.summary.serial_number
        self.assertEqual(self.client().get_cert(identity, number), identity.certificate)
        self.assertEqual(self.types, ["21"])

    def test_cert_unknown(self) -> None:
        """
        A serial number that the authority does not know is its refusal.
        """
        error = self.assertRaises(SCEPRefused, self.client().get_cert, self.enrolled(), 12345)
        self.assertEqual(error.fail_info, "badCertId")

    def test_another_cert(self) -> None:
        """
        Another certificate than the one asked for is refused.
        """
        identity = self.enrolled()
        self.server.replies["PKIOperation"] = self._with(certificates_only([identity.certificate]))
        error = self.assertRaises(DeviceError, self.client().get_cert, identity, 12345)
        self.assertIn("does not hold the certificate", str(error))

    def test_too_large(self) -> None:
        """
        An answer above its size is not read to the end.
        """
        identity = self.enrolled()
        self.server.replies["PKIOperation"] = (200, bytes(4 * 1024 * 1024 + 1))
        error = self.assertRaises(DeviceError, self.client().get_crl, identity)
        self.assertIn("longer than 4194304", str(error))
        error = self.assertRaises(DeviceError, self.client().get_cert, identity, 1)
        self.assertIn("longer than 262144", str(error))

    def _with(self, content: bytes) -> Reply:
        def answer(request: httpx.Request) -> bytes:
            received = receive(pki_operation(request), self.authority.front)
            return success(received, self.authority.front, content)

        return answer


class RegistrationAuthorityTests(SCEPClientCase):
    """
    Tests of a client with a registration authority in front of the certificate authority.
    """

    def test_everything(self) -> None:
        """
        Requests go to the registration authority, which signs the answers; names and lists are
        those of the certificate authority.
        """
        self.use(AuthorityDouble(registration=True))
        self._everything()

    def test_split(self) -> None:
        """
        So it is when one certificate of it signs, and another one is encrypted to.
        """
        self.use(AuthorityDouble(split=True))
        self._everything()

    def _everything(self) -> None:
        self.authority.pending = 1
        identity = self.client().enroll_key(rsa_key(7), SUBJECT, "")
        renewed = self.client().renew(identity, rsa_key(8))
        self.authority.revoked = [identity.summary.serial_number]
        found = self.client().get_crl(renewed)
        self.assertIn(identity.summary.serial_number, found.serial_numbers)
        asked = self.client().get_cert(renewed, identity.summary.serial_number)
        self.assertEqual(asked, identity.certificate)
        self.assertEqual(self.types, ["19", "20", "17", "22", "21"])

    def test_next_ca(self) -> None:
        """
        It does not vouch for the next certificate authority.
        """
        self.use(AuthorityDouble(registration=True))
        following = party("CN=ca,O=Double", 95, ca=True)
        answer = next_ca_answer(self.authority.front, [following.certificate])
        self.server.replies["GetNextCACert"] = (200, answer)
        error = self.assertRaises(DeviceError, self.client().get_next_ca_certificates)
        self.assertIn("somebody else than the current CA", str(error))


class AnswerTests(SCEPClientCase):
    """
    Tests of a client with answers of other shapes.
    """

    def test_certificates_beside(self) -> None:
        """
        The certificate of the client's key is found among others.
        """
        self.authority.beside = [self.authority.ca.certificate, party("CN=b", 3).certificate]
        identity = self.client().enroll_key(rsa_key(7), SUBJECT, "")
        self.assertEqual(identity.certificate, self.authority.issued[0])

    def test_forms(self) -> None:
        """
        GET and POST go by the capabilities, or by what the client was told.
        """
        expected = []
        for words in (b"POSTPKIOperation\nAES\n", b"SCEPStandard\n", b"AES\n"):
            for form in _FORMS:
                self.server.capabilities = words
                self.client(form=form).enroll_key(rsa_key(7), SUBJECT, "")
                expected.append(form or ("get" if words == b"AES\n" else "post"))
        sent = [each for each in self.server.paths() if each.endswith(" PKIOperation")]
        self.assertEqual(sent, [f"{form.upper()} PKIOperation" for form in expected])

    def test_ca_certificates(self) -> None:
        """
        The authority's certificates are told.
        """
        found = self.client().get_ca_certificates()
        self.assertEqual(found, (self.authority.ca.certificate,))


class NextCATests(SCEPClientCase):
    """
    Tests for SCEPClient.get_next_ca_certificates.
    """

    def test_next_ca(self) -> None:
        """
        The next certificate is told, when the current one vouches for it.
        """
        following = party("CN=ca,O=Double", 95, ca=True).certificate
        answer = next_ca_answer(self.authority.ca, [following])
        self.server.replies["GetNextCACert"] = (200, answer)
        self.assertEqual(self.client().get_next_ca_certificates(), (following,))
        self.server.requests.clear()
        known = [self.authority.ca.certificate]
        self.assertEqual(self.client().get_next_ca_certificates(known), (following,))
        self.assertEqual(self.server.paths(), ["GET GetNextCACert"])

    def test_another_signer(self) -> None:
        """
        Somebody of the same name, or the next key itself, does not vouch for it.
        """
        following = party("CN=ca,O=Double", 95, ca=True)
        self.server.replies["GetNextCACert"] = (
            200,
            next_ca_answer(following, [following.certificate]),
        )
        error = self.assertRaises(DeviceError, self.client().get_next_ca_certificates)
        self.assertTrue(str(error).startswith("SCEP: "))

    def test_none(self) -> None:
        """
        An authority without a next certificate answers with an HTTP error.
        """
        self.server.replies["GetNextCACert"] = (404, b"there is none")
        error = self.assertRaises(DeviceError, self.client().get_next_ca_certificates)
        self.assertEqual(error.number, 404)
