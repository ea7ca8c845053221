"""
Tests for the topics of enrollments, from inside the daemon and from outside.
"""

from __future__ import annotations

from scepd.model import PushAddress
from scepd.pki.keyring import SealedSecret
from scepd.storage.inspection import Inspection, inspect_database
from scepd.storage.push_topics import SQLPushTopics
from tests.storage.base import StorageTestCase
from tests.storage.records import HOUR, NOON

TOPIC = "com.apple.mgmt.External.1"
OTHER = "com.apple.mgmt.External.2"


class TopicContract(StorageTestCase):
    """
    PushTopics.
    """

    @property
    def url(self) -> str:
        """
        The storage URL of the database.
        """
        raise NotImplementedError

    async def test_counted(self) -> None:
        """
        Enabled enrollments are counted by the topic that they can be pushed with.
        """
        topics = SQLPushTopics(self.database)
        self.assertEqual(await topics.push_topics(), {})
        for name in ("H-1", "H-2", "H-3", "H-4"):
            await self.enroll(name)
        address = PushAddress(OTHER, SealedSecret("key-1", b"token:magic"))
        await self.checkins.update_token("H-2", address, NOON, NOON + HOUR)
        await self.checkins.check_out("H-3", NOON)
        expected = {TOPIC: 2, OTHER: 1}
        self.assertEqual(await topics.push_topics(), expected)
        self.assertEqual(inspect_database(self.url), Inspection(True, expected))
