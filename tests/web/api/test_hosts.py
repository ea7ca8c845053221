"""
Tests for the endpoints of hosts, and of a profile host by host.
"""

from __future__ import annotations

from dataclasses import replace

from pydantic import JsonValue
from twisted.trial.unittest import SynchronousTestCase

from scepd.model import Host, HostInventory, Profile, PushState, Targets
from tests.services.ca_certificates import NOW
from tests.services.test_hosts import (
    HOST,
    PROFILE,
    assignment,
    command,
    enrollment,
    exchange,
    host,
    managed_certificate,
)
from tests.web.api.server import Server

HOST_VIEW: dict[str, JsonValue] = {
    "uuid": HOST,
    "serial_number": "C02ABC",
    "platform": "macos",
    "model": "Mac15,6",
    "os_version": "15.1",
    "labels": ["os:15", "staff"],
    "facts": {"HOST_END_USER_EMAIL_IDP": "ann@example.com"},
    "last_seen": "2026-06-01T12:00:00Z",
}
PROGRESS: dict[str, JsonValue] = {
    "operation": "install",
    "scope": "System",
    "status": "failed",
    "detail": "the certificate authority answered FAILURE badRequest",
    "attempts": 3,
    "ca_name": "Test_SCEP",
    "command_uuid": "command-1",
    "due_at": "2026-06-01T12:30:00Z",
    "delivered_at": "2026-06-01T12:00:00Z",
    "acknowledged_at": "2026-06-01T12:00:05Z",
}


