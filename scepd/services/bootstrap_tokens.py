"""
The bootstrap tokens of Macs: kept encrypted, given back to the Mac alone, each time told of.

With it a Mac grants its users secure tokens, and lets MDM install updates without asking one.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from scepd.errors import LimitExceeded, SecretUnreadable
from scepd.mdm.checkin import GetBootstrapToken, SetBootstrapToken, bootstrap_token_answer
from scepd.model import Activity, bootstrap_place
from scepd.pki.keyring import Keyring, RandomBytes
from scepd.ports import BootstrapTokenStore
from scepd.services.clock import utc_now

LARGEST_TOKEN = 16 * 1024
"""
Octets of a token; those of Macs have some hundred.
"""

_log = Logger()


class BootstrapTokens:
    """
    Answers SetBootstrapToken and GetBootstrapToken of a device that is known.
    """

    def __init__(
        self,
        store: BootstrapTokenStore,
        keyring: Callable[[], Keyring],
        clock: IReactorTime,
        random: RandomBytes,
    ) -> None:
        self._store = store
        self._keyring = keyring
        self._clock = clock
        self._random = random

    async def keep(self, message: SetBootstrapToken) -> None:
        """
        Keep a token, or forget the one that is void.

        :raises LimitExceeded: it is longer than any token.
        :raises NotFound: the enrollment has ended meanwhile.
        """
        enrollment_id, token = message.enrollment.text, message.bootstrap_token
        if token is None:
            await self._store.keep(enrollment_id, None)
            _log.info("Host {host} has no bootstrap token any more", host=enrollment_id)
            return
        if len(token) > LARGEST_TOKEN:
            raise LimitExceeded(f"the bootstrap token is longer than {LARGEST_TOKEN} bytes")
        sealed = self._keyring().seal(token, bootstrap_place(enrollment_id), self._random)
        await self._store.keep(enrollment_id, sealed)
        _log.info("Kept the bootstrap token of host {host}", host=enrollment_id)

    async def give(self, message: GetBootstrapToken) -> bytes:
        """
        The answer with the token, one of no length when there is none, as Apple wants it.

        :raises SecretUnreadable: no key opens it any more.
        """
        enrollment_id = message.enrollment.text
        activity = Activity(
            utc_now(self._clock), "device", "read bootstrap token", message.enrollment.device
        )
        sealed = await self._store.read(enrollment_id, activity)
        if sealed is None:
            _log.info("Host {host} asked for a bootstrap token; there is none", host=enrollment_id)
            return bootstrap_token_answer(b"")
        try:
            token = self._keyring().open(sealed, bootstrap_place(enrollment_id))
        except SecretUnreadable as error:
            _log.error("{reason}", reason=str(error), host=enrollment_id)
            raise
        _log.info("Gave host {host} its bootstrap token back", host=enrollment_id)
        return bootstrap_token_answer(token)
