"""
A server for a simulated device, in memory: enrollment, MDM, a certificate authority, osquery.
"""

from __future__ import annotations

import base64
import json
import os
import plistlib
from collections.abc import Callable
from typing import Any, TypeAlias

import httpx
from cryptography import x509

from scepd.mdm.enrollment import EnrollmentProfile, build_enrollment_profile, common_name
from scepd.mdm.signature import verify_mdm_signature
from scepd.scep.messages import PKIMessage, open_request, parse_pki_message
from scepd.scep.replies import build_cert_rep_success
from scepd.simulator.agent import OsqueryAgent
from scepd.simulator.device import SimulatedDevice
from scepd.simulator.hardware import Hardware
from scepd.simulator.http import DeviceHTTP
from tests.support.pki import Party, issue, party

BASE = "http://scepd.test"
ENROLL_URL = f"{BASE}/mdm/enroll?token=token-of-the-enrollment"
HARDWARE = Hardware("0A1B2C3D-0000-4000-8000-00000000000F", "C02SIMULATED", name="A Mac")
ENROLLMENT = EnrollmentProfile(
    identifier="com.example.enroll",
    uuid="A0000000-0000-4000-8000-000000000001",
    scep_uuid="A0000000-0000-4000-8000-000000000002",
    mdm_uuid="A0000000-0000-4000-8000-000000000003",
    display_name="Enrollment",
    organization="",
    server_url=f"{BASE}/mdm/connect",
    check_in_url=f"{BASE}/mdm/checkin",
    topic="com.apple.mgmt.External.x",
    scep_url=f"{BASE}/scep",
    challenge="challenge-of-the-enrollment",
    subject=common_name("%SerialNumber%"),
)

Reply: TypeAlias = "Callable[[httpx.Request], bytes] | tuple[int, bytes]"
"""
The body of an answer, or its status and body.
"""


def authority() -> Party:
    """
    The certificate authority's key and certificate.
    """
    return party("CN=ca", 99, usage="sign encipher", ca=True)


class Server:
    """
    Answers as scepd would, but for the paths (or SCEP operations) in ``replies``.

    :ivar commands: property lists that are handed out one after the other.
    :ivar messages: the plists that came by PUT, each with the certificate that signed it.
    :ivar challenges: of the certification requests that came.
    """

    def __init__(self) -> None:
        self.replies: dict[str, Reply] = {}
        self.requests: list[httpx.Request] = []
        self.messages: list[tuple[dict[str, Any], bytes]] = []
        self.challenges: list[bytes] = []
        self.commands: list[bytes] = []
        self.capabilities = b"AES\nSHA-256\nPOSTPKIOperation\n"
        self.enrollment = build_enrollment_profile(ENROLLMENT)
        self.queries: dict[str, str] = {}
        self.written: list[dict[str, Any]] = []

    def http(self) -> DeviceHTTP:
        """
        A connection to this server.
        """
        return DeviceHTTP(transport=httpx.MockTransport(self._answer))

    def device(self) -> SimulatedDevice:
        """
        A device that knows this server.
        """
        return SimulatedDevice(HARDWARE, self.http())

    def enrolled(self) -> SimulatedDevice:
        """
        A device that enrolled here; what it sent is forgotten.
        """
        device = self.device()
        device.enroll(ENROLL_URL)
        self.messages.clear()
        self.challenges.clear()
        return device

    def agent(self, device: SimulatedDevice) -> OsqueryAgent:
        """
        The device's osquery agent.
        """
        return OsqueryAgent(device, self.http(), BASE, "secret-of-osquery")

    def paths(self) -> list[str]:
        """
        Method and path, or SCEP operation, of each request.
        """
        return [f"{each.method} {_place(each)}" for each in self.requests]

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        place = _place(request)
        reply = self.replies.get(place)
        if isinstance(reply, tuple):
            return streamed(*reply)
        if reply is not None:
            return streamed(200, reply(request))
        content = {
            "/mdm/enroll": lambda: self.enrollment,
            "GetCACaps": lambda: self.capabilities,
            "GetCACert": lambda: authority().certificate,
            "PKIOperation": lambda: self.certify(request),
            "/mdm/checkin": lambda: self._message(request),
            "/mdm/connect": lambda: self._message(request),
            "/api/osquery/enroll": lambda: b'{"node_key": "key-1", "node_invalid": false}',
            "/api/osquery/distributed/read": lambda: json.dumps({"queries": self.queries}).encode(),
            "/api/osquery/distributed/write": lambda: self._written(request),
        }[place]()
        return streamed(200, content)

    def certify(
        self, request: httpx.Request, signer: Party | None = None, subject: Party | None = None
    ) -> bytes:
        """
        Answer a PKIOperation with a certificate for the request's subject and key, or another key.
        """
        ca, message = authority(), pki_message(request)
        opened = open_request(message, ca.key, ca.certificate, os.urandom, minimum_key_bits=1024)
        csr = x509.load_der_x509_csr(opened.request.der)
        found = [each.value for each in csr.attributes]
        self.challenges += found
        name = x509.Name.from_rfc4514_string("CN=ca")
        key = csr.public_key() if subject is None else subject.key
        certificate = issue(key, csr.subject, ca.key, name)
        by = signer or ca
        return build_cert_rep_success(message, certificate, by.key, by.certificate, os.urandom)

    def _message(self, request: httpx.Request) -> bytes:
        signer = verify_mdm_signature(request.headers["Mdm-Signature"], request.content)
        message = plistlib.loads(request.content)
        self.messages.append((message, signer))
        return self.commands.pop(0) if "Status" in message and self.commands else b""

    def _written(self, request: httpx.Request) -> bytes:
        self.written.append(json.loads(request.content))
        return b"{}"


def streamed(status: int, body: bytes) -> httpx.Response:
    """
    An answer whose body was not read yet, as one from the network.
    """
    return httpx.Response(status, stream=httpx.ByteStream(body))


def pki_message(request: httpx.Request) -> PKIMessage:
    """
    The pkiMessage of a PKIOperation, by POST or GET.
    """
    if request.method == "POST":
        return parse_pki_message(request.content)
    return parse_pki_message(base64.b64decode(request.url.params["message"], validate=True))


def profile(**changes: object) -> bytes:
    """
    A profile with one SCEP payload; ``changes`` replace what that asks for, None takes it away.
    """
    content: dict[str, object] = {
        "URL": f"{BASE}/scep",
        "Challenge": "challenge-of-the-profile",
        "Subject": [[["CN", "%SerialNumber% WIFI"]], [["OU", "fleet-a1"]]],
        "Key Type": "RSA",
        "Keysize": 1024,
    } | changes
    payload = {
        "PayloadType": "com.apple.security.scep",
        "PayloadContent": {key: value for key, value in content.items() if value is not None},
    }
    return configuration(payload)


def configuration(*payloads: object, **changes: object) -> bytes:
    """
    A profile with these payloads; ``changes`` replace its own values.
    """
    root: dict[str, object] = {
        "PayloadType": "Configuration",
        "PayloadIdentifier": "com.example.wifi",
        "PayloadUUID": "B0000000-0000-4000-8000-000000000001",
        "PayloadDisplayName": "Wi-Fi",
        "PayloadContent": list(payloads),
    }
    return plistlib.dumps(root | changes)


def command(request_type: str, uuid: str = "command-1", **content: Any) -> bytes:
    """
    A command.
    """
    return plistlib.dumps(
        {"CommandUUID": uuid, "Command": {"RequestType": request_type, **content}}
    )


def _place(request: httpx.Request) -> str:
    return request.url.params.get("operation") or request.url.path
