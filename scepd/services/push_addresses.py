"""
Where devices are pushed to, opened.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from scepd.errors import EncodingError
from scepd.model import WishedPush, push_place
from scepd.pki.keyring import Keyring, SealedSecret


class OpenedAddress(NamedTuple):
    """
    A device's push token and the PushMagic that its notifications hold; secrets, both.
    """

    token: bytes
    push_magic: str

    def __repr__(self) -> str:
        """
        Nothing that is secret.
        """
        return "OpenedAddress(…)"


class PushAddresses:
    """
    Opens addresses, and keeps those that were used last, in memory only.

    :param keyring: gives the keyring as it was read last.
    :param most: so many are kept.
    """

    def __init__(self, keyring: Callable[[], Keyring], most: int) -> None:
        self._keyring = keyring
        self._most = most
        self._opened: OrderedDict[str, tuple[SealedSecret, OpenedAddress]] = OrderedDict()
        self._opened_with: Keyring | None = None

    def of(self, wish: WishedPush) -> OpenedAddress:
        """
        The address that a wish goes to.

        :raises SecretUnreadable: no key opens it.
        :raises EncodingError: what is in it is no address.
        """
        keyring = self._keyring()
        if keyring is not self._opened_with:
            # A key that was taken away opens nothing any more.
            self._opened.clear()
            self._opened_with = keyring
        known = self._opened.get(wish.enrollment_id)
        if known is not None and known[0] == wish.address.secret:
            self._opened.move_to_end(wish.enrollment_id)
            return known[1]
        return self._open(wish, keyring)

    def _open(self, wish: WishedPush, keyring: Keyring) -> OpenedAddress:
        text = keyring.open(wish.address.secret, push_place(wish.enrollment_id))
        token, _, magic = text.partition(b":")
        try:
            opened = OpenedAddress(bytes.fromhex(token.decode()), magic.decode())
        except ValueError:
            raise EncodingError("the push address is not one") from None
        self._opened[wish.enrollment_id] = (wish.address.secret, opened)
        self._opened.move_to_end(wish.enrollment_id)
        if len(self._opened) > self._most:
            self._opened.popitem(last=False)
        return opened
