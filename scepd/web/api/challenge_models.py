"""
What certificate authorities ask about challenges, and what they are told.
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error

from pydantic import BaseModel, ConfigDict, Field

from scepd.errors import Fault, InvalidInput

_FOREIGN = ConfigDict(extra="ignore", strict=True, hide_input_in_errors=True)


class WebhookCSR(BaseModel):
    """
    The request, as step-ca describes it; what it took out of it is not looked at.
    """

    model_config = _FOREIGN

    raw: str = Field(repr=False, description="the CSR in DER, in base64")


class WebhookQuestion(BaseModel):
    """
    The body of step-ca's SCEPCHALLENGE webhook.
    """

    model_config = _FOREIGN

    timestamp: str = Field("", description="when it was sent; for people")
    provisioner_name: str = Field("", alias="provisionerName", description="for people")
    challenge: str = Field(alias="scepChallenge", repr=False, min_length=1)
    transaction_id: str = Field("", alias="scepTransactionID", description="for people")
    request: WebhookCSR = Field(alias="x509CertificateRequest")

    def csr(self) -> bytes:
        """
        The CSR in DER.

        :raises InvalidInput: it is not base64.
        """
        try:
            return b64decode(self.request.raw, validate=True)
        except (Error, ValueError):
            fault = Fault("x509CertificateRequest.raw", "It is not base64.")
            raise InvalidInput((fault,)) from None


class Verdict(BaseModel):
    """
    Whether a certificate authority may issue.
    """

    allow: bool


class VerifierCheck(BaseModel):
    """
    What a verifier may know before it is asked.
    """

    ca: str = Field(description="the certificate authority whose challenges it asks about")
    challenge_mode: str = Field(description="one_time")