class HostEndpointTests(SynchronousTestCase):
    """
    Tests for ``/hosts``.
    """

    def setUp(self) -> None:
        """
        Make a server with a host that has one of everything.
        """
        self.server = Server()
        self.server.hosts.by_uuid[HOST] = host()
        self.server.check_ins.enrollments[HOST] = enrollment()
        self.server.pushes.states[HOST] = PushState(HOST, False, None, 1, 410, "Unregistered", NOW)
        self.server.assignments.by_pair[HOST, PROFILE] = assignment()
        self.server.verification.recorded.append(managed_certificate())
        self.server.commands.records[HOST] = [command()]
        self.server.enrollments.refused.append((exchange(), False))
        self.server.inventories.states[HOST] = HostInventory(
            *(HOST, "macos", True),
            agent_at=NOW,
            profiles_at=NOW,
            profiles_source="osquery",
            certificates_at=NOW,
            certificates_source="MDM",
            unreadable=2,
            waiting=frozenset({"CertificateList"}),
        )

    def test_needs_a_token(self) -> None:
        """
        Without a token nothing is told.
        """
        for path in ("/hosts", f"/hosts/{HOST}", f"/profiles/{PROFILE}/status"):
            self.assertEqual(Server().request("GET", path, token=None).status, 401)

    def test_list(self) -> None:
        """
        A host is listed with what it is, without what it has.
        """
        listed = self.server.request("GET", "/hosts")
        self.assertEqual(listed.status, 200)
        self.assertEqual(listed.json, {"items": [HOST_VIEW | {"enrolled": True}], "next": None})

    def test_gone(self) -> None:
        """
        A host that checked out is listed, and said to be gone; so is one that never got there.
        """
        for left in (replace(enrollment(), enabled=False), None):
            self.server.check_ins.enrollments.clear()
            if left is not None:
                self.server.check_ins.enrollments[HOST] = left
            listed = self.server.request("GET", "/hosts").json
            self.assertEqual(listed["items"], [HOST_VIEW | {"enrolled": False}])

    def test_pages(self) -> None:
        """
        Hosts come in pages, by uuid; the last page says that it is the last.
        """
        self.server.hosts.by_uuid = {uuid: host(uuid) for uuid in ("b", "a", "c", "d")}
        uuids: list[list[JsonValue]] = []
        after: JsonValue = ""
        while after is not None:
            page = self.server.request("GET", f"/hosts?limit=2&after={after}").json
            items = page["items"]
            assert isinstance(items, list)
            uuids.append([item["uuid"] for item in items if isinstance(item, dict)])
            after = page["next"]
        self.assertEqual(uuids, [["a", "b"], ["c", "d"]])

    def test_wrong_limit(self) -> None:
        """
        A limit that is none is refused.
        """
        self.assertEqual(self.server.request("GET", "/hosts?limit=0").faults[0][0], "limit")

    def test_show(self) -> None:
        """
        A host is shown with every field of everything that it has.
        """
        shown = self.server.request("GET", f"/hosts/{HOST}")
        self.assertEqual(shown.status, 200)
        self.assertEqual(
            shown.json,
            HOST_VIEW
            | {
                "enrollments": [
                    {
                        "id": HOST,
                        "kind": "device",
                        "enabled": True,
                        "user_name": "",
                        "enrolled_at": "2026-06-01T12:00:00Z",
                        "last_seen": "2026-06-01T13:00:00Z",
                    }
                ],
                "profiles": [{"uuid": PROFILE, "identifier": "com.example.scep", **PROGRESS}],
                "certificates": [
                    {
                        "subject": "CN=C02ABC",
                        "issuer": "CN=Test CA",
                        "serial": "0A1B",
                        "sha1": "ab" * 20,
                        "not_before": "2026-06-01T12:00:00Z",
                        "not_after": "2027-06-01T12:00:00Z",
                        "first_seen": "2026-06-01T12:01:00Z",
                        "renew_at": "2027-05-02T12:00:00Z",
                        "retired_at": None,
                        "profile_uuid": PROFILE,
                        "ca_name": "Test_SCEP",
                        "source": "osquery",
                        "sha256": "",
                    }
                ],
                "commands": [
                    {
                        "uuid": "command-1",
                        "request_type": "InstallProfile",
                        "profile_uuid": PROFILE,
                        "status": "Error",
                        "detail": "MCInstallationErrorDomain 4001",
                        "created_at": "2026-06-01T12:00:01Z",
                        "offered_at": "2026-06-01T12:00:02Z",
                        "finished_at": "2026-06-01T12:00:03Z",
                        "answer_size": None,
                        "answer_kept": False,
                    }
                ],
                "exchanges": [
                    {
                        "id": "1",
                        "host_uuid": HOST,
                        "profile_uuid": PROFILE,
                        "ca_name": "Test_SCEP",
                        "message_type": "PKCSReq",
                        "transaction_id": "t",
                        "pki_status": "FAILURE",
                        "fail_info": "badRequest",
                        "http_status": 200,
                        "detail": "",
                        "started_at": "2026-06-01T12:00:01Z",
                        "milliseconds": 7,
                        "failure": None,
                    }
                ],
                "pushes": [
                    {
                        "enrollment_id": HOST,
                        "has_address": False,
                        "state": "due",
                        "due_at": None,
                        "attempts": 1,
                        "status": 410,
                        "reason": "Unregistered",
                        "answered_at": "2026-06-01T12:00:00Z",
                    }
                ],
                "identities": [],
                "inventory": {
                    "profiles_at": "2026-06-01T12:00:00Z",
                    "profiles_source": "osquery",
                    "certificates_at": "2026-06-01T12:00:00Z",
                    "certificates_source": "MDM",
                    "unreadable_certificates": 2,
                    "agent_at": "2026-06-01T12:00:00Z",
                    "asked_at": None,
                    "next_at": None,
                    "waiting": ["CertificateList"],
                },
            },
        )

    def test_never_looked_at(self) -> None:
        """
        Of a host that has acknowledged nothing there is no inventory.
        """
        self.server.inventories.states.clear()
        self.assertIsNone(self.server.request("GET", f"/hosts/{HOST}").json["inventory"])

    def test_verify(self) -> None:
        """
        A host is asked now; what waits for its answer is told.
        """
        self.server.inventories.states.clear()
        asked = self.server.request("POST", f"/hosts/{HOST}/verify")
        self.assertEqual(asked.status, 202)
        self.assertEqual(asked.json["waiting"], ["CertificateList", "ProfileList"])
        self.assertEqual(asked.json["asked_at"], "2026-06-01T12:00:00Z")
        [activity] = self.server.inventories.activities
        self.assertEqual((activity.actor, activity.subject), ("alice", HOST))

    def test_verify_refused(self) -> None:
        """
        One that is not enrolled can't be asked, and an unknown one is not found.
        """
        self.server.check_ins.enrollments.clear()
        self.assertEqual(self.server.request("POST", f"/hosts/{HOST}/verify").status, 409)
        self.assertEqual(self.server.request("POST", "/hosts/x/verify").status, 404)

    def test_no_secret(self) -> None:
        """
        No answer holds anything of a push address, sealed or not.
        """
        for path in ("/hosts", f"/hosts/{HOST}"):
            body = self.server.request("GET", path).body
            for secret in (b"token", b"magic", b"sealed", b"com.apple.mgmt"):
                self.assertNotIn(secret, body.lower(), path)

    def test_unknown(self) -> None:
        """
        An unknown host is not found.
        """
        answer = self.server.request("GET", "/hosts/x")
        self.assertEqual(answer.status, 404)
        self.assertEqual(answer.json["detail"], "There is no host of this uuid.")

    def test_bare(self) -> None:
        """
        What a host does not have is an empty list, and what is not known is null or empty.
        """
        self.server.hosts.by_uuid["new"] = Host("new", "", "ios", (), {})
        shown = self.server.request("GET", "/hosts/new").json
        for name in ("enrollments", "profiles", "certificates", "commands", "exchanges", "labels"):
            self.assertEqual(shown[name], [], name)
        self.assertIsNone(shown["last_seen"])
        self.assertEqual((shown["model"], shown["facts"]), ("", {}))

    def test_database_fails(self) -> None:
        """
        A host that can't be read whole is a problem, not half a host.
        """
        self.server.verification.broken = True
        self.assertEqual(self.server.request("GET", f"/hosts/{HOST}").status, 503)


