"""
Notifications for tests.
"""

from __future__ import annotations

from scepd.apns.notification import Notification

TOPIC = "com.apple.mgmt.External.0f0e0d0c-1111-2222-3333-444455556666"
EXPIRATION = 1_900_000_000


def notification(number: int = 1, *, magic: str = "", topic: str = TOPIC) -> Notification:
    """
    A push to device ``number``.
    """
    apns_id = f"00000000-0000-4000-8000-{number:012x}"
    return Notification(token(number), topic, magic or f"magic-{number}", apns_id, EXPIRATION)


def token(number: int) -> bytes:
    """
    The push token of device ``number``.
    """
    return number.to_bytes(32, "big")
