"""
Tests for the endpoints of profiles, exchanges and activities.
"""

from __future__ import annotations

from datetime import timedelta

from pydantic import JsonValue
from twisted.trial.unittest import SynchronousTestCase

from scepd.model import Activity, Host, SCEPExchange, TargetCount, Targets
from tests.services.ca_certificates import NOW
from tests.services.test_profiles import authority, profile
from tests.web.api.server import Answer, Server

UUID = "a00000000-0000-4000-8000-000000000000"
HOST = "00008120-000E10C61C3BC01E"


class ProfileEndpointTests(SynchronousTestCase):
    """
    Tests for ``/profiles``.
    """

    def setUp(self) -> None:
        """
        Make a server with a certificate authority and a host.
        """
        self.server = Server()
        self.server.authorities.by_name["Test_SCEP"] = authority()
        self.server.hosts.by_uuid[HOST] = Host(HOST, "C02ABC", "macos", (), {})

    def upload(self, content: bytes, query: str = "") -> Answer:
        """
        Upload a profile.
        """
        headers = {"Content-Type": "application/x-apple-aspen-config"}
        return self.server.request("POST", f"/profiles{query}", content, headers)

    def test_upload(self) -> None:
        """
        A stored profile is answered with 201, its place, and what is known of it.
        """
        content = profile()
        answer = self.upload(content, "?label=staff")
        self.assertEqual(answer.status, 201)
        self.assertEqual(answer.headers["location"], f"/api/v1/profiles/{UUID}")
        view = answer.json["profile"]
        assert isinstance(view, dict)
        self.assertEqual(view["uuid"], UUID)
        self.assertEqual(view["size"], len(content))
        self.assertEqual(
            view["targets"], {"labels_any": ["staff"], "labels_all": [], "labels_none": []}
        )
        self.assertEqual(view["certificate_authorities"], ["Test_SCEP"])

    def test_any_content_type(self) -> None:
        """
        The type of the body does not matter, only the body; not even a form's.
        """
        for number, kind in enumerate(("text/plain", "application/x-www-form-urlencoded")):
            self.server.profiles.by_uuid.clear()
            content = profile(identifier=f"com.example.{number}")
            answer = self.server.request(
                "POST", "/profiles?label=staff", content, {"Content-Type": kind}
            )
            self.assertEqual(answer.status, 201, kind)

    def test_faults(self) -> None:
        """
        Faults come together, by the path of payload and key.
        """
        answer = self.upload(profile("Nowhere"))
        self.assertEqual(answer.status, 400)
        self.assertEqual(len(answer.faults), 2)
        self.assertIn("names a certificate authority that doesn't exist.", str(answer.faults))
        self.assertEqual(self.server.profiles.by_uuid, {})

    def test_taken(self) -> None:
        """
        A taken identifier is status 409.
        """
        self.upload(profile())
        self.assertEqual(self.upload(profile()).status, 409)

    def test_show_and_list(self) -> None:
        """
        A profile is shown, and listed, without its content.
        """
        self.upload(profile())
        self.server.profiles.counts[UUID] = TargetCount(7, 2, is_applied=False)
        shown = self.server.request("GET", f"/profiles/{UUID}").json
        self.assertEqual(shown["identifier"], "com.example.scep")
        self.assertNotIn("content", shown)
        hosts = shown.pop("hosts")
        self.assertEqual(hosts, {"targeted": 7, "leaving": 2, "applied": False})
        listed = self.server.request("GET", "/profiles").json
        self.assertEqual(listed, {"items": [shown], "next": None})

    def test_targets_of_an_upload(self) -> None:
        """
        Each kind of labels may be given several times; faults name the parameter.
        """
        query = "?labels_any=a&labels_any=b&labels_all=os:15&labels_none=c%2Cd&labels_none="
        self.assertEqual(self.upload(profile(), query).status, 201)
        stored = self.server.profiles.by_uuid[UUID]
        self.assertEqual(stored.targets, Targets(("a", "b"), ("os:15",), ("c,d",)))
        answer = self.upload(profile(identifier="com.example.b"), "?labels_all=%0A")
        self.assertEqual(answer.status, 400)
        self.assertIn("labels_all", str(answer.faults))
        answer = self.upload(profile(identifier="com.example.b"), "?labels_all=%FF")
        self.assertIn("It is not UTF-8.", str(answer.faults))

    def test_replace(self) -> None:
        """
        Another content is stored in place; the answer says whether it is another, and warns.
        """
        self.upload(profile(), "?label=staff")
        path = f"/profiles/{UUID}"
        content = profile(**{"Key Type": "ECSECPrimeRandom"})
        answer = self.server.request("PUT", path, content)
        self.assertEqual((answer.status, answer.json["changed"]), (200, True))
        self.assertIn("Key Type", str(answer.json["warnings"]))
        view = answer.json["profile"]
        assert isinstance(view, dict)
        self.assertEqual(view["size"], len(content))
        self.assertEqual(self.server.profiles.by_uuid[UUID].targets, Targets(("staff",)))
        self.assertFalse(self.server.request("PUT", path, content).json["changed"])
        other = self.server.request("PUT", path, profile(identifier="com.example.b"))
        self.assertEqual(other.status, 400)
        self.assertIn("PayloadIdentifier", str(other.faults))
        self.assertEqual(self.server.request("PUT", "/profiles/none", content).status, 404)

    def test_aim(self) -> None:
        """
        Targets are set whole: what is left out is empty. Unknown fields and odd labels are refused.
        """
        self.upload(profile(), "?label=staff")
        path = f"/profiles/{UUID}/targets"
        answer = self.server.request("PUT", path, {"labels_none": ["kiosk"]})
        self.assertEqual(answer.status, 200)
        expected = {"labels_any": [], "labels_all": [], "labels_none": ["kiosk"]}
        self.assertEqual(answer.json["targets"], expected)
        self.assertEqual(self.server.profiles.by_uuid[UUID].targets, Targets((), (), ("kiosk",)))
        wrong: tuple[tuple[dict[str, JsonValue], str], ...] = (
            ({"labels": ["a"]}, "labels"),
            ({"labels_any": [""]}, "labels_any"),
            ({"labels_any": "a"}, "labels_any"),
        )
        for body, field in wrong:
            refused = self.server.request("PUT", path, body)
            self.assertEqual(refused.status, 400)
            self.assertIn(field, str(refused.faults))
        self.assertEqual(self.server.request("PUT", path, {}).status, 200)
        self.assertEqual(self.server.profiles.by_uuid[UUID].targets, Targets())
        self.assertEqual(self.server.request("PUT", "/profiles/none/targets", {}).status, 404)

    def test_content(self) -> None:
        """
        The content is what was uploaded, as a file.
        """
        self.upload(profile())
        answer = self.server.request("GET", f"/profiles/{UUID}/content")
        self.assertEqual(answer.body, profile())
        self.assertEqual(answer.headers["content-type"], "application/x-apple-aspen-config")
        self.assertEqual(
            answer.headers["content-disposition"], f'attachment; filename="{UUID}.mobileconfig"'
        )

    def test_preview(self) -> None:
        """
        A preview is for a host, with the challenge masked.
        """
        self.upload(profile())
        answer = self.server.request("GET", f"/profiles/{UUID}/preview?host={HOST}")
        self.assertEqual(answer.status, 200)
        self.assertIn(b"********", answer.body)
        self.assertIn(HOST.encode(), answer.body)
        self.assertNotIn(b"s3cret", answer.body)

    def test_preview_needs_a_host(self) -> None:
        """
        Without a host there is no preview; an unknown one is not found.
        """
        self.upload(profile())
        answer = self.server.request("GET", f"/profiles/{UUID}/preview")
        self.assertEqual(answer.faults, [("host", "The uuid of a host is needed.")])
        answer = self.server.request("GET", f"/profiles/{UUID}/preview?host=x")
        self.assertEqual(answer.status, 404)

    def test_delete(self) -> None:
        """
        A deleted profile is gone.
        """
        self.upload(profile())
        self.assertEqual(self.server.request("DELETE", f"/profiles/{UUID}").status, 204)
        self.assertEqual(self.server.request("DELETE", f"/profiles/{UUID}").status, 404)
        self.assertEqual(self.server.request("GET", f"/profiles/{UUID}/content").status, 404)


