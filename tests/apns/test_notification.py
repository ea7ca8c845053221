"""
Tests for what is sent for a push.
"""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.apns.notification import Notification
from scepd.errors import EncodingError, LimitExceeded
from tests.apns.notifications import TOPIC, notification

UUID = "8f8f7f3e-1111-4222-8333-a1b2c3d4e5f6"


def vars_of(push: Notification) -> dict[str, Any]:
    """
    The fields that a push is made of.
    """
    return {field.name: getattr(push, field.name) for field in fields(push) if field.init}


class NotificationTests(SynchronousTestCase):
    """
    Tests for the request of a push.
    """

    def test_request(self) -> None:
        """
        Path and body are those of Apple's documents.
        """
        push = Notification(b"\xab" * 32, TOPIC, "7A-magic", UUID, 1_800_000_000)
        self.assertEqual(push.path(), b"/3/device/" + b"ab" * 32)
        self.assertEqual(push.body(), b'{"mdm":"7A-magic"}')

    @given(st.text(max_size=100))
    def test_any_magic(self, magic: str) -> None:
        """
        Whatever the PushMagic holds, the body is JSON that says it.
        """
        body = notification(magic=magic or "x").body()
        self.assertEqual(json.loads(body), {"mdm": magic or "x"})

    def test_no_secrets(self) -> None:
        """
        Token and PushMagic are not in its repr, which ends up in logs.
        """
        shown = repr(notification(0xABCD, magic="secret-magic"))
        self.assertNotIn("abcd", shown.split("apns_id")[0].lower())
        self.assertNotIn("secret-magic", shown)

    def test_refused(self) -> None:
        """
        What Apple would never take is refused at once.
        """
        for token, topic, apns_id in (
            (b"", TOPIC, UUID),
            (bytes(101), TOPIC, UUID),
            (b"t", "a\r\nb: c", UUID),
            (b"t", "", UUID),
            (b"t", TOPIC, "no-uuid"),
            (b"t", TOPIC, UUID + "\n"),
        ):
            with self.assertRaises(EncodingError):
                Notification(token, topic, "magic", apns_id, 0)
        for more in ({"push_type": "mdm\r\nx: y"}, {"expiration": -1}, {"expiration": 2**63}):
            with self.assertRaises(EncodingError):
                Notification(**{**vars_of(notification()), **more})
        with self.assertRaises(LimitExceeded):
            Notification(b"t", TOPIC, "x" * 4096, UUID, 0)
