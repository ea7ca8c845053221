"""
What a simulated device holds of its enrollment, and how it gets it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from scepd.errors import MessageError
from scepd.mdm.enrollment import EnrollmentProfile
from scepd.mdm.enrollment_reading import parse_enrollment_profile
from scepd.simulator.failures import INSTALLATION_FAILED, PROFILE_INVALID, DeviceError
from scepd.simulator.hardware import Hardware
from scepd.simulator.http import DeviceHTTP
from scepd.simulator.identity import Identity
from scepd.simulator.keychain import InstalledProfile
from scepd.simulator.keys import Keys, fresh_key
from scepd.simulator.patience import Patience, Waiting
from scepd.simulator.scep_client import SCEPClient
from scepd.simulator.subjects import subject_of


@dataclass(frozen=True, slots=True)
class Enrollment:
    """
    An enrollment profile that was installed, with the identity that came of it.

    :param profile: where the server is.
    :param identity: signs the device's messages.
    :param installed_at: aware.
    """

    profile: EnrollmentProfile
    identity: Identity
    installed_at: datetime

    @property
    def installed(self) -> InstalledProfile:
        """
        The profile as an inventory lists it; its identity is listed apart.
        """
        own = self.profile
        name = own.display_name or own.identifier
        return InstalledProfile(own.identifier, name, self.installed_at, uuid=own.uuid)


def read_enrollment(content: bytes, before: Enrollment | None = None) -> EnrollmentProfile:
    """
    Read an enrollment profile.

    :param content: signed or not.
    :param before: the enrollment that it goes on with; None for a new one.
    :returns: the profile.
    :raises DeviceError: it is none, or not of the same identifier, ServerURL and Topic.
    """
    try:
        profile = parse_enrollment_profile(content)
    except MessageError as error:
        raise DeviceError(f"the enrollment profile: {error}", PROFILE_INVALID) from error
    if before is not None and _names(profile) != _names(before.profile):
        raise DeviceError("the enrollment profile is of another enrollment", INSTALLATION_FAILED)
    return profile


def install_enrollment(
    profile: EnrollmentProfile,
    hardware: Hardware,
    http: DeviceHTTP,
    waiting: Waiting,
    patience: Patience | None = None,
    keys: Keys = fresh_key,
) -> Enrollment:
    """
    Get the identity of an enrollment profile.

    :param profile: as read.
    :param hardware: the device.
    :param http: how to get to the authority.
    :param waiting: the device's clock.
    :param patience: how long to poll when the authority answers PENDING; None for Apple's.
    :param keys: where keys come from.
    :returns: the enrollment; the server has not heard of it yet.
    :raises DeviceError: there is no identity to be had.
    """
    subject = subject_of(profile.subject, hardware.apple_variables)
    client = SCEPClient(profile.scep_url, http, waiting=waiting, patience=patience, keys=keys)
    return Enrollment(profile, client.enroll(subject, profile.challenge), waiting.now())


def _names(profile: EnrollmentProfile) -> tuple[str, ...]:
    return (profile.identifier, profile.server_url, profile.topic)