class RecordEndpointTests(SynchronousTestCase):
    """
    Tests for ``/exchanges`` and ``/activities``.
    """

    def setUp(self) -> None:
        """
        Make a server with three exchanges and three activities.
        """
        self.server = Server()
        for number in range(3):
            at = NOW + timedelta(seconds=number)
            exchange = SCEPExchange(
                id=str(number),
                host_uuid=HOST if number else "other",
                profile_uuid=UUID,
                ca_name="Test_SCEP",
                window_id=None,
                message_type="PKCSReq",
                transaction_id="t",
                pki_status="FAILURE",
                fail_info="badRequest",
                http_status=200,
                detail="",
                started_at=at,
                milliseconds=7,
            )
            self.server.enrollments.refused.append((exchange, False))
            self.server.activities.records.append(Activity(at, "alice", "did", str(number)))

    def ids(self, answer: Answer) -> list[JsonValue]:
        """
        The ids in a page.
        """
        items = answer.json["items"]
        assert isinstance(items, list)
        return [item["id"] for item in items if isinstance(item, dict)]

    def test_exchanges(self) -> None:
        """
        Exchanges come newest first, in pages, of all hosts or one.
        """
        first = self.server.request("GET", "/exchanges?limit=2")
        self.assertEqual(self.ids(first), ["2", "1"])
        self.assertEqual(first.json["next"], "2026-06-01T12:00:01Z")
        second = self.server.request("GET", f"/exchanges?limit=2&before={first.json['next']}")
        self.assertEqual(self.ids(second), ["0"])
        self.assertIsNone(second.json["next"])
        self.assertEqual(self.ids(self.server.request("GET", "/exchanges?host=other")), ["0"])

    def test_activities(self) -> None:
        """
        Activities come newest first, in pages.
        """
        first = self.server.request("GET", "/activities?limit=2")
        self.assertEqual(self.ids(first), [3, 2])
        second = self.server.request("GET", f"/activities?limit=2&before={first.json['next']}")
        self.assertEqual(self.ids(second), [1])
        self.assertIsNone(second.json["next"])

    def test_wrong_cursors(self) -> None:
        """
        A cursor that is none is refused.
        """
        for path in (
            "/exchanges?before=yesterday",
            "/exchanges?before=2026-06-01T12:00:00",
            "/activities?before=x",
            "/activities?before=-1",
        ):
            self.assertEqual(self.server.request("GET", path).faults[0][0], "before", path)
