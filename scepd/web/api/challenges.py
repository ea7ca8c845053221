"""
``/challenges``: certificate authorities ask whether to allow a one-time challenge.
"""

from __future__ import annotations

from scepd.errors import Conflict, Fault, InvalidInput, NotFound
from scepd.model import ChallengeMode
from scepd.ports import CertificateAuthorityStore
from scepd.services.delivery_challenges import DeliveryChallenges
from scepd.services.step_ca_webhook import StepCAWebhook
from scepd.web.api.call import Call
from scepd.web.api.challenge_models import Verdict, VerifierCheck, WebhookQuestion
from scepd.web.api.openapi import JSON, Endpoint
from scepd.web.api.routes import Routes

STEP_CA_PATH = "/challenges/step-ca"
VERIFY_PATH = "/challenges/verify"
LARGEST_QUESTION = 262_144
"""
Octets of a webhook's body.
"""
LARGEST_CSR = 65_536
"""
Octets of a request in DER.
"""
_ROLES = frozenset({"admin", "verifier"})


class ChallengeEndpoints:
    """
    The endpoints of one-time challenges.
    """

    def __init__(
        self,
        challenges: DeliveryChallenges,
        webhook: StepCAWebhook,
        authorities: CertificateAuthorityStore,
    ) -> None:
        self._challenges = challenges
        self._webhook = webhook
        self._authorities = authorities

    def add_to(self, routes: Routes) -> None:
        """
        Register them all.
        """
        routes.add(_STEP_CA, self.step_ca)
        routes.add(_VERIFY, self.verify)
        routes.add(_CHECK, self.check)

    async def step_ca(self, call: Call) -> Verdict:
        """
        Answer step-ca's webhook.
        """
        body = call.body(LARGEST_QUESTION)
        ca = await self._webhook.sender(
            call.header("X-Smallstep-Webhook-ID"), call.header("X-Smallstep-Signature"), body
        )
        question = call.json(WebhookQuestion)
        csr = question.csr()
        return Verdict(allow=await self._challenges.vouch(ca.name, csr, question.challenge))

    async def verify(self, call: Call) -> Verdict:
        """
        Answer ``scepd-verify-csr``: the challenge is in the request.
        """
        ca_name = await self._known(call)
        return Verdict(allow=await self._challenges.vouch(ca_name, call.body(LARGEST_CSR)))

    async def check(self, call: Call) -> VerifierCheck:
        """
        Tell a verifier that it would be answered.
        """
        return VerifierCheck(
            ca=await self._known(call), challenge_mode=ChallengeMode.ONE_TIME.value
        )

    async def _known(self, call: Call) -> str:
        name = call.parameter("ca")
        if name is None:
            raise InvalidInput((Fault("ca", "The name of a certificate authority is needed."),))
        ca = await self._authorities.certificate_authority(name)
        if ca is None:
            raise NotFound("There is no certificate authority of this name.")
        if ca.challenge_mode is not ChallengeMode.ONE_TIME:
            raise Conflict("This certificate authority does not have one-time challenges.")
        return ca.name


_STEP_CA = Endpoint(
    "POST",
    STEP_CA_PATH,
    "step-ca's SCEPCHALLENGE webhook, signed with its secret",
    answer=Verdict,
    body=WebhookQuestion,
    body_type=JSON,
    public=True,
)
_VERIFY = Endpoint(
    "POST",
    VERIFY_PATH,
    "Whether a certificate authority may issue for a request, whose challenge is in it",
    answer=Verdict,
    body_type="application/pkcs10",
    parameters={"ca": "the name of the certificate authority"},
    roles=_ROLES,
)
_CHECK = Endpoint(
    "GET",
    VERIFY_PATH,
    "Whether a verifier would be answered",
    answer=VerifierCheck,
    parameters={"ca": "the name of the certificate authority"},
    roles=_ROLES,
)
