"""
osquery's agents: who may speak for a host.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Sequence
from hashlib import sha256

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from scepd.model import DeviceDetails
from scepd.pki.keyring import RandomBytes
from scepd.ports import HostChangeStore, VerificationStore
from scepd.services.clock import utc_now

_NODE_KEY_BYTES = 24
_LONGEST_KEY = 128
_LONGEST_UUID = 255

NO_DETAILS = DeviceDetails()
"""
An agent tells nothing of its host.
"""

_log = Logger()


class Agents:
    """
    Enrolls agents, and knows them by their node keys, of which only the SHA-256 is stored.

    :param secret: gives the enroll secret that agents must know; an empty one lets nobody in.
    :param host_changes: keeps what agents tell of their hosts; None: nobody does.
    """

    def __init__(
        self,
        store: VerificationStore,
        secret: Callable[[], str],
        clock: IReactorTime,
        random: RandomBytes,
        host_changes: HostChangeStore | None = None,
    ) -> None:
        self._store = store
        self._secret = secret
        self._clock = clock
        self._random = random
        self._host_changes = host_changes

    async def enroll(
        self, secret: str, host_uuid: str, details: DeviceDetails = NO_DETAILS
    ) -> str | None:
        """
        Give the agent of a host a node key, in place of the one it had.

        :param secret: what the agent was given as the enroll secret.
        :param host_uuid: of the hardware, in any case.
        :param details: what the agent tells of its host.
        :returns: the node key; None: the secret is wrong, or MDM does not know the host (yet).
        """
        if not self._is_secret(secret):
            _log.warn("Refused an osquery agent with a wrong enroll secret")
            return None
        key = base64.urlsafe_b64encode(self._random(_NODE_KEY_BYTES)).decode()
        now = utc_now(self._clock)
        if not 0 < len(host_uuid) <= _LONGEST_UUID:
            return None
        if not await self._store.enroll_agent(host_uuid, _digest(key), now):
            _log.info("Refused the osquery agent of {host}, unknown to MDM", host=host_uuid)
            return None
        await self._learn(key, details)
        _log.info("Enrolled the osquery agent of host {host}", host=host_uuid)
        return key

    async def host(self, node_key: str) -> str | None:
        """
        The uuid of the host whose agent has this node key, or None.
        """
        if not 0 < len(node_key) <= _LONGEST_KEY:
            return None
        return await self._store.agent_host(_digest(node_key))

    async def users(self, host_uuid: str) -> Sequence[str]:
        """
        The short names of the users who get profiles of a host.
        """
        return await self._store.profile_users(host_uuid)

    async def _learn(self, key: str, details: DeviceDetails) -> None:
        host = await self._store.agent_host(_digest(key))
        if host is not None and self._host_changes is not None:
            await self._host_changes.learn(host, details, utc_now(self._clock))

    def _is_secret(self, secret: str) -> bool:
        # Digests have one length, so that the comparison tells nothing of the secret's.
        wanted = self._secret()
        return bool(wanted) and hmac.compare_digest(_digest(secret), _digest(wanted))


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
