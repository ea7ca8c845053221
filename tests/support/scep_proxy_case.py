"""
A device that is connected to a proxy, for tests to build on.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.support.http_device import PATH, DeviceEnd, HTTPAnswer
from tests.support.proxy import ProxyWorld


class SCEPProxyTestCase(SynchronousTestCase):
    """
    A device that is connected to a proxy.
    """

    def setUp(self) -> None:
        """
        Connect.
        """
        self.world = ProxyWorld()
        self.device = DeviceEnd(self.world.site())

    def get(self, query: bytes, path: bytes = PATH) -> HTTPAnswer:
        """
        The answer to a GET on a connection of its own.
        """
        device = DeviceEnd(self.world.site())
        device.get(query, path=path)
        return device.answer()
