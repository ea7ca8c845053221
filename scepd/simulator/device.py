"""
A simulated Apple device: enrollment, check-in, commands.
"""

from __future__ import annotations

import plistlib
from collections.abc import Callable, Mapping

from scepd.errors import MessageError
from scepd.mdm.commands import Command, parse_command
from scepd.mdm.enrollment import EnrollmentProfile
from scepd.mdm.signature import HEADER, sign_mdm_message
from scepd.scep.attributes import MessageType
from scepd.simulator.behaviour import Behaviour
from scepd.simulator.enrollment import Enrollment, install_enrollment, read_enrollment
from scepd.simulator.failures import INSTALLATION_FAILED, DeviceError
from scepd.simulator.hardware import Hardware
from scepd.simulator.http import DeviceHTTP
from scepd.simulator.identity import Identity
from scepd.simulator.installation import ReceivedProfile, install, read_profile
from scepd.simulator.inventory import certificate_list, device_information, profile_list
from scepd.simulator.keychain import InstalledProfile, Keychain
from scepd.simulator.keys import Keys, fresh_key
from scepd.simulator.patience import Waiting
from scepd.simulator.push_address import PushToken
from scepd.simulator.renewal import Renewal
from scepd.simulator.results import error_result

Story = Callable[[str, str], None]
"""
Told of each arrow of the sequence that happens on the device: its step, and a sentence.
"""
# Above what a server takes of a result.
_SWOLLEN_OCTETS = 9 * 1024 * 1024
_MOST_COMMANDS = 1000
_AUTHENTICATE_FACTS = (
    "SerialNumber",
    "DeviceName",
    "Model",
    "ModelName",
    "ProductName",
    "OSVersion",
    "BuildVersion",
)


def untold(step: str, sentence: str) -> None:
    """
    Be a story that nobody listens to.

    :param step: of the sequence.
    :param sentence: what happened.
    """


