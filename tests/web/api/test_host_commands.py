"""
Tests for the endpoints of hosts' commands.
"""

from __future__ import annotations

import plistlib
from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from scepd.model import Activity, CommandAnswer
from tests.services.ca_certificates import NOW
from tests.services.test_hosts import HOST, enrollment, host
from tests.web.api.server import Answer, Server

QUESTION = {"RequestType": "DeviceInformation", "Queries": ["OSVersion"]}


class SendTests(SynchronousTestCase):
    """
    Tests for ``POST /hosts/<uuid>/commands``.
    """

    def setUp(self) -> None:
        """
        Make a server with an enrolled host.
        """
        self.server = Server()
        self.server.hosts.by_uuid[HOST] = host()
        self.server.check_ins.enrollments[HOST] = enrollment()

    def send(self, body: bytes, uuid: str = HOST) -> Answer:
        """
        Send a command.
        """
        return self.server.request("POST", f"/hosts/{uuid}/commands", body)

    def test_queued(self) -> None:
        """
        A command in either form, whole or bare, is queued under a uuid of ours; a push is wished,
        and it is an activity.
        """
        whole = {"Command": QUESTION, "CommandUUID": "theirs"}
        for said in (QUESTION, whole):
            for form in plistlib.PlistFormat:
                answer = self.send(plistlib.dumps(said, fmt=form))
                self.assertEqual(answer.status, 201)
                command = self.server.commands.queued.pop("command-new")
                assert command.body is not None
                found = plistlib.loads(command.body)
                self.assertEqual(found, {"Command": QUESTION, "CommandUUID": "command-new"})
                self.assertEqual((command.enrollment_id, command.profile_uuid), (HOST, None))
        self.assertEqual(
            answer.json,
            {"uuid": "command-new", "host_uuid": HOST, "request_type": "DeviceInformation"},
        )
        path = f"/api/v1/hosts/{HOST}/commands/command-new/answer"
        self.assertEqual(answer.headers["location"], path)
        done = self.server.commands.activities[0]
        self.assertEqual(done, Activity(NOW, "alice", "sent command DeviceInformation", HOST))
        self.assertEqual(len(self.server.woken), 4)

    def test_user(self) -> None:
        """
        A command for a user goes over that user's channel, by UserID or short name; one that
        is not enabled, is nobody's, or could be two, is refused.
        """
        enrollments = self.server.check_ins.enrollments
        for id, name, enabled in (("A-1", "ann", True), ("B-1", "bob", True), ("C-1", "x", False)):
            known = replace(enrollment(), id=f"{HOST}:{id}", kind="user", enabled=enabled)
            enrollments[known.id] = replace(known, user_name=name)
        path, body = f"/hosts/{HOST}/commands?user=", plistlib.dumps(QUESTION)
        for user, id in (("ann", "A-1"), ("B-1", "B-1")):
            self.assertEqual(self.server.request("POST", path + user, body).status, 201)
            command = self.server.commands.queued.pop("command-new")
            self.assertEqual(command.enrollment_id, f"{HOST}:{id}")
        self.assertEqual(self.server.commands.activities[0].subject, f"{HOST}:A-1")
        enrollments[f"{HOST}:B-1"] = replace(enrollments[f"{HOST}:B-1"], user_name="ann")
        for user in ("x", "C-1", "nobody", HOST, "ann"):
            self.assertEqual(self.server.request("POST", path + user, body).status, 409)
        self.assertEqual(self.server.commands.queued, {})

    def test_no_command(self) -> None:
        """
        What is no command is refused with the reason, and nothing is queued.
        """
        laughs = b'<!DOCTYPE plist [<!ENTITY a "ha">]><plist><string>&a;</string></plist>'
        for body, reason in (
            (b"", "It is no command: not a readable property list"),
            (b"junk", "It is no command: not a readable property list"),
            (laughs, "internal subset"),
            (plistlib.dumps([]), "the command is not a dictionary"),
            (plistlib.dumps({"Command": {}}), "the command has no RequestType"),
            (plistlib.dumps({"Command": "x", "RequestType": "Y"}), "has no RequestType"),
            (plistlib.dumps({"RequestType": 5}), "the command has no RequestType"),
            (plistlib.dumps({"RequestType": "Device Lock"}), "RequestType: a word of 1 to 64"),
            (plistlib.dumps({"RequestType": "A" * 65}), "RequestType: a word of 1 to 64"),
        ):
            answer = self.send(body)
            self.assertEqual(answer.status, 400)
            ((field, message),) = answer.faults
            self.assertEqual(field, "body")
            self.assertIn(reason, str(message))
        self.assertEqual((self.server.commands.queued, self.server.woken), ({}, []))

    def test_limits(self) -> None:
        """
        What is nested too deeply is refused.
        """
        deep = b"<plist>" + b"<array>" * 40 + b"</array>" * 40 + b"</plist>"
        self.assertEqual(self.send(deep).status, 413)

    def test_hosts(self) -> None:
        """
        A host that is not there, or not enrolled, gets none.
        """
        body = plistlib.dumps(QUESTION)
        self.assertEqual(self.send(body, "none").status, 404)
        enrolled = self.server.check_ins.enrollments[HOST]
        self.server.check_ins.enrollments[HOST] = replace(enrolled, enabled=False)
        self.assertEqual(self.send(body).status, 409)
        del self.server.check_ins.enrollments[HOST]
        self.assertEqual(self.send(body).status, 409)
        self.assertEqual(self.server.commands.queued, {})

    def test_needs_a_token(self) -> None:
        """
        Without a token nothing is sent.
        """
        body = plistlib.dumps(QUESTION)
        path = f"/hosts/{HOST}/commands"
        self.assertEqual(self.server.request("POST", path, body, token=None).status, 401)
        self.assertEqual(self.server.commands.queued, {})


class AnswerTests(SynchronousTestCase):
    """
    Tests for ``/hosts/<uuid>/commands/<command>/answer``.
    """

    path = f"/hosts/{HOST}/commands/command-1/answer"

    def setUp(self) -> None:
        """
        Make a server.
        """
        self.server = Server()

    def test_answer(self) -> None:
        """
        The answer comes as the device sent it.
        """
        self.server.history.answers[HOST, "command-1"] = CommandAnswer(6, b"<dict>")
        answer = self.server.request("GET", self.path)
        self.assertEqual((answer.status, answer.body), (200, b"<dict>"))
        self.assertEqual(answer.headers["content-type"], "application/x-plist")

    def test_none(self) -> None:
        """
        Where there is none, that is said; and why, when it was not kept.
        """
        self.assertEqual(self.server.request("GET", self.path).status, 404)
        self.server.history.answers[HOST, "command-1"] = CommandAnswer(999, None)
        answer = self.server.request("GET", self.path)
        self.assertEqual(answer.status, 409)
        self.assertIn("999 bytes was not kept", str(answer.json["detail"]))

    def test_needs_a_token(self) -> None:
        """
        Without a token nothing is told.
        """
        self.assertEqual(self.server.request("GET", self.path, token=None).status, 401)
