"""
Tests for the questions of certificate authorities: step-ca's webhook, and the verifier.
"""

from __future__ import annotations

import base64
import hmac
import json
from dataclasses import replace
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import InvalidInput
from scepd.model import APIToken, ChallengeMode, webhook_secret_place
from scepd.pki.keyring import Keyring, SealedSecret
from scepd.web.api.challenge_models import WebhookQuestion
from tests.services.test_delivery_challenges import TEXT, csr, stored
from tests.support.fake_mdm_world import authority
from tests.support.pki import NOW
from tests.web.api.server import TOKEN, Answer, Server

SECRET = bytes(range(32))
VERIFIER = "the-token-of-scepserver"
DER = csr()


def question(der: bytes = DER, challenge: str = TEXT) -> dict[str, JsonValue]:
    """
    What step-ca sends (smallstep/certificates, ``webhook/types.go``), with more than is read.
    """
    return {
        "timestamp": "2026-06-01T12:00:00.123456789Z",
        "provisionerName": "devices",
        "x509CertificateRequest": {
            "version": 0,
            "subject": {"commonName": "device-1"},
            "rawSubject": "MBMx",
            "publicKeyAlgorithm": "RSA",
            "raw": base64.b64encode(der).decode(),
        },
        "scepChallenge": challenge,
        "scepTransactionID": "7f2c",
    }


class ChallengeCase(SynchronousTestCase):
    """
    A server with CORP, whose challenges are one-time ones, and OTHER, likewise.
    """

    def setUp(self) -> None:
        """
        Make it, with one challenge of CORP.
        """
        self.server = Server()
        keyring = Keyring({"k1": bytes(32)})
        for name, secret in (("CORP", SECRET), ("OTHER", bytes(32))):
            place = webhook_secret_place(name)
            self.server.authorities.by_name[name] = replace(
                authority(name),
                challenge=None,
                challenge_mode=ChallengeMode.ONE_TIME,
                webhook_id=f"hook-{name}",
                webhook_secret=keyring.seal(secret, place, bytes),
            )
        self.server.authorities.by_name["STATIC"] = authority("STATIC")
        challenge = replace(stored(), deadline=NOW.replace(year=2100))
        self.server.challenges.by_sha256[challenge.sha256] = challenge


class WebhookTests(ChallengeCase):
    """
    Tests for ``/challenges/step-ca``.
    """

    def ask(
        self,
        body: bytes | dict[str, JsonValue],
        *,
        secret: bytes = SECRET,
        webhook: str = "hook-CORP",
        **headers: str,
    ) -> Answer:
        """
        Send a request as step-ca does, signed.
        """
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        signature = hmac.new(secret, data, sha256).hexdigest()
        lines = {"X-Smallstep-Signature": signature, "X-Smallstep-Webhook-ID": webhook}
        lines |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self.server.request("POST", "/challenges/step-ca", data, lines, token=None)

    def test_allowed(self) -> None:
        """
        The right request is allowed, without any token; a second one with its challenge is not.
        """
        answer = self.ask(question())
        self.assertEqual((answer.status, answer.json), (200, {"allow": True}))
        self.assertEqual(self.ask(question()).json, {"allow": True})
        self.assertEqual(self.ask(question(csr(key=2))).json, {"allow": False})

    def test_refused(self) -> None:
        """
        Another subject, and another challenge than in the request, are not.
        """
        self.assertEqual(self.ask(question(csr("CN=administrator"))).json, {"allow": False})
        self.assertEqual(self.ask(question(challenge="guess")).json, {"allow": False})

    def test_another_authority(self) -> None:
        """
        A challenge is good only for the authority whose webhook asks.
        """
        answer = self.ask(question(), secret=bytes(32), webhook="hook-OTHER")
        self.assertEqual((answer.status, answer.json), (200, {"allow": False}))

    def test_not_signed(self) -> None:
        """
        An unknown webhook, a wrong signature, another's secret, doubled or odd headers are all
        refused in the same words, and nothing is looked at.
        """
        good = json.dumps(question()).encode()
        signature = hmac.new(SECRET, good, sha256).hexdigest()
        answers = [
            self.ask(good, webhook="hook-NONE"),
            self.ask(good, webhook="hook-NONE", secret=bytes(32)),
            self.ask(good, webhook=""),
            self.ask(good, webhook="x" * 3000),
            self.ask(good, secret=b"wrong"),
            self.ask(good, secret=bytes(32)),
            self.ask(good, webhook="hook-OTHER"),
            self.ask(good, X_Smallstep_Signature=""),
            self.ask(good, X_Smallstep_Signature=signature[:-1]),
            self.ask(good, X_Smallstep_Signature=signature + "00"),
            self.ask(good, X_Smallstep_Signature="é" * 64),
            self.ask(good + b" ", X_Smallstep_Signature=signature),
            self.server.request("POST", "/challenges/step-ca", good, token=None),
            self.server.request("POST", "/challenges/step-ca", good, token=TOKEN),
        ]
        self.assertEqual({answer.status for answer in answers}, {401})
        self.assertEqual(len({answer.json["detail"] for answer in answers}), 1)
        self.assertIsNone(self.server.challenges.by_sha256[stored().sha256].csr_sha256)

    def test_secret_is_unreadable(self) -> None:
        """
        A secret that no key opens lets nobody in, not even who signs with none; the log says why,
        the answer does not.
        """
        ca = self.server.authorities.by_name["CORP"]
        sealed = SealedSecret("lost", b"x" * 40)
        self.server.authorities.by_name["CORP"] = replace(ca, webhook_secret=sealed)
        with capturedLogs() as events:
            answers = [self.ask(question(), secret=secret) for secret in (SECRET, bytes(32), b"")]
        self.assertEqual({answer.status for answer in answers}, {401})
        self.assertNotIn(b"CORP", b"".join(answer.body for answer in answers))
        self.assertIn("the keyring has no key 'lost'", str(events))

    def test_bodies(self) -> None:
        """
        A signed body of another shape is a problem that names the field, and echoes nothing.
        """
        bare = question()
        for name in ("scepChallenge", "x509CertificateRequest"):
            body = {key: value for key, value in bare.items() if key != name}
            answer = self.ask(body)
            self.assertEqual(answer.status, 400)
            self.assertEqual([field for field, _ in answer.faults], [name])
        for raw in ("s3cret?", "", 7, None):
            answer = self.ask({**bare, "x509CertificateRequest": {"raw": raw}})
            self.assertIn(answer.status, (200, 400))
            self.assertNotIn(b"s3cret", answer.body)
            self.assertNotIn(TEXT.encode(), answer.body)
        self.assertEqual(self.ask(b"{").status, 400)

    def test_logs(self) -> None:
        """
        The log holds neither challenge nor request.
        """
        with capturedLogs() as events:
            self.ask(question())
            self.ask(question(csr(key=2)))
        self.assertNotIn(TEXT, str(events))
        self.assertNotIn(base64.b64encode(DER).decode()[:40], str(events))

    @given(
        st.one_of(
            st.binary(max_size=100),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.text(max_size=20),
                lambda inner: (
                    st.lists(inner, max_size=3)
                    | st.dictionaries(
                        st.sampled_from(["scepChallenge", "x509CertificateRequest", "raw", "x"]),
                        inner,
                    )
                ),
                max_leaves=8,
            ).map(lambda value: json.dumps(value).encode()),
        )
    )
    def test_any_body(self, body: bytes) -> None:
        """
        Whatever is signed is read, or refused by our own error.
        """
        answer = self.ask(body)
        self.assertIn(answer.status, (200, 400))
        if answer.status == 200:
            self.assertEqual(answer.json, {"allow": False})

    @given(st.text(max_size=40))
    def test_any_base64(self, raw: str) -> None:
        """
        What is no base64 is an error of the field.
        """
        body = {"scepChallenge": "x", "x509CertificateRequest": {"raw": raw}}
        asked = WebhookQuestion.model_validate(body)
        try:
            self.assertEqual(base64.b64encode(asked.csr()).decode(), raw)
        except InvalidInput as error:
            self.assertEqual(error.faults[0].field, "x509CertificateRequest.raw")


