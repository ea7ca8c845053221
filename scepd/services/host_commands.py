"""
Commands as operators deal with them: what a host answered.
"""

from __future__ import annotations

from scepd.errors import Conflict, NotFound
from scepd.ports import CommandHistory


class HostCommands:
    """
    The commands of hosts.
    """

    def __init__(self, history: CommandHistory) -> None:
        self._history = history

    async def answer(self, host_uuid: str, command_uuid: str) -> bytes:
        """
        What a host answered to a command: the property list, XML or binary.

        :raises NotFound: there is no such command of it, or it has no final answer.
        :raises Conflict: there is an answer that was not kept.
        """
        found = await self._history.answer(host_uuid, command_uuid)
        if found is None:
            raise NotFound("There is no such command of this host, or no final answer to it yet.")
        if found.plist is None:
            raise Conflict(
                f"The answer of {found.size} bytes was not kept: it was too long, or one to the "
                "delivery of a profile, of which `detail` tells all."
            )
        return found.plist
