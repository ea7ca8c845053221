"""
What a device says of itself, signed, when it asks for an enrollment profile.

Source: Apple's "Over-the-Air Profile Delivery and Configuration" and the enrollment of automated
devices: a CMS signature, by the key that is built into the device, over a property list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scepd.errors import EncodingError, MessageError
from scepd.mdm.fields import text_of
from scepd.pki.device_chains import chains_to
from scepd.pki.signed_data import parse_signed_data
from scepd.pki.verifying import verify_detached
from scepd.plist.reading import read_plist


@dataclass(frozen=True, slots=True)
class DeviceAttributes:
    """
    Which device it is; empty: it does not say.
    """

    udid: str = ""
    serial_number: str = ""


def proven_attributes(message: bytes, anchors: Sequence[bytes]) -> DeviceAttributes | None:
    """
    Read what a device says of itself, if it proves that it is that device's maker who says so.

    :param message: a SignedData with a property list in it, DER or BER; at most 64 kB.
    :param anchors: the certificates of the makers' authorities, DER.
    :returns: the attributes; None when the signature is wrong, or does not chain to an anchor, or
        it is anything else: what is not proven counts for nothing.
    """
    try:
        signed = parse_signed_data(message)
        if not anchors or signed.content is None:
            return None
        signer = verify_detached(message, signed.content)
        if not chains_to(signer, signed.certificates, anchors):
            return None
        return _attributes(signed.content)
    except MessageError:
        return None


def _attributes(content: bytes) -> DeviceAttributes:
    root = read_plist(content)
    if not isinstance(root, dict):
        raise EncodingError("the device's attributes are not a dictionary")
    return DeviceAttributes(text_of(root, "UDID"), text_of(root, "SERIAL"))
