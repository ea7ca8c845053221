"""
What can go wrong for a simulated device.
"""

from __future__ import annotations

from scepd.errors import PermanentError

PROFILE_INVALID = 1000
"""
The number of a profile that can't be read.
"""
INSTALLATION_FAILED = 4001
"""
The number of a profile that can't be installed.
"""
SCEP_INVALID = 22013
"""
The number of a SCEP server that gave no good answer.
"""


class DeviceError(PermanentError):
    """
    A step that the device could not do; the text says which and why, and holds no secret.

    :param sentence: what failed, and why.
    :param number: what the device reports as ErrorCode.
    :param domain: what the device reports as ErrorDomain.
    """

    code = "device"

    def __init__(
        self, sentence: str, number: int = 22000, domain: str = "MCInstallationErrorDomain"
    ) -> None:
        super().__init__(sentence)
        self.number = number
        self.domain = domain


class NoAnswer(DeviceError):
    """
    A server that could not be reached, or whose HTTP status is not 200.
    """
