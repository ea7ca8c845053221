"""
One MDM push, as Apple's push service wants it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from hpack import HeaderTuple, NeverIndexedHeaderTuple

from scepd.errors import EncodingError, LimitExceeded

LARGEST_BODY = 4096
"""
Octets of a notification's body, at most ("Generating a remote notification").
"""

_LARGEST_TOKEN = 100
_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", re.ASCII)
_TOPIC = re.compile(r"[!-~]{1,255}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Notification:
    """
    A push to one device: it only wakes the device, so that it asks its MDM server for commands.

    :param token: the device's push token.
    :param topic: of the push certificate, ``com.apple.mgmt.…``.
    :param push_magic: the PushMagic of the device's TokenUpdate.
    :param apns_id: a UUID as text; the same one whenever the same push is sent again.
    :param expiration: epoch seconds until when Apple keeps the push for an offline device; 0: not
        at all.
    :raises EncodingError: token, topic or apns_id are not that.
    :raises LimitExceeded: the body would be too large.
    """

    token: bytes = field(repr=False)
    topic: str
    push_magic: str = field(repr=False)
    apns_id: str
    expiration: int
    priority: int = 10
    push_type: str = "mdm"

    def __post_init__(self) -> None:
        if not 0 < len(self.token) <= _LARGEST_TOKEN:
            raise EncodingError("the push token has no possible length")
        if not _TOPIC.fullmatch(self.topic):
            raise EncodingError("the push topic is not one")
        if not _UUID.fullmatch(self.apns_id):
            raise EncodingError("the apns-id is not a UUID")
        if len(self.body()) > LARGEST_BODY:
            raise LimitExceeded("the PushMagic is too long")

    def headers(self, authority: str) -> list[HeaderTuple]:
        """
        The header fields of the request, pseudo-headers first.

        What differs with each push is never indexed: it would only fill the HPACK table, and the
        path holds the push token.

        :param authority: Apple's host name.
        """
        return [
            HeaderTuple(b":method", b"POST"),
            HeaderTuple(b":scheme", b"https"),
            HeaderTuple(b":authority", authority.encode("ascii")),
            NeverIndexedHeaderTuple(b":path", b"/3/device/" + self.token.hex().encode("ascii")),
            HeaderTuple(b"apns-topic", self.topic.encode("ascii")),
            HeaderTuple(b"apns-push-type", self.push_type.encode("ascii")),
            HeaderTuple(b"apns-priority", b"%d" % self.priority),
            NeverIndexedHeaderTuple(b"apns-id", self.apns_id.encode("ascii")),
            NeverIndexedHeaderTuple(b"apns-expiration", b"%d" % self.expiration),
        ]

    def body(self) -> bytes:
        """
        The body: the PushMagic and nothing else.
        """
        return json.dumps({"mdm": self.push_magic}, separators=(",", ":")).encode("ascii")
