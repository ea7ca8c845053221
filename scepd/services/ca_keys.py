"""
The embedded certificate authority's own key and certificate.
"""

from __future__ import annotations

from collections.abc import Callable

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from twisted.internet.defer import DeferredLock
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from scepd.errors import EncodingError
from scepd.model import CAState, ca_key_place
from scepd.pki.certificates import summarize
from scepd.pki.decoding import reading
from scepd.pki.issuing import Issuer, build_ca_certificate, generate_ca_key
from scepd.pki.keyring import Keyring, RandomBytes
from scepd.ports import IssuingStore, Workers
from scepd.services.clock import utc_now

_log = Logger()


class CAKeys:
    """
    Makes the key and certificate when they are first needed, and keeps them open from then on.

    :param keyring: gives the keyring as it was read last.
    :param key_bits: of a new key.
    :param generate_key: makes a key of so many bits.
    """

    def __init__(
        self,
        store: IssuingStore,
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
        self._issuer: Issuer | None = None
        self._one_at_a_time = DeferredLock()

    async def issuer(self) -> Issuer:
        """
        The key and certificate; made and stored first, where there are none.

        :raises SecretUnreadable: no key of the keyring opens the stored key.
        :raises StorageUnavailable: the database did not answer.
        """
        if self._issuer is None:
            await self._one_at_a_time.acquire()
            try:
                if self._issuer is None:
                    self._issuer = await self._stored()
            finally:
                self._one_at_a_time.release()
        return self._issuer

    async def _stored(self) -> Issuer:
        state = await self._store.ca_state()
        if state is None:
            made = await self._workers(self._make)
            # Another process may have been faster: what is stored counts.
            state = await self._store.create_ca_state(made)
            _log.info("Made the embedded certificate authority's key", serial=state.serial)
        found = state
        return await self._workers(lambda: self._open(found))

    def _make(self) -> CAState:
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
        return CAState(serial, certificate, sealed, now)

    def _open(self, state: CAState) -> Issuer:
        encoded = self._keyring().open(state.private_key, ca_key_place(state.serial))
        with reading("the embedded certificate authority's key"):
            key = serialization.load_der_private_key(encoded, None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise EncodingError("the embedded certificate authority's key is not an RSA key")
        return Issuer(key, state.certificate)
