"""
What can go wrong for a simulated device.
"""

from __future__ import annotations

from scepd.errors import PermanentError


class DeviceError(PermanentError):
    """
    A step that the device could not do; the text says which and why.

    :param code: what the device would report in its ErrorChain.
    """

    code = "device"

    def __init__(self, sentence: str, number: int = 22000) -> None:
        super().__init__(sentence)
        self.number = number
