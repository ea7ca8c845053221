"""
The embedded certificate authority's own keys and certificates.
"""

from __future__ import annotations

from collections.abc import Callable

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from scepd.errors import EncodingError, StorageUnavailable
from scepd.model import CARole, CAState, ca_key_place
from scepd.pki.certificates import summarize
from scepd.pki.decoding import reading
from scepd.pki.issuing import Issuer, build_ca_certificate, generate_ca_key
from scepd.pki.keyring import Keyring, RandomBytes
from scepd.ports import CAStateStore, Workers
from scepd.services.clock import utc_now
from scepd.services.issuers import Issuers

# Another process may have rolled over.
_READ_AGAIN_AFTER = 30.0

_log = Logger()


class CAKeys:
    """
    Makes the first key and certificate when they are first needed, keeps all open from then on, and
    looks from time to time whether there are others.

    :param keyring: gives the keyring as it was read last.
    :param key_bits: of a new key.
    :param generate_key: makes a key of so many bits.
    """

    def __init__(
        self,
        store: CAStateStore,
        keyring: Callable[[], Keyring],
        clock: IReactorTime,
        random: RandomBytes,
        workers: Workers,
        key_bits: int = 3072,
        generate_key: Callable[[int], rsa.RSAPrivateKey] = generate_ca_key,
    ) -> None:
        self._store = store
        self._keyring = keyring
        self._clock = clock
        self._random = random
        self._workers = workers
        self._key_bits = key_bits
        self._generate_key = generate_key
        self._issuers: Issuers | None = None
        self._opened: dict[str, Issuer] = {}
        self._read_again_at = 0.0
        # Who waits for the first look that is under way; None: none is.
        self._waiting: list[Deferred[None]] | None = None

    async def issuer(self) -> Issuer:
        """
        The current key and certificate; as :meth:`issuers`.
        """
        return (await self.issuers()).current

    async def issuers(self) -> Issuers:
        """
        All keys and certificates; made and stored first, where there are none.

        :raises SecretUnreadable: no key of the keyring opens a stored key.
        :raises StorageUnavailable: the database did not answer, and never did before.
        """
        known = self._issuers
        if known is None:
            return await self._first()
        if self._clock.seconds() < self._read_again_at:
            return known
        # Only one looks; the others go on with what is known.
        self._read_again_at = self._clock.seconds() + _READ_AGAIN_AFTER
        try:
            return await self._read()
        except StorageUnavailable:
            return known

    async def read_again(self) -> Issuers:
        """
        All keys and certificates, as they are stored now.

        :raises SecretUnreadable: no key of the keyring opens a stored key.
        :raises StorageUnavailable: the database did not answer.
        """
        await self.issuers()
        return await self._read()

    async def make(self, role: CARole) -> CAState:
        """
        A new key and certificate, which nobody stores.
        """
        return await self._workers(lambda: self._make(role))

    async def _first(self) -> Issuers:
        while self._waiting is not None:
            turn: Deferred[None] = Deferred()
            self._waiting.append(turn)
            await turn
            if self._issuers is not None:
                return self._issuers
        self._waiting = []
        try:
            return await self._read()
        finally:
            waiting, self._waiting = self._waiting, None
            # One after the other, not each within the call of the one before: there may be many.
            for turn in waiting:
                turn.callback(None)

    async def _read(self) -> Issuers:
        states = await self._store.ca_states()
        if not states:
            made = await self.make(CARole.CURRENT)
            # Another process may have been faster: what is stored counts.
            states = [await self._store.create_ca_state(made)]
            _log.info("Made the embedded certificate authority's key", serial=states[0].serial)
        opened = {
            state.serial: self._opened.get(state.serial) or await self._open(state)
            for state in states
        }
        found = [(state.role, opened[state.serial]) for state in states]
        self._opened = opened
        self._issuers = Issuers.of(found, utc_now(self._clock))
        self._read_again_at = self._clock.seconds() + _READ_AGAIN_AFTER
        return self._issuers

    def _make(self, role: CARole) -> CAState:
        now = utc_now(self._clock)
        key = self._generate_key(self._key_bits)
        certificate = build_ca_certificate(key, now, self._random)
        serial = summarize(certificate).serial
        encoded = key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        sealed = self._keyring().seal(encoded, ca_key_place(serial), self._random)
        return CAState(serial, certificate, sealed, now, role)

    async def _open(self, state: CAState) -> Issuer:
        return await self._workers(lambda: self._opened_state(state))

    def _opened_state(self, state: CAState) -> Issuer:
        encoded = self._keyring().open(state.private_key, ca_key_place(state.serial))
        with reading("the embedded certificate authority's key"):
            key = serialization.load_der_private_key(encoded, None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise EncodingError("the embedded certificate authority's key is not an RSA key")
        return Issuer(key, state.certificate)
