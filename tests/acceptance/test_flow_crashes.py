"""
``kill -9`` at five points of a delivery: it still ends verified, and no operator mends anything.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from tests.support.apns_double import Silence
from tests.support.fleet import Fleet, PolledDevice


def _is_taken(line: str) -> bool:
    """
    Whether a log line tells that Apple took a push.
    """
    return "was taken" in line


class CrashTests(TestCase):
    """
    The daemon dies and is started again; all that is seen is seen from outside.
    """

    timeout = 240
    crashes = 0

    async def _fleet(self) -> tuple[Fleet, PolledDevice]:
        fleet = Fleet({"profiles.tick": "1.0"})
        self.addCleanup(fleet.stop)
        await fleet.start()
        await fleet.add_scepserver()
        (polled,) = await fleet.enroll()
        return fleet, polled

    async def test_profile_uploaded(self) -> None:
        """
        Right after the upload was answered.
        """
        fleet, _ = await self._fleet()
        profile = await fleet.add_profile()
        await deferToThread(fleet.restart)
        await fleet.until_verified(profile)

    async def test_command_queued(self) -> None:
        """
        When the command is queued and the push is on its way; the device comes by itself.
        """
        fleet, polled = await self._fleet()
        token = polled.device.push_token.token.hex()
        await deferToThread(fleet.daemon.running_program.wait_for, _is_taken, "first push")
        fleet.double.behaviour.answers[token] = Silence()
        before = len(fleet.double.requests)
        profile = await fleet.add_profile()
        await fleet.double.until(lambda: len(fleet.double.requests) > before)
        self.assertIn("B7", fleet.daemon.steps())
        await deferToThread(fleet.restart)
        self.assertEqual(polled.device.keychain.identities, [])
        del fleet.double.behaviour.answers[token]
        await polled.wake()
        await fleet.until_verified(profile)

    async def test_profile_handed_over(self) -> None:
        """
        When the device has the profile and did nothing with it yet.
        """
        fleet, polled = await self._fleet()
        polled.device.behaviour.before_install = self._once(fleet, polled)
        profile = await fleet.add_profile()
        await fleet.until_verified(profile)
        self.assertEqual(self.crashes, 1)

    async def test_ca_answered(self) -> None:
        """
        When the device has its certificate and did not acknowledge the profile yet.
        """
        fleet, polled = await self._fleet()
        polled.device.behaviour.after_install = self._once(fleet, polled)
        profile = await fleet.add_profile()
        await fleet.until_verified(profile)
        self.assertEqual(self.crashes, 1)

    async def test_acknowledged(self) -> None:
        """
        When the acknowledgement was answered.
        """
        fleet, _ = await self._fleet()
        profile = await fleet.add_profile()
        await fleet.until(profile, lambda row: row["status"] == "verifying", agents=False)
        await deferToThread(fleet.restart)
        await fleet.until_verified(profile)

    def _once(self, fleet: Fleet, polled: PolledDevice) -> Callable[[], None]:
        behaviour = polled.device.behaviour

        def crash() -> None:
            self.crashes += 1
            behaviour.before_install = behaviour.after_install = None
            fleet.restart()

        return crash
