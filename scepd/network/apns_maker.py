"""
Makes connections to Apple's push service, before anything is connected.
"""

from __future__ import annotations

from typing import Any, Protocol

from twisted.internet.interfaces import IStreamClientEndpoint

from scepd.apns.credentials import PushCredentials
from scepd.apns.engine import PushEngine
from scepd.network.apns_connection import APNsConnection
from scepd.network.apns_limits import APNsLimits
from scepd.network.apns_metrics import Tally
from scepd.network.apns_owner import ConnectionOwner, PushSource, TokenSource


class Route(Protocol):
    """
    Knows the way (see :class:`scepd.network.apns_route.APNsRoute`).
    """

    host: str

    def endpoint(self, credentials: PushCredentials) -> IStreamClientEndpoint:
        """
        What connects, through a proxy or not; names are looked up anew with each use.
        """


class ConnectionMaker:
    """
    Knows what connections are made of.

    :param tokens: None: there is a client certificate.
    """

    def __init__(
        self,
        reactor: Any,
        route: Route,
        limits: APNsLimits,
        pushes: PushSource,
        tally: Tally,
        tokens: TokenSource | None,
    ) -> None:
        self._reactor = reactor
        self._route = route
        self._limits = limits
        self._pushes = pushes
        self._tally = tally
        self._tokens = tokens

    def endpoint(self, credentials: PushCredentials) -> IStreamClientEndpoint:
        """
        What connects.
        """
        return self._route.endpoint(credentials)

    def connection(self, credentials: PushCredentials, owner: ConnectionOwner) -> APNsConnection:
        """
        A connection, not yet connected.
        """
        return APNsConnection(
            self._reactor,
            self._engine(),
            credentials,
            self._limits,
            owner,
            self._pushes,
            self._tally,
            probe=self._tokens is not None,
        )

    def _engine(self) -> PushEngine:
        host, most_streams = self._route.host, self._limits.max_streams
        if self._tokens is None:
            return PushEngine(host, most_streams=most_streams)
        authorization = self._tokens.authorization
        return PushEngine(host, most_streams=most_streams, authorization=authorization)
