"""
How Apple's push service judges a request ("Handling notification responses from APNs").
"""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass

_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_PUSH_TYPES = frozenset("alert background location voip complication fileprovider mdm".split())
_ONCE = ("apns-id", "apns-topic", "apns-expiration", "apns-priority", "apns-push-type")
_LARGEST = 4096
_TOKEN_SIZE = 32


@dataclass(frozen=True, slots=True)
class Reply:
    """
    What a request is answered with.

    :param timestamp: milliseconds, for 410.
    :param filler: octets of more body, as an error could have.
    """

    status: int = 200
    reason: str | None = None
    timestamp: int | None = None
    filler: int = 0

    def body(self) -> bytes:
        """
        The JSON, empty for 200.
        """
        if self.reason is None:
            return b""
        content: dict[str, object] = {"reason": self.reason}
        if self.timestamp is not None:
            content["timestamp"] = self.timestamp
        if self.filler:
            content["filler"] = "x" * self.filler
        return json.dumps(content).encode()


OK = Reply()


@dataclass(frozen=True, slots=True)
class Request:
    """
    A request as it came, and Apple's verdict on it.

    :param fields: names and values, in order.
    :param body: all of it.
    """

    fields: tuple[tuple[str, str], ...]
    body: bytes

    def value(self, name: str) -> str:
        """
        The value of a field, or an empty text.
        """
        return dict(self.fields).get(name, "")

    @property
    def token(self) -> str:
        """
        The token, hexadecimal, as the path has it.
        """
        return self.value(":path").removeprefix("/3/device/")

    @property
    def apns_id(self) -> str:
        """
        The client's, or a new one when it sent none.
        """
        return self.value("apns-id") or str(uuid.uuid4())

    @property
    def push_magic(self) -> str | None:
        """
        The PushMagic; None: the body is not an MDM push.
        """
        try:
            content = json.loads(self.body)
        except ValueError:
            return None
        if not isinstance(content, dict) or list(content) != ["mdm"]:
            return None
        magic = content["mdm"]
        return magic if isinstance(magic, str) else None

    def verdict(self, topic: str) -> Reply:
        """
        What Apple answers by itself.

        :param topic: of the client's certificate.
        """
        return self._way() or self._headers(topic) or self._content() or OK

    def _way(self) -> Reply | None:
        if not self.value(":path").startswith("/3/device"):
            return Reply(404, "BadPath")
        if self.value(":method") != "POST":
            return Reply(405, "MethodNotAllowed")
        if self.value(":path") in ("/3/device", "/3/device/"):
            return Reply(400, "MissingDeviceToken")
        if not re.fullmatch(rf"[0-9a-f]{{{2 * _TOKEN_SIZE}}}", self.token):
            return Reply(400, "BadDeviceToken")
        return None

    def _headers(self, topic: str) -> Reply | None:
        names = [name for name, _ in self.fields]
        given = self.value("apns-topic")
        if any(names.count(name) > 1 for name in _ONCE):
            return Reply(400, "DuplicateHeaders")
        if self.value("apns-id") and not _UUID.fullmatch(self.value("apns-id")):
            return Reply(400, "BadMessageId")
        if not re.fullmatch(r"[0-9]{1,10}", self.value("apns-expiration") or "0"):
            return Reply(400, "BadExpirationDate")
        if self.value("apns-priority") not in ("", "1", "5", "10"):
            return Reply(400, "BadPriority")
        if self.value("apns-push-type") not in _PUSH_TYPES:
            return Reply(400, "InvalidPushType")
        if not given:
            return Reply(400, "MissingTopic")
        if not re.fullmatch(r"[A-Za-z0-9.-]+", given):
            return Reply(400, "BadTopic")
        return None if given == topic else Reply(400, "TopicDisallowed")

    def _content(self) -> Reply | None:
        if not self.body:
            return Reply(400, "PayloadEmpty")
        if len(self.body) > _LARGEST:
            return Reply(413, "PayloadTooLarge")
        # Apple does not look; the device would stay asleep.
        exact = json.dumps({"mdm": self.push_magic}, separators=(",", ":")).encode()
        return None if self.push_magic and self.body == exact else Reply(400, "BadMDMPayload")
