"""
One MDM push, as Apple's push service wants it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import lru_cache

from scepd.errors import EncodingError, LimitExceeded

LARGEST_BODY = 4096
"""
Octets of a notification's body, at most ("Generating a remote notification").
"""

_LARGEST_TOKEN = 100
_LAST_EXPIRATION = 2**63 - 1
_UUID = re.compile(
    r"[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}", re.ASCII
)
_WORD = re.compile(r"[!-~]{1,255}", re.ASCII)

_is_uuid = _UUID.fullmatch
_set = object.__setattr__
# Of a string it makes JSON at once; json.dumps would make an encoder for each body.
# What json.dumps does to a text.
_encode = json.encoder.encode_basestring_ascii


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
    :raises EncodingError: token, topic, apns_id or another field are not that.
    :raises LimitExceeded: the body would be too large.
    """

    token: bytes = field(repr=False)
    topic: str
    push_magic: str = field(repr=False)
    apns_id: str
    expiration: int
    priority: int = 10
    push_type: str = "mdm"
    _path: bytes = field(init=False, repr=False, compare=False)
    _body: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0 < len(self.token) <= _LARGEST_TOKEN:
            raise EncodingError("the push token has no possible length")
        _check_kind(self.topic, self.push_type)
        if not _is_uuid(self.apns_id):
            raise EncodingError("the apns-id is not a UUID")
        if not 0 <= self.expiration <= _LAST_EXPIRATION:
            raise EncodingError("the push expires at no possible time")
        body = f'{{"mdm":{_encode(self.push_magic)}}}'.encode("ascii")
        if len(body) > LARGEST_BODY:
            raise LimitExceeded("the PushMagic is too long")
        _set(self, "_path", f"/3/device/{self.token.hex()}".encode("ascii"))
        _set(self, "_body", body)

    def path(self) -> bytes:
        """
        The path of the request, which holds the push token.
        """
        return self._path

    def body(self) -> bytes:
        """
        The body: the PushMagic and nothing else.
        """
        return self._body


@lru_cache(maxsize=64)
def _check_kind(topic: str, push_type: str) -> None:
    # Nearly all pushes have these two in common.
    if not _WORD.fullmatch(topic):
        raise EncodingError("the push topic is not one")
    if not _WORD.fullmatch(push_type):
        raise EncodingError("the push type is not one")