class VerifyTests(ChallengeCase):
    """
    Tests for ``/challenges/verify``.
    """

    def setUp(self) -> None:
        """
        Make a token of the role verifier.
        """
        super().setUp()
        digest = sha256(VERIFIER.encode()).hexdigest()
        self.server.tokens.by_sha256[digest] = APIToken(digest, "scepserver", "verifier", NOW)

    def verify(self, der: bytes, ca: str = "CORP", token: str | None = VERIFIER) -> Answer:
        """
        Ask.
        """
        return self.server.request("POST", f"/challenges/verify?ca={ca}", der, token=token)

    def test_verdicts(self) -> None:
        """
        The challenge is the one in the request.
        """
        self.assertEqual(self.verify(csr("CN=administrator")).json, {"allow": False})
        self.assertEqual(self.verify(DER, "OTHER").json, {"allow": False})
        self.assertEqual(self.verify(DER).json, {"allow": True})
        self.assertEqual(self.verify(csr(key=2)).json, {"allow": False})
        self.assertEqual(self.verify(b"").json, {"allow": False})

    def test_tokens(self) -> None:
        """
        Without a token there is no answer; an admin may ask as well.
        """
        self.assertEqual(self.verify(DER, token=None).status, 401)
        self.assertEqual(self.verify(DER, token="unknown").status, 401)
        self.assertEqual(self.verify(DER, token=TOKEN).json, {"allow": True})

    def test_authorities(self) -> None:
        """
        The authority has to be named, to exist, and to have one-time challenges.
        """
        for query, status in (("", 400), ("?ca=NONE", 404), ("?ca=STATIC", 409), ("?ca=CORP", 200)):
            for method in ("GET", "POST"):
                path = f"/challenges/verify{query}"
                answer = self.server.request(method, path, token=VERIFIER)
                self.assertEqual(answer.status, status, path)

    def test_check(self) -> None:
        """
        To ask beforehand spends nothing.
        """
        answer = self.server.request("GET", "/challenges/verify?ca=CORP", token=VERIFIER)
        self.assertEqual(answer.json, {"ca": "CORP", "challenge_mode": "one_time"})
        self.assertIsNone(self.server.challenges.by_sha256[stored().sha256].csr_sha256)

    def test_database_is_gone(self) -> None:
        """
        Without the database the answer is a problem, which allows nothing.
        """
        self.server.challenges.broken = True
        self.assertEqual(self.verify(DER).status, 503)
