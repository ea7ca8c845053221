"""
Where and how the stored certificate authorities are reached.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from scepd.model import CertificateAuthority, client_key_place
from scepd.pki.keyring import Keyring, SealedSecret
from scepd.ports import ClientCredentials, UpstreamTarget

_MOST_KEPT = 64


class UpstreamTargets:
    """
    Makes targets of stored records; the key of a client certificate is opened when its record is
    another than before, not for each request.
    """

    def __init__(self, keyring: Callable[[], Keyring]) -> None:
        self._keyring = keyring
        self._opened: OrderedDict[str, tuple[SealedSecret, str]] = OrderedDict()

    def of(self, ca: CertificateAuthority) -> UpstreamTarget:
        """
        The target of a stored certificate authority.

        :raises SecretUnreadable: no key of the keyring opens the key of its client certificate.
        """
        client = None
        if ca.client_certificate is not None and ca.client_key is not None:
            key = self._private_key(ca.name, ca.client_key)
            client = ClientCredentials(ca.client_certificate, key)
        return UpstreamTarget(
            name=ca.name,
            url=ca.url,
            trusted_certificates=ca.trusted_certificates,
            pinned_sha256=ca.pinned_sha256,
            client=client,
            outgoing_proxy=ca.outgoing_proxy,
        )

    def private_key(self, ca: CertificateAuthority) -> str | None:
        """
        The key of its client certificate, PEM; None: it has none.

        :raises SecretUnreadable: no key of the keyring opens it.
        """
        return None if ca.client_key is None else self._private_key(ca.name, ca.client_key)

    def forget(self, name: str) -> None:
        """
        Keep nothing of the certificate authority of that name.
        """
        self._opened.pop(name, None)

    def _private_key(self, name: str, sealed: SealedSecret) -> str:
        known = self._opened.get(name)
        if known is not None and known[0] == sealed:
            self._opened.move_to_end(name)
            return known[1]
        opened = self._keyring().open(sealed, client_key_place(name)).decode()
        self._opened[name] = (sealed, opened)
        if len(self._opened) > _MOST_KEPT:
            self._opened.popitem(last=False)
        return opened
