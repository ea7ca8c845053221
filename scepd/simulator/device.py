"""
A simulated Apple device: enrollment, check-in, commands.
"""

from __future__ import annotations

import plistlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from scepd.errors import MessageError
from scepd.mdm.commands import Command, parse_command
from scepd.mdm.enrollment import EnrollmentProfile
from scepd.mdm.enrollment_reading import parse_enrollment_profile
from scepd.mdm.signature import sign_mdm_message
from scepd.simulator.behaviour import Behaviour
from scepd.simulator.failures import DeviceError
from scepd.simulator.hardware import Hardware
from scepd.simulator.http import DeviceHTTP
from scepd.simulator.installation import install
from scepd.simulator.inventory import certificate_list, device_information, profile_list
from scepd.simulator.keychain import Keychain
from scepd.simulator.push_address import PushToken
from scepd.simulator.scep_client import Identity, SCEPClient
from scepd.simulator.subjects import subject_of

Story = Callable[[str, str], None]
"""
Told of each arrow of the sequence that happens on the device: its step, and a sentence.
"""


def untold(step: str, sentence: str) -> None:
    """
    A story that nobody listens to.
    """


class SimulatedDevice:
    """
    A device that speaks to scepd over HTTP alone.

    :param story: told of the steps that happen on the device.
    :param now: the device's clock.
    """

    def __init__(
        self,
        hardware: Hardware,
        http: DeviceHTTP,
        *,
        story: Story = untold,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.hardware = hardware
        self.keychain = Keychain()
        self.behaviour = Behaviour()
        self.push_token = PushToken.make()
        self.identity: Identity | None = None
        self.errors: list[str] = []
        self.last_answer: bytes | None = None
        self._http = http
        self._story = story
        self._now = now
        self._profile: EnrollmentProfile | None = None

    # -- enrollment --------------------------------------------------------------------------------

    def enroll(self, url: str) -> None:
        """
        Fetch the enrollment profile at ``url``, get the MDM identity, and check in.

        :raises DeviceError: a step failed.
        """
        self.take_profile(self._http.expect("GET", url))
        self.authenticate()
        self.update_token()

    def take_profile(self, content: bytes) -> None:
        """
        Install an enrollment profile: get the MDM identity.

        :raises DeviceError: it is none, or there is no identity to be had.
        """
        try:
            profile = self._profile = parse_enrollment_profile(content)
        except MessageError as error:
            raise DeviceError(f"the enrollment profile: {error}") from error
        subject = subject_of(profile.subject, self.hardware.apple_variables)
        client = SCEPClient(profile.scep_url, self._http, now=self._now)
        self.identity = client.enroll(subject, profile.challenge)

    def authenticate(self) -> None:
        """
        Send Authenticate.
        """
        self._check_in(
            {
                "MessageType": "Authenticate",
                "SerialNumber": self.hardware.serial_number,
                "DeviceName": self.hardware.name,
                "Model": self.hardware.model,
                "ProductName": self.hardware.model,
                "OSVersion": self.hardware.os_version,
            }
        )

    def update_token(self) -> None:
        """
        Send TokenUpdate.
        """
        self._check_in(
            {
                "MessageType": "TokenUpdate",
                "Token": self.push_token.token,
                "PushMagic": self.push_token.magic,
            }
        )

    def check_out(self) -> None:
        """
        Send CheckOut.
        """
        self._check_in({"MessageType": "CheckOut"})

    # -- commands ----------------------------------------------------------------------------------

    def poll(self) -> int:
        """
        Send Idle, and do what comes back until nothing does.

        :returns: how many commands there were.
        """
        done = 0
        body = self._report({"Status": "Idle"})
        while body:
            command = parse_command(body)
            done += 1
            result = self._do(command)
            if self.behaviour.take("lose_results"):
                return done
            body = self.last_answer = self._report({"CommandUUID": command.uuid, **result})
        return done

    def _do(self, command: Command) -> Mapping[str, object]:
        actions: Mapping[str, Callable[[Command], Mapping[str, object]]] = {
            "InstallProfile": self._install_profile,
            "RemoveProfile": self._remove_profile,
            "ProfileList": lambda _: profile_list(self.keychain),
            "CertificateList": lambda _: certificate_list(self.keychain),
            "DeviceInformation": lambda _: device_information(self.hardware),
        }
        action = actions.get(command.request_type)
        if action is None:
            return _error("MCMDMErrorDomain", 12021, f"unknown command {command.request_type}")
        try:
            return {"Status": "Acknowledged", **action(command)}
        except DeviceError as error:
            self.errors.append(str(error))
            return _error("MCInstallationErrorDomain", error.number, str(error))

    def _install_profile(self, command: Command) -> Mapping[str, object]:
        if self.behaviour.take("not_now"):
            return {"Status": "NotNow"}
        if self.behaviour.take("refuse"):
            raise DeviceError("the profile could not be installed", 4001)
        profile = install(command.payload or b"", self.hardware, self._http, self._now, self._story)
        self.keychain.install(profile)
        if profile.identities:
            self._story("B25", "certificate added to the keychain")
        return {}

    def _remove_profile(self, command: Command) -> Mapping[str, object]:
        if not self.keychain.remove(command.identifier or ""):
            raise DeviceError(f"the profile {command.identifier} is not installed", 12)
        return {}

    # -- messages ----------------------------------------------------------------------------------

    def _check_in(self, message: Mapping[str, object]) -> None:
        self._put(self._enrolled.check_in_url, {"Topic": self._enrolled.topic, **message})

    def _report(self, message: Mapping[str, object]) -> bytes:
        return self._put(self._enrolled.server_url, message)

    def _put(self, url: str, message: Mapping[str, object]) -> bytes:
        body = plistlib.dumps({"UDID": self.hardware.udid, **message})
        return self.put_raw(url, body)

    def put_raw(self, url: str, body: bytes) -> bytes:
        """
        Sign a message with the device's identity and send it.

        :returns: the body of the answer.
        :raises DeviceError: the answer is not 200.
        """
        assert self.identity is not None, "the device is not enrolled"
        signature = sign_mdm_message(body, self.identity.key, self.identity.certificate)
        headers = {"Mdm-Signature": signature.decode("ascii")}
        return self._http.expect("PUT", url, content=body, headers=headers)

    @property
    def _enrolled(self) -> EnrollmentProfile:
        if self._profile is None:
            raise DeviceError("the device is not enrolled")
        return self._profile


def _error(domain: str, code: int, text: str) -> Mapping[str, object]:
    link = {
        "ErrorDomain": domain,
        "ErrorCode": code,
        "LocalizedDescription": text,
        "USEnglishDescription": text,
    }
    return {"Status": "Error", "ErrorChain": [link]}
