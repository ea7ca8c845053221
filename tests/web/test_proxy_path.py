"""
Tests for how proxy URLs are logged.
"""

from __future__ import annotations

import re

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import InvalidInput
from scepd.ports import Subject
from scepd.web.proxy_path import loggable
from scepd.web.scep_proxy import parse_subject
from tests.support.scep_messages import pkcs_req
from tests.support.scep_proxy_case import SCEPProxyTestCase

_START = b"/mdm/scep/proxy/"
_LETTERS = st.sampled_from("azAZ09_.:@-")
_WORDS = st.text(_LETTERS, min_size=1, max_size=20)
_SEPARATORS = st.sampled_from([b",", b"%2C", b"%2c"])
_PIECES = st.sampled_from(
    [b",", b"%2C", b"%2c", b"%252C", b"%", b"a", b"HOST-1", b"%61", b"%00", b"/", b"/pkiclient.exe"]
)


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


class HostilePathTests(SynchronousTestCase):
    """
    Tests with any path.
    """

    def check(self, path: bytes) -> None:
        """
        A path has three or four parts that are words, or is refused; a log never shows the fourth.
        """
        logged = loggable(path)
        if path.startswith(_START):
            separators = list(re.finditer(b"%2[Cc]|,", path[len(_START) :]))
            if len(separators) > 2:
                shown = len(_START) + separators[2].end()
                self.assertEqual(logged, path[:shown] + b"********")
        try:
            subject = parse_subject(path)
        except InvalidInput as error:
            self.assertEqual(str(error), "path: invalid identifier in URL path")
            return
        parts = (subject.host_uuid, subject.profile_uuid, subject.ca_name)
        for part in (*parts, subject.token or "none"):
            self.assertRegex(part, r"\A[A-Za-z0-9_.:@-]{1,255}\Z")
        if subject.token and path.startswith(_START):
            self.assertTrue(logged.endswith(b"********"))

    @given(st.binary(max_size=80))
    @example(b",,,")
    @example(b"a,b,c\n")
    @example(b"a,b,c,d\r\n")
    @example(b"a%2Cb%2Cc%2Cd%2Ce")
    @example(b"a%252Cb,c,d")
    @example(b"a,b,%")
    @example(b"a,b,%4")
    @example("a,b,\N{FULLWIDTH LATIN SMALL LETTER A}".encode())
    def test_any(self, path: bytes) -> None:
        """
        Any octets, behind the prefix and without it.
        """
        self.check(path)
        self.check(_START + path)

    @given(st.lists(_PIECES, max_size=9))
    def test_pieces(self, pieces: list[bytes]) -> None:
        """
        What paths are made of, in any order.
        """
        self.check(_START + b"".join(pieces))

    @given(st.lists(_WORDS, min_size=3, max_size=3), st.text(_LETTERS, min_size=1), _SEPARATORS)
    def test_good(self, words: list[str], token: str, separator: bytes) -> None:
        """
        What is right is read, however it is escaped, and the token is not in the log.
        """
        escaped = [b"".join(b"%%%02x" % each for each in word.encode()) for word in words]
        plain = [word.encode() for word in words]
        for parts in (plain, escaped):
            path = _START + separator.join(parts)
            self.assertEqual(parse_subject(path), Subject(*words))
            self.assertEqual(loggable(path), path)
            for end in (b"", b"/pkiclient.exe"):
                one_time = path + separator + token.encode() + end
                self.assertEqual(parse_subject(one_time).token, token)
                self.assertEqual(loggable(one_time), path + separator + b"********")


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
