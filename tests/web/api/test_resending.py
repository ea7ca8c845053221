"""
Tests for the endpoints that have deliveries tried again.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.support.fake_mdm_world import scep_profile
from tests.web.api.server import Server

HOST, PROFILE = "UDID-1", "aPROFILE-1"


class ResendTests(SynchronousTestCase):
    """
    Tests against a server on fakes.
    """

    def setUp(self) -> None:
        """
        Make a server whose profile failed on one host.
        """
        self.server = Server()
        self.server.profiles.by_uuid[PROFILE] = scep_profile(PROFILE)
        self.server.resent.failed = [(HOST, PROFILE)]

    def test_failed(self) -> None:
        """
        All that failed is tried again, and the answer says how many, and until when.
        """
        answer = self.server.request("POST", f"/profiles/{PROFILE}/resend?per_hour=60")
        self.assertEqual(answer.status, 202)
        self.assertEqual(answer.json["count"], 1)
        self.assertIsNotNone(answer.json["last_due"])
        again = self.server.request("POST", f"/profiles/{PROFILE}/resend")
        self.assertEqual(again.json, {"count": 0, "last_due": None})

    def test_unknown_profile(self) -> None:
        """
        There is nothing to try again of a profile that does not exist.
        """
        answer = self.server.request("POST", "/profiles/a-other/resend")
        self.assertEqual(answer.status, 404)

    def test_wrong_rate(self) -> None:
        """
        A wrong rate is told with what is allowed, and changes nothing.
        """
        for rate, sentence in (("0", "1 to 1000000"), ("ten", "whole number")):
            answer = self.server.request("POST", f"/profiles/{PROFILE}/resend?per_hour={rate}")
            self.assertEqual(answer.status, 400)
            [(field, message)] = answer.faults
            self.assertEqual(field, "per_hour")
            self.assertIn(sentence, str(message))
        self.assertEqual(self.server.resent.resent, [])

    def test_one(self) -> None:
        """
        One profile of one host is tried again.
        """
        path = f"/hosts/{HOST}/profiles/{PROFILE}/resend"
        self.assertEqual(self.server.request("POST", path).status, 204)
        self.assertEqual([key[:2] for key in self.server.resent.resent], [(HOST, PROFILE)])

    def test_one_refused(self) -> None:
        """
        A host without the profile is 404, one that is not enrolled 409.
        """
        self.server.resent.parked.add(("UDID-2", PROFILE))
        for host, status in (("UDID-9", 404), ("UDID-2", 409)):
            answer = self.server.request("POST", f"/hosts/{host}/profiles/{PROFILE}/resend")
            self.assertEqual(answer.status, status)