class ProfileStatusTests(SynchronousTestCase):
    """
    Tests for ``/profiles/<uuid>/status``.
    """

    def setUp(self) -> None:
        """
        Make a server with a profile.
        """
        self.server = Server()
        self.server.profiles.by_uuid[PROFILE] = Profile(
            PROFILE, "com.example.scep", "SCEP", b"", "", "System", Targets(), (), NOW
        )

    def assign(self, *uuids: str) -> None:
        """
        Assign the profile to hosts.
        """
        for uuid in uuids:
            self.server.hosts.by_uuid[uuid] = host(uuid, f"S-{uuid}")
            self.server.assignments.by_pair[uuid, PROFILE] = assignment(uuid)

    def test_fields(self) -> None:
        """
        Each host is told with its serial number, how far it got, and why.
        """
        self.assign(HOST)
        answer = self.server.request("GET", f"/profiles/{PROFILE}/status")
        self.assertEqual(answer.status, 200)
        row: JsonValue = {"host": HOST, "serial_number": f"S-{HOST}", **PROGRESS}
        self.assertEqual(answer.json, {"items": [row], "next": None})

    def test_pages(self) -> None:
        """
        Hosts come in pages, by uuid.
        """
        self.assign("b", "c", "a")
        path = f"/profiles/{PROFILE}/status?limit=2"
        first = self.server.request("GET", path).json
        second = self.server.request("GET", f"{path}&after={first['next']}").json
        self.assertEqual(first["next"], "b")
        self.assertIsNone(second["next"])
        items = second["items"]
        assert isinstance(items, list)
        self.assertEqual([item["host"] for item in items if isinstance(item, dict)], ["c"])

    def test_no_hosts(self) -> None:
        """
        A profile without hosts has an empty page; an unknown one is not found.
        """
        answer = self.server.request("GET", f"/profiles/{PROFILE}/status")
        self.assertEqual(answer.json, {"items": [], "next": None})
        self.assertEqual(self.server.request("GET", "/profiles/x/status").status, 404)

    def test_removed_profile(self) -> None:
        """
        A profile that was removed is told of for as long as a host has not lost it, and the page
        behind the last host is empty.
        """
        self.assign(HOST)
        row = replace(assignment(), operation="remove", status="pending")
        self.server.assignments.by_pair[HOST, PROFILE] = row
        self.server.profiles.by_uuid.clear()
        path = f"/profiles/{PROFILE}/status"
        items = self.server.request("GET", path).json["items"]
        assert isinstance(items, list)
        self.assertEqual(len(items), 1)
        self.assertEqual(self.server.request("GET", f"{path}?after={HOST}").json["items"], [])
