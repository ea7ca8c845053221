"""
Tests for how proxy URLs are logged.
"""

from __future__ import annotations

from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from scepd.web.proxy_path import loggable
from tests.support.scep_messages import pkcs_req
from tests.support.scep_proxy_case import SCEPProxyTestCase

_START = b"/mdm/scep/proxy/"


class LoggablePathTests(SynchronousTestCase):
    """
    Tests for paths in a log.
    """

    def test_token(self) -> None:
        """
        Whatever stands behind the third part is left out, in each spelling.
        """
        for path, logged in (
            (b"H,P,C", b"H,P,C"),
            (b"H%2CP%2cC", b"H%2CP%2cC"),
            (b"H,P,C,secret", b"H,P,C,********"),
            (b"H%2CP%2CC%2csecret/pkiclient.exe", b"H%2CP%2CC%2c********"),
            (b"H,P,C,secret,secret", b"H,P,C,********"),
        ):
            self.assertEqual(loggable(_START + path), _START + logged)
        self.assertEqual(loggable(b"/mdm/a,b,c,d"), b"/mdm/a,b,c,d")


class LogTests(SCEPProxyTestCase):
    """
    Tests with a whole proxy.
    """

    def test_no_token(self) -> None:
        """
        Neither a request that is let through nor one that is refused leaves its token in the log,
        in a record or in a metric.
        """
        parts = b"HOST-1%2CaPROFILE-1%2CCORP%2Csecret-token"
        post = b"POST %b HTTP/1.1\r\nContent-Length: %d\r\n\r\n"
        message = pkcs_req()
        with capturedLogs() as logs:
            self.device.send(post % (_START + parts, len(message)), message)
            self.world.answer(b"", status=500)
            self.device.send(post % (_START + parts, len(message)), message)
            for path in (parts + b",e", parts.replace(b"CORP", b"OTHER"), parts + b"%00"):
                self.get(b"operation=GetCACaps", _START + path)
        self.assertEqual([answer.status for answer in self.device.answers()], [502, 403])
        self.assertGreater(len(logs), 5)
        self.assertNotIn("secret-token", repr(logs))
        self.assertNotIn("secret-token", repr(self.world.enrollments))
        self.assertNotIn(b"secret-token", self.world.metrics.exposition())
        self.assertNotIn(b"secret-token", self.device.transport.value())
        tokens = [call[0].token for call in self.world.enrollments.reserve_calls]
        self.assertEqual(tokens, ["secret-token"] * 2)
