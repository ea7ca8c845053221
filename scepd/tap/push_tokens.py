"""
Provider tokens, by the credentials of the moment.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.logger import Logger

from scepd.apns.credentials import PushCredentials

_log = Logger()


class PushTokens:
    """
    The token that goes with each push (a TokenSource of the network's).

    :param credentials: gives those in use.
    """

    def __init__(self, credentials: Callable[[], PushCredentials | None]) -> None:
        self._credentials = credentials

    def authorization(self) -> bytes | None:
        """
        The header field's value; the same one until it is renewed.
        """
        credentials = self._credentials()
        return None if credentials is None else credentials.authorization()

    def renew(self) -> None:
        """
        Apple says that the token has run out.
        """
        credentials = self._credentials()
        if credentials is not None and not credentials.renew_token():
            _log.error("Apple finds a young provider token expired: is this machine's clock right?")