class SimulatedDevice:
    """
    A device that speaks to scepd over HTTP alone; of one thread at a time.

    :param hardware: what it is.
    :param http: its connection, which ``close`` ends.
    :param story: told of the steps that happen on the device.
    :param waiting: the device's clock.
    :param proves: makes the connection that proves an identity by TLS; the device then signs no
        message. None: it signs them.
    :param keys: where its keys come from, but for those of renewals.
    """

    def __init__(
        self,
        hardware: Hardware,
        http: DeviceHTTP,
        *,
        story: Story = untold,
        waiting: Waiting | None = None,
        proves: Callable[[Identity], DeviceHTTP] | None = None,
        keys: Keys = fresh_key,
    ) -> None:
        self.hardware = hardware
        self.keychain = Keychain()
        self.behaviour = Behaviour()
        self.push_token = PushToken.make()
        self.identity: Identity | None = None
        self.previous_identity: Identity | None = None
        self.received: ReceivedProfile | None = None
        self.errors: list[str] = []
        self.last_answer: bytes | None = None
        self._http = http
        self._story = story
        self._waiting = waiting or Waiting()
        self._keys = keys
        self._enrollment: Enrollment | None = None
        self._installed: dict[str, ReceivedProfile] = {}
        self._proves = proves
        self._proved: dict[bytes, DeviceHTTP] = {}
        self.users: list[SimulatedDevice] = []
        self.short_name = ""

    # -- what it holds -----------------------------------------------------------------------------

    @property
    def profiles(self) -> tuple[InstalledProfile, ...]:
        """
        All profiles on the device, that of the enrollment first.
        """
        installed = tuple(self.keychain.profiles.values())
        own = self._enrollment
        return installed if own is None else (own.installed, *installed)

    @property
    def identities(self) -> tuple[Identity, ...]:
        """
        All identities on the device, that of MDM first, those of its users last.
        """
        held = [*self.keychain.identities]
        for user in self.users:
            held += user.keychain.identities
        return tuple(held if self.identity is None else (self.identity, *held))

    def close(self) -> None:
        """
        End the device's connection.
        """
        self._http.close()
        for http in self._proved.values():
            http.close()

    # -- enrollment --------------------------------------------------------------------------------

    def enroll(self, url: str) -> None:
        """
        Fetch the enrollment profile, get the MDM identity, and check in.

        :param url: of the profile, with its token.
        :raises DeviceError: a step failed.
        """
        self.take_profile(self._http.expect("GET", url))
        self.authenticate()
        self.update_token()

    def take_profile(self, content: bytes) -> None:
        """
        Install an enrollment profile: get the MDM identity. Without one, nothing is changed.

        :param content: signed or not.
        :raises DeviceError: it is none, or there is no identity to be had.
        """
        self._take(read_enrollment(content))

    def authenticate(self) -> None:
        """
        Send Authenticate.

        :raises DeviceError: it was refused, or the device holds no enrollment profile.
        """
        facts = self.hardware.facts
        told = {name: facts[name] for name in _AUTHENTICATE_FACTS}
        self._check_in({"MessageType": "Authenticate", **told})

    def update_token(self) -> None:
        """
        Send TokenUpdate.

        :raises DeviceError: as ``authenticate``.
        """
        push = self.push_token
        token = {"Token": push.token, "PushMagic": push.magic}
        self._check_in({"MessageType": "TokenUpdate", "AwaitingConfiguration": False, **token})

    def check_out(self) -> None:
        """
        Send CheckOut.

        :raises DeviceError: as ``authenticate``.
        """
        self._check_in({"MessageType": "CheckOut"})

    # -- renewal -----------------------------------------------------------------------------------

    def renew_identity(self, message_type: MessageType | None = None) -> None:
        """
        Renew the MDM identity at its authority, and use the new one from now on.

        :param message_type: ``RENEWAL_REQ`` or ``PKCS_REQ``; None for what the authority offers.
        :raises DeviceError: there is none to be had; the old one is kept.
        """
        if self.identity is None:
            raise DeviceError("the device is not enrolled")
        url = self._enrolled.profile.scep_url
        renewed = self._renewal(message_type).identity(self.identity, url)
        self.previous_identity, self.identity = self.identity, renewed

    def renew_profile(self, identifier: str, message_type: MessageType | None = None) -> None:
        """
        Renew the certificates of an installed profile at their authorities.

        :param identifier: PayloadIdentifier.
        :param message_type: as :meth:`renew_identity`.
        :raises DeviceError: there is none to be had, or no such profile; the old ones are kept.
        """
        installed = self.keychain.profiles.get(identifier)
        if installed is None:
            raise _not_installed(identifier)
        received, now = self._installed[identifier], self._waiting.now()
        renewal = self._renewal(message_type)
        self.keychain.install(renewal.profile(installed, received, now))

    def _renewal(self, message_type: MessageType | None) -> Renewal:
        patience = self.behaviour.patience
        return Renewal(self._http, self._waiting, patience, message_type)

    # -- commands ----------------------------------------------------------------------------------

    def poll(self) -> int:
        """
        Send Idle, and do what comes back until nothing does.

        :returns: how many commands there were.
        :raises DeviceError: no answer came, or one that is no command, or commands without end.
        """
        body = self._report({"Status": "Idle"})
        for done in range(_MOST_COMMANDS):
            if not body:
                return done
            command = _command(body)
            result = self._do(command)
            if result is None or self.behaviour.take("lose_results"):
                return done + 1
            body = self.last_answer = self._report({"CommandUUID": command.uuid, **result})
            if self.behaviour.take("run_twice"):
                again = self._do(command) or result
                body = self.last_answer = self._report({"CommandUUID": command.uuid, **again})
        raise DeviceError(f"the server has more than {_MOST_COMMANDS} commands")

    def _do(self, command: Command) -> Mapping[str, object] | None:
        """
        Do a command; None when the device stops before there is a result.
        """
        actions: Mapping[str, Callable[[Command], Mapping[str, object] | None]] = {
            "InstallProfile": self._install_profile,
            "RemoveProfile": self._remove_profile,
            "ProfileList": lambda _: profile_list(self.profiles),
            "CertificateList": lambda _: certificate_list(self.identities),
            "DeviceInformation": lambda asked: device_information(self.hardware, asked.queries),
        }
        action = actions.get(command.request_type)
        if action is None:
            unknown = f"“{command.request_type}” is not a valid request type."
            return error_result(DeviceError(unknown, 12021, "MCMDMErrorDomain"))
        if command.request_type in self.behaviour.late_requests:
            return {"Status": "NotNow"}
        try:
            if command.request_type in self.behaviour.refused_requests:
                raise DeviceError(f"{command.request_type} failed", 12021, "MCMDMErrorDomain")
            result = action(command)
        except DeviceError as error:
            self.errors.append(str(error))
            return error_result(error)
        if result is None:
            return None
        swollen = command.request_type in self.behaviour.swollen_requests
        more = {"Padding": bytes(_SWOLLEN_OCTETS)} if swollen else {}
        return {"Status": "Acknowledged", **result, **more}

    def _install_profile(self, command: Command) -> Mapping[str, object] | None:
        behaviour = self.behaviour
        if behaviour.take("not_now"):
            return {"Status": "NotNow"}
        if behaviour.take("refuse"):
            raise DeviceError("the profile could not be installed", INSTALLATION_FAILED)
        if behaviour.before_install is not None:
            behaviour.before_install()
        content = command.payload or b""
        profile = self.received = read_profile(content, self.hardware.apple_variables)
        if behaviour.take("hold"):
            return None
        if profile.is_enrollment:
            if not self._renew(content):
                return None
        else:
            self._install(profile)
        if behaviour.after_install is not None:
            behaviour.after_install()
        return {}

    def _install(self, profile: ReceivedProfile) -> None:
        again = self.behaviour.take("new_keys")
        installed = self._certified(profile)
        if again:
            installed = self._certified(profile)
        self.keychain.install(installed)
        self._installed[profile.identifier] = profile
        if installed.identities:
            self._story("B25", "certificate added to the keychain")

    def _certified(self, profile: ReceivedProfile) -> InstalledProfile:
        http, waiting, patience = self._http, self._waiting, self.behaviour.patience
        return install(profile, http, waiting, self._story, patience, self._keys)

    def _renew(self, content: bytes) -> bool:
        """
        Take a new MDM identity, and authenticate with it; without success the old one is kept.

        :returns: False when the device stopped on the way.
        """
        kept = (self._enrollment, self.identity, self.previous_identity)
        try:
            self._take(read_enrollment(content, self._enrolled))
            if self.behaviour.take("lose_identity"):
                self._enrollment, self.identity, self.previous_identity = kept
                return False
            self.authenticate()
            self.update_token()
        except DeviceError:
            self._enrollment, self.identity, self.previous_identity = kept
            raise
        return True

    def _take(self, profile: EnrollmentProfile) -> None:
        enrollment = install_enrollment(
            profile,
            self.hardware,
            self._http,
            self._waiting,
            self.behaviour.patience,
            self._keys,
        )
        self.previous_identity, self.identity = self.identity, enrollment.identity
        self._enrollment = enrollment

    def _remove_profile(self, command: Command) -> Mapping[str, object]:
        if not self.keychain.remove(command.identifier):
            raise _not_installed(command.identifier)
        return {}

    # -- messages ----------------------------------------------------------------------------------

    def put_raw(self, url: str, body: bytes) -> bytes:
        """
        Sign a message with the device's identity and send it.

        :param url: where to.
        :param body: the exact octets of the message.
        :returns: the body of the answer.
        :raises DeviceError: no answer came, its status is not 200, or there is no identity.
        """
        if self.identity is None:
            raise DeviceError("the device is not enrolled")
        return self._put(url, body, self.identity)

    def _check_in(self, message: Mapping[str, object]) -> None:
        profile = self._enrolled.profile
        body = self._dumped({"Topic": profile.topic, **message})
        self.put_raw(profile.check_in_url, body)

    def _report(self, message: Mapping[str, object]) -> bytes:
        url, body = self._enrolled.profile.server_url, self._dumped(message)
        old = self.previous_identity
        if "CommandUUID" in message and old is not None and self.behaviour.take("old_identity"):
            return self._put(url, body, old)
        return self.put_raw(url, body)

    def _dumped(self, message: Mapping[str, object]) -> bytes:
        return plistlib.dumps({"UDID": self.hardware.udid, **message})

    def _put(self, url: str, body: bytes, identity: Identity) -> bytes:
        if self._proves is not None:
            return self._proved_by(identity, self._proves).expect("PUT", url, content=body)
        signature = sign_mdm_message(body, identity.key, identity.certificate)
        headers = {HEADER: signature.decode("ascii")}
        return self._http.expect("PUT", url, content=body, headers=headers)

    def _proved_by(
        self, identity: Identity, proves: Callable[[Identity], DeviceHTTP]
    ) -> DeviceHTTP:
        known = self._proved.get(identity.certificate)
        if known is None:
            known = self._proved[identity.certificate] = proves(identity)
        return known

    @property
    def _enrolled(self) -> Enrollment:
        if self._enrollment is None:
            raise DeviceError("the device is not enrolled")
        return self._enrollment


def _not_installed(identifier: str) -> DeviceError:
    return DeviceError(f"the profile {identifier} is not installed", 89, "MDMClientError")


def _command(body: bytes) -> Command:
    try:
        return parse_command(body)
    except MessageError as error:
        raise DeviceError(f"the command: {error}") from error
