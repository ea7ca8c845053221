"""
A fake of the port of polls, over those of check-ins and commands.
"""

from __future__ import annotations

from dataclasses import dataclass

from scepd.model import Poll
from tests.support.fake_mdm import FakeCheckIns, FakeCommands


@dataclass
class FakePolls:
    """
    A PollStore.

    :param looks: how often it was asked.
    """

    check_ins: FakeCheckIns
    commands: FakeCommands
    looks: int = 0

    async def poll(self, certificate_sha256: str, enrollment_id: str) -> Poll:
        """
        As the port says.
        """
        self.looks += 1
        identity = await self.check_ins.identity(certificate_sha256)
        found = await self.commands.next_command(enrollment_id, after_not_now=False)
        return Poll(identity, found is not None)
