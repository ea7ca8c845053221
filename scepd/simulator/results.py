"""
What a simulated device says of commands that it could not do.

Source: Apple's MDM reference, ``ErrorChain``.
"""

from __future__ import annotations

from collections.abc import Mapping

from scepd.simulator.failures import DeviceError

_LONGEST_TEXT = 500


def error_result(error: DeviceError) -> Mapping[str, object]:
    """
    Make the result of a command that failed.

    :param error: why.
    :returns: what goes into the result: only what XML can carry.
    """
    text = "".join(each for each in str(error) if each.isprintable())[:_LONGEST_TEXT]
    link = {
        "ErrorDomain": error.domain,
        "ErrorCode": error.number,
        "LocalizedDescription": text,
        "USEnglishDescription": text,
    }
    return {"Status": "Error", "ErrorChain": [link]}
