"""
Enrollment profiles: the first one of a device, and the one that renews its identity.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable
from uuid import UUID

from scepd.mdm.enrollment import EnrollmentProfile, build_enrollment_profile, common_name
from scepd.pki.keyring import RandomBytes
from scepd.ports import Workers

PROFILE_IDENTIFIER = "scepd.enrollment"
"""
PayloadIdentifier of every enrollment profile: a device takes a new one in place of the old only
when they are the same. The PayloadUUIDs are new in each, so that the device makes a new key for the
SCEP payload, and not takes it for the one that it has.
"""
_SECRET_BYTES = 24


class NewEnrollmentProfile:
    """
    A profile that was made up, and is not written yet.

    :ivar profile: it holds the challenge.
    :ivar subject: of the certificate, RFC 4514.
    """

    def __init__(self, profile: EnrollmentProfile, subject: str) -> None:
        self.profile = profile
        self.subject = subject

    @property
    def challenge(self) -> str:
        """
        The challenge in it.
        """
        return self.profile.challenge


class EnrollmentProfiles:
    """
    Makes them.

    :param external_url: of this server, without a trailing slash.
    :param topic: the topic of the push certificate; None while there is none.
    :param workers: for the signature.
    :param sign: signs a profile; None: profiles are not signed.
    :param mdm_url: where devices check in and ask for commands, without a trailing slash; None:
        likewise ``external_url``.
    :param sign_message: whether devices are told to sign what they send.
    """

    def __init__(
        self,
        random: RandomBytes,
        external_url: str,
        topic: Callable[[], str | None],
        workers: Workers | None = None,
        sign: Callable[[bytes], bytes] | None = None,
        *,
        mdm_url: str | None = None,
        sign_message: bool = True,
    ) -> None:
        self._random = random
        self._external_url = external_url
        self._topic = topic
        self._workers = workers
        self._sign = sign
        self._mdm_url = mdm_url or external_url
        self._sign_message = sign_message

    def first(self) -> NewEnrollmentProfile | None:
        """
        One for a new enrollment; None while there is no push certificate.
        """
        return self.again(None)

    def again(self, topic: str | None) -> NewEnrollmentProfile | None:
        """
        One that renews the identity of an enrollment; None while there is no push certificate.

        :param topic: that it enrolled with: a device takes no profile of another one; None: it
            never said.
        """
        topic = topic or self._topic()
        if topic is None:
            return None
        name = self._uuid()
        challenge = urlsafe_b64encode(self._random(_SECRET_BYTES)).decode("ascii")
        return NewEnrollmentProfile(self._profile_for(name, challenge, topic), f"CN={name}")

    async def written(self, new: NewEnrollmentProfile) -> bytes:
        """
        The bytes of a profile, signed where profiles are.
        """
        content, sign = build_enrollment_profile(new.profile), self._sign
        if sign is None or self._workers is None:
            return content
        return await self._workers(lambda: sign(content))

    def _profile_for(self, name: str, challenge: str, topic: str) -> EnrollmentProfile:
        return EnrollmentProfile(
            identifier=PROFILE_IDENTIFIER,
            uuid=self._uuid(),
            scep_uuid=self._uuid(),
            mdm_uuid=self._uuid(),
            display_name="Device enrollment",
            organization="",
            server_url=f"{self._mdm_url}/mdm/connect",
            check_in_url=f"{self._mdm_url}/mdm/checkin",
            topic=topic,
            scep_url=f"{self._external_url}/mdm/scep/ca",
            challenge=challenge,
            subject=common_name(name),
            sign_message=self._sign_message,
        )

    def _uuid(self) -> str:
        return str(UUID(bytes=self._random(16), version=4))
