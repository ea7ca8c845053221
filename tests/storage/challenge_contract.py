"""
What every database must do with the one-time challenges of deliveries.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from scepd.errors import Conflict
from scepd.model import ChallengeUse, DeliveryChallenge
from scepd.profiles.lifecycle import Event
from tests.storage import records
from tests.storage.base import StorageTestCase
from tests.storage.records import HOUR, NOON, SECOND

USE = ChallengeUse("d1", "corp", "csr-1")


class DeliveryChallengeContract(StorageTestCase):
    """
    DeliveryChallengeStore, and the hand-over that brings challenges.
    """

    async def deliver(self, challenge: DeliveryChallenge | None = None) -> None:
        """
        a-1 is handed to H-1 with the window w-1 and a challenge for it.
        """
        await self.enroll()
        await self.add_corp_profile()
        await self.queue_due()
        await self.offer(challenge or records.delivery_challenge())

    async def offer(self, challenge: DeliveryChallenge, window: str = "w-1") -> bool:
        """
        Hand the next command over.
        """
        command = await self.commands.next_command("H-1", after_not_now=False)
        assert command is not None
        opened = records.window(window)
        return await self.commands.hand_over(command.uuid, NOON, opened, challenge)

    async def known(self, sha256: str = "d1") -> DeliveryChallenge | None:
        """
        The challenge as it is stored.
        """
        return await self.challenges.delivery_challenge(sha256)

    async def test_kept(self) -> None:
        """
        A challenge that was handed over is found, field by field.
        """
        await self.deliver()
        self.assertEqual(await self.known(), records.delivery_challenge())
        self.assertIsNone(await self.known("D1"))

    async def test_used(self) -> None:
        """
        The first use binds it; the same request may use it again, another one not.
        """
        await self.deliver()
        await self.challenges.use_challenge(USE, NOON)
        await self.challenges.use_challenge(USE, NOON + SECOND)
        bound = replace(records.delivery_challenge(), csr_sha256="csr-1")
        self.assertEqual(await self.known(), bound)
        other = replace(USE, csr_sha256="csr-2")
        await self.refused(Conflict, self.challenges.use_challenge(other, NOON))
        self.assertEqual(await self.known(), bound)

    async def test_not_its_own(self) -> None:
        """
        An unknown one, and one of another authority, are refused alike.
        """
        await self.deliver()
        said = {
            await self.refused(Conflict, self.challenges.use_challenge(use, NOON))
            for use in (replace(USE, sha256="d2"), replace(USE, ca_name="other"))
        }
        self.assertEqual(len(said), 1)
        self.assertEqual(await self.known(), records.delivery_challenge())

    async def test_deadline(self) -> None:
        """
        It is good until its window's deadline, which an Acknowledged brings near.
        """
        await self.deliver()
        await self.challenges.use_challenge(USE, NOON + HOUR)
        late = self.challenges.use_challenge(USE, NOON + HOUR + SECOND)
        await self.refused(Conflict, late)
        acknowledged = records.event(Event.ACKNOWLEDGED)
        await self.delivery.happen([acknowledged], NOON, None)
        late = self.challenges.use_challenge(USE, NOON + timedelta(minutes=11))
        await self.refused(Conflict, late)

    async def test_closed(self) -> None:
        """
        With the window it is over.
        """
        await self.deliver()
        await self.profiles.remove_profile("a-1", records.activity())
        await self.refused(Conflict, self.challenges.use_challenge(USE, NOON))

    async def test_delivered_again(self) -> None:
        """
        A re-delivery replaces the one that was not used, and ends the one that was.
        """
        await self.deliver()
        second = replace(records.delivery_challenge("d2"), window_id="w-2")
        await self.offer(second, "w-2")
        self.assertIsNone(await self.known("d1"))
        use = replace(USE, sha256="d2")
        await self.challenges.use_challenge(use, NOON)
        await self.offer(replace(records.delivery_challenge("d3"), window_id="w-3"), "w-3")
        self.assertIsNotNone(await self.known("d2"))
        await self.refused(Conflict, self.challenges.use_challenge(use, NOON))

    async def test_cancelled(self) -> None:
        """
        A command that was cancelled brings no challenge.
        """
        await self.enroll()
        await self.add_corp_profile()
        await self.queue_due()
        command = await self.commands.next_command("H-1", after_not_now=False)
        assert command is not None
        await self.commands.finish(command.uuid, "H-1", "cancelled", "", NOON, None)
        challenge = records.delivery_challenge()
        offered = await self.commands.hand_over(command.uuid, NOON, records.window(), challenge)
        self.assertFalse(offered)
        self.assertIsNone(await self.known())

    async def test_pruned(self) -> None:
        """
        What ended more than a week ago goes with the next delivery.
        """
        old = replace(records.delivery_challenge("d0"), deadline=NOON - timedelta(days=9))
        await self.deliver(replace(old, csr_sha256="csr-0"))
        self.assertIsNotNone(await self.known("d0"))
        await self.offer(replace(records.delivery_challenge(), window_id="w-2"), "w-2")
        self.assertIsNone(await self.known("d0"))

    async def test_issued(self) -> None:
        """
        The embedded authority's transaction spends it with the certificate, or stores neither; what
        it issues so is no identity.
        """
        await self.deliver()
        one = records.issued(
            purpose="profile", challenge_sha256=None, host_uuid="H-1", profile_uuid="a-1"
        )
        self.assertEqual(await self.issuing.issue(one, NOON, USE), one)
        self.assertEqual(await self.issuing.issued("request-0B"), one)
        self.assertIsNone(await self.checkins.identity("sha-0B"))
        other = replace(USE, csr_sha256="csr-2")
        second = records.issued("0C", purpose="profile", challenge_sha256=None)
        await self.refused(Conflict, self.issuing.issue(second, NOON, other))
        self.assertIsNone(await self.issuing.issued("request-0C"))
        self.assertEqual(await self.issuing.issue(one, NOON + 9 * HOUR, other), one)


class WebhookContract(StorageTestCase):
    """
    Certificate authorities with one-time challenges.
    """

    async def test_kept(self) -> None:
        """
        One without a challenge, and with a webhook, is kept field by field and found by its
        webhook.
        """
        for ca in (records.one_time_ca(), records.ca("other")):
            await self.authorities.add_certificate_authority(ca, records.activity())
        found = await self.authorities.certificate_authority("corp")
        self.assertEqual(found, records.one_time_ca())
        found = await self.authorities.certificate_authority_of_webhook("hook-1")
        self.assertEqual(found, records.one_time_ca())
        self.assertIsNone(await self.authorities.certificate_authority_of_webhook("hook-2"))

    async def test_taken(self) -> None:
        """
        A webhook is of one certificate authority; those without one are not in each other's way.
        """
        await self.authorities.add_certificate_authority(records.one_time_ca(), records.activity())
        add = self.authorities.add_certificate_authority(
            records.one_time_ca("second"), records.activity()
        )
        self.assertIn("'corp'", await self.refused(Conflict, add))
        for name in ("third", "fourth"):
            bare = records.one_time_ca(name, webhook_id=None, webhook_secret=None)
            await self.authorities.add_certificate_authority(bare, records.activity())
