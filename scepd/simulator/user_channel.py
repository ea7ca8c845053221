"""
The channel of a user of a simulated device.
"""

from __future__ import annotations

import plistlib
import uuid
from collections.abc import Mapping

from scepd.simulator.device import SimulatedDevice
from scepd.simulator.enrollment import Enrollment
from scepd.simulator.failures import DeviceError
from scepd.simulator.keychain import InstalledProfile


class UserChannel(SimulatedDevice):
    """
    A user who is logged in: a push address, a queue, profiles and a keychain of their own, on the
    connection and with the identity of their device; of its thread.

    ``update_token`` opens the channel, ``poll`` works through its queue, ``check_out`` ends it.

    :param device: that they use; it has to be enrolled.
    :param short_name: of the user.
    :param user_id: GeneratedUID of the user; made up when left out.
    """

    def __init__(
        self, device: SimulatedDevice, short_name: str, user_id: str | None = None
    ) -> None:
        super().__init__(
            device.hardware, device._http, story=device._story, waiting=device._waiting
        )
        self.device = device
        self.short_name = short_name
        self.user_id = user_id or str(uuid.uuid4()).upper()
        device.users.append(self)

    @property
    def profiles(self) -> tuple[InstalledProfile, ...]:
        """
        The profiles of the user alone.
        """
        return tuple(self.keychain.profiles.values())

    def authenticate(self) -> None:
        """
        Refuse: a user does not enroll.

        :raises DeviceError: always.
        """
        raise DeviceError("a user has no Authenticate")

    def check_out(self) -> None:
        """
        End the channel; what came over it goes with it.

        :raises DeviceError: it was refused.
        """
        super().check_out()
        for identifier in tuple(self.keychain.profiles):
            self.keychain.remove(identifier)

    def put_raw(self, url: str, body: bytes) -> bytes:
        """
        Send a message with the identity of the device.

        :param url: where to.
        :param body: the exact octets of the message.
        :returns: the body of the answer.
        :raises DeviceError: as of the device.
        """
        return self.device.put_raw(url, body)

    def _dumped(self, message: Mapping[str, object]) -> bytes:
        user = {
            "UserID": self.user_id,
            "UserShortName": self.short_name,
            "UserLongName": self.short_name.capitalize(),
            "NotOnConsole": False,
        }
        return plistlib.dumps({"UDID": self.hardware.udid, **user, **message})

    @property
    def _enrolled(self) -> Enrollment:
        return self.device._enrolled
