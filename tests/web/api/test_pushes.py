"""
Tests for ``/push`` and ``/hosts/<uuid>/push``.
"""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from scepd.apns.outcome import GatewayState
from scepd.model import PushState, PushSummary, WishState
from scepd.services.apple_answers import AnswerCount
from tests.services.ca_certificates import NOW
from tests.services.test_hosts import HOST, enrollment, host
from tests.support.fake_push_gateway import TOPIC
from tests.web.api.server import Answer, Server


class PushTests(SynchronousTestCase):
    """
    Tests for a push by hand.
    """

    def setUp(self) -> None:
        """
        Make a server with a host that can be pushed.
        """
        self.server = Server()
        self.server.hosts.by_uuid[HOST] = host()
        self.server.check_ins.enrollments[HOST] = enrollment()
        self.server.pushes.states[HOST] = PushState(HOST, True, None, 0, None, "", None)

    def push(self, uuid: str = HOST) -> Answer:
        """
        Ask for a push.
        """
        return self.server.request("POST", f"/hosts/{uuid}/push")

    def refusal(self, uuid: str = HOST) -> tuple[int, str]:
        """
        Status and sentence of a push that is refused, and not wished.
        """
        answer = self.push(uuid)
        self.assertEqual((self.server.pushes.wished, self.server.woken), ([], []))
        return answer.status, str(answer.json["detail"])

    def test_wished(self) -> None:
        """
        It is wished for now, the sender is woken, and the operator told what will happen.
        """
        answer = self.push()
        self.assertEqual(answer.status, 202)
        self.assertEqual(
            answer.json,
            {
                "host_uuid": HOST,
                "detail": "The push is sent now; the host then asks for its commands.",
            },
        )
        self.assertEqual(self.server.pushes.wished, [(HOST, NOW)])
        self.assertEqual(self.server.woken, [NOW.timestamp()])

    def test_prospects(self) -> None:
        """
        Where it can't be sent at once it is wished all the same, and the answer says why.
        """
        cases = (
            (None, "[apns] names nothing", "The push waits: [apns] names nothing."),
            (
                GatewayState.SUSPENDED,
                "Apple refuses it",
                "The push waits for another push certificate: Apple refuses it.",
            ),
            (
                GatewayState.CONNECTING,
                "no route",
                "The push is sent as soon as api.push.apple.com is connected (no route).",
            ),
            (
                GatewayState.DISCONNECTED,
                "",
                "The push is sent as soon as api.push.apple.com is connected.",
            ),
        )
        for state, complaint, sentence in cases:
            gateway = self.server.push_gateway
            gateway.state, gateway.complaint = state, complaint
            self.assertEqual(self.push().json["detail"], sentence)
        self.assertEqual(len(self.server.pushes.wished), len(cases))

    def test_unknown(self) -> None:
        """
        A host that is not there is 404.
        """
        status, sentence = self.refusal("another")
        self.assertEqual((status, sentence), (404, "There is no host of this uuid."))

    def test_not_enrolled(self) -> None:
        """
        A host that is not enrolled, or not any more, can't be pushed.
        """
        enrollments = self.server.check_ins.enrollments
        enrollments[HOST] = replace(enrollments[HOST], enabled=False)
        self.assertEqual(self.refusal()[0], 409)
        del enrollments[HOST]
        status, sentence = self.refusal()
        self.assertEqual(status, 409)
        self.assertIn("The host is not enrolled", sentence)

    def test_no_address(self) -> None:
        """
        Neither can a host whose token is dead, or that sent none.
        """
        enrollments = self.server.check_ins.enrollments
        enrollments[HOST] = replace(enrollments[HOST], push=None)
        status, sentence = self.refusal()
        self.assertEqual(status, 409)
        self.assertIn("no push token that Apple knows", sentence)

    def test_another_topic(self) -> None:
        """
        Nor one that enrolled with another topic; both are named.
        """
        self.server.push_gateway.topic = "com.apple.mgmt.External.2"
        status, sentence = self.refusal()
        self.assertEqual(status, 409)
        self.assertIn(f"enrolled with the topic {TOPIC}", sentence)
        self.assertIn("com.apple.mgmt.External.2", sentence)

    def test_ended_meanwhile(self) -> None:
        """
        The store has the last word.
        """
        del self.server.pushes.states[HOST]
        answer = self.push()
        self.assertEqual((answer.status, self.server.woken), (409, []))

    def test_token_needed(self) -> None:
        """
        Nobody pushes without a token.
        """
        for method, path in (("POST", f"/hosts/{HOST}/push"), ("GET", "/push")):
            self.assertEqual(self.server.request(method, path, token=None).status, 401)


class StatusTests(SynchronousTestCase):
    """
    Tests for ``/push``.
    """

    def test_all(self) -> None:
        """
        Everything that is known of pushing is told.
        """
        server = Server()
        server.pushes.summary = PushSummary(
            due=1,
            claimed=2,
            waiting=4,
            states={WishState.SENT: 3, WishState.SUSPENDED: 1},
            parked={"BadDeviceToken": 5},
            oldest_due=NOW,
            accepted_hour=6,
            accepted_day=7,
        )
        server.push_topics.numbers = {TOPIC: 8}
        gateway = server.push_gateway
        gateway.waiting, gateway.in_flight, gateway.complaint = 9, 10, "it expires"
        gateway.refusals = [AnswerCount(None, "lost", 11, NOW)]
        self.assertEqual(
            server.request("GET", "/push").json,
            {
                "state": "connected",
                "complaint": "it expires",
                "host": "api.push.apple.com",
                "topic": TOPIC,
                "not_after": "2027-01-01T00:00:00Z",
                "connections": 1,
                "waiting": 9,
                "in_flight": 10,
                "due": 1,
                "claimed": 2,
                "later": 4,
                "later_by_state": {"sent": 3, "suspended": 1},
                "parked": {"BadDeviceToken": 5},
                "oldest_due": "2026-06-01T12:00:00Z",
                "accepted_hour": 6,
                "accepted_day": 7,
                "topics": {TOPIC: 8},
                "refusals": [
                    {
                        "status": None,
                        "reason": "lost",
                        "count": 11,
                        "last_at": "2026-06-01T12:00:00Z",
                    }
                ],
            },
        )

    def test_not_configured(self) -> None:
        """
        Without credentials the state says so.
        """
        server = Server()
        server.push_gateway.state = server.push_gateway.topic = None
        found = server.request("GET", "/push").json
        self.assertEqual((found["state"], found["topic"]), ("not_configured", None))
