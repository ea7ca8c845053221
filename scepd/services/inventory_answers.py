"""
What devices answer to the questions for their inventory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from twisted.logger import Logger

from scepd.mdm.commands import CERTIFICATE_LIST, PROFILE_LIST
from scepd.mdm.results import CommandResult, ResultStatus
from scepd.metrics import Metrics, counter
from scepd.model import USER_PROFILE_LIST, QueuedCommand, list_name
from scepd.ports import InventoryStore, Workers
from scepd.services.inventories import is_inventory
from scepd.services.inventory_schedule import MDM
from scepd.services.verification import Verification
from scepd.services.verification_mdm import mdm_inventory

_KINDS = {PROFILE_LIST: "profiles", CERTIFICATE_LIST: "certificates"}
_OUTCOMES = {ResultStatus.NOT_NOW: "NotNow", ResultStatus.ACKNOWLEDGED: "taken"}

_log = Logger()


class InventoryAnswers:
    """
    Takes them.

    :param ask: called when a host may have to be asked soon.
    """

    def __init__(
        self,
        store: InventoryStore,
        verification: Verification,
        workers: Workers,
        metrics: Metrics,
        ask: Callable[[], object],
    ) -> None:
        self._store = store
        self._verification = verification
        self._workers = workers
        self._metrics = metrics
        self._ask = ask

    def acknowledged(self) -> None:
        """
        A profile was acknowledged, which is stored.
        """
        self._ask()

    async def take(self, command: QueuedCommand, result: CommandResult, host_uuid: str) -> None:
        """
        Take an answer, if it is one to the newest question of its kind and has not been taken; what
        it proves is stored then.

        :raises StorageUnavailable: nothing of it was stored; the device sends it again.
        """
        if not is_inventory(command) or not await self._waits(command, host_uuid):
            return
        outcome = _OUTCOMES.get(result.status, "failed")
        if result.status is ResultStatus.ACKNOWLEDGED:
            outcome = await self._taken(command, result, host_uuid)
        self._count(command, outcome)

    async def failed(self, command: QueuedCommand, host_uuid: str) -> None:
        """
        A question of ours, if it is one, is given up: there was no inventory, and the next one is
        asked for in its time.
        """
        if is_inventory(command) and await self._waits(command, host_uuid):
            self._count(command, "failed")

    def _count(self, command: QueuedCommand, outcome: str) -> None:
        kind = _KINDS[command.request_type]
        counter(self._metrics.inventories, MDM, kind, outcome).inc()

    async def _taken(self, command: QueuedCommand, result: CommandResult, host_uuid: str) -> str:
        # A certificate takes a tenth of a millisecond, and there may be thousands.
        inventory = await self._workers(lambda: mdm_inventory(command.request_type, result))
        if inventory is None:
            _log.warn(
                "Host {host} acknowledged {type} (command {command}) without a list that can be"
                " read: this is no inventory",
                host=host_uuid,
                type=command.request_type,
                command=command.uuid,
            )
            return "unreadable"
        if list_name(command, host_uuid) == USER_PROFILE_LIST:
            inventory = replace(
                inventory,
                profiles=None,
                user_profiles=inventory.profiles,
                user_channel=command.enrollment_id,
            )
        if inventory.unreadable:
            self._metrics.unreadable_certificates.inc(inventory.unreadable)
        await self._verification.take(host_uuid, inventory)
        return "taken"

    async def _waits(self, command: QueuedCommand, host_uuid: str) -> bool:
        state = await self._store.inventory(host_uuid)
        name = list_name(command, host_uuid)
        if state is None or name not in state.waiting:
            return False
        newest = {
            PROFILE_LIST: state.profile_list,
            CERTIFICATE_LIST: state.certificate_list,
            USER_PROFILE_LIST: state.user_profile_list,
        }
        return newest[name] == command.uuid
