"""
Tests for the results of commands.
"""

from __future__ import annotations

from datetime import timedelta

from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from scepd.model import (
    CommandAnswer,
    DeviceDetails,
    ManagedCertificate,
    SCEPExchange,
    WindowOutcome,
)
from scepd.profiles.lifecycle import Event
from scepd.services.clock import utc_now
from scepd.services.results import LARGEST_KEPT
from tests.support.fake_mdm_world import MDMWorld, chain_item, report


class ResultsTestCase(SynchronousTestCase):
    """
    A device that was handed a profile with a certificate.
    """

    def setUp(self) -> None:
        """
        Enroll the device and hand it the profile.
        """
        self.world = MDMWorld()
        self.world.enroll()
        self.world.queue("command-1", self.world.profile)
        self.successResultOf(self.world.send(report("Idle")))
        self.world.clock.advance(60)

    def report(self, status: str, *errors: object, command: str = "command-1") -> None:
        """
        Send a result; nothing waits after it.
        """
        sent = self.world.send(report(status, command, errors=errors))
        self.assertEqual(self.successResultOf(sent), b"")

    def finished(self) -> tuple[str, str, Event | None]:
        """
        Status, detail and event of the last result that counted.
        """
        _, status, detail, event = self.world.commands.finished[-1]
        if event is not None:
            self.assertEqual((event.host_uuid, event.profile_uuid), ("UDID-1", "aPROFILE-1"))
        return status, detail, event.event if event else None

    def exchange(
        self,
        http_status: int,
        pki_status: str | None = None,
        *,
        detail: str = "",
        profile: str = "aPROFILE-1",
        window_id: str | None = None,
        failure: str | None = None,
        milliseconds: int = 5,
    ) -> None:
        """
        Let an exchange have passed the proxy.
        """
        started = utc_now(self.world.clock)
        record = SCEPExchange(
            *("id", "UDID-1", profile, "CORP", window_id, "PKCSReq", "T", pki_status, None),
            *(http_status, detail, started, milliseconds, failure),
        )
        self.world.exchanges.settled.append((record, WindowOutcome.LOCK, None))
        self.world.clock.advance(1)

    def certificate(self, days: int, profile: str = "aPROFILE-1") -> None:
        """
        Let the host hold a certificate for so many more days.
        """
        now = utc_now(self.world.clock)
        self.world.verification.recorded.append(
            ManagedCertificate(
                *("UDID-1", "aa" * 20, profile, "CORP", "CN=x", "CN=CA", "01"),
                *(now, now + timedelta(days=days), "osquery", now, now),
            )
        )


class StatusTests(ResultsTestCase):
    """
    Tests for each status.
    """

    def test_acknowledged(self) -> None:
        """
        Acknowledged happens to the assignment.
        """
        self.report("Acknowledged")
        self.assertEqual(self.finished(), ("Acknowledged", "", Event.ACKNOWLEDGED))

    def test_not_now(self) -> None:
        """
        NotNow does too, and is not final.
        """
        self.report("NotNow")
        self.assertEqual(self.finished(), ("NotNow", "", Event.NOT_NOW_REPORTED))

    def test_error(self) -> None:
        """
        An Error comes with the device's reason.
        """
        self.report("Error", chain_item(text="The SCEP server returned an invalid response."))
        status, detail, event = self.finished()
        self.assertEqual((status, event), ("Error", Event.ERROR_REPORTED))
        self.assertIn("invalid response. (MCInstallationErrorDomain 4001)", detail)

    def test_error_without_reason(self) -> None:
        """
        A device may give no reason.
        """
        self.report("Error")
        self.assertEqual(self.finished()[1], "the device answered Error without a reason")

    def test_command_format_error(self) -> None:
        """
        A command that the device can't read counts as an Error.
        """
        self.report("CommandFormatError")
        status, detail, event = self.finished()
        self.assertEqual((status, event), ("Error", Event.ERROR_REPORTED))
        self.assertIn("CommandFormatError", detail)

    def test_unknown_command(self) -> None:
        """
        A result for a command that is not known, or of another device, changes nothing but the log.
        """
        self.world.queue("command-2", None)
        other = self.world.commands.queued.pop("command-2")
        for command in ("command-3", "", other.uuid):
            with capturedLogs() as events:
                sent = self.world.send(report("Acknowledged", command))
                self.assertIn(b"command-1", self.successResultOf(sent))
            self.assertIn("expects no result", events[0]["log_format"])
        self.assertEqual(self.world.commands.finished, [])

    def test_superseded_command(self) -> None:
        """
        So it is with one that was cancelled meanwhile, or answered before.
        """
        self.report("Acknowledged")
        with capturedLogs() as events:
            self.report("Error")
        self.assertEqual([event.get("step") for event in events], [None])
        self.assertEqual(len(self.world.commands.finished), 1)

    def test_raw_command(self) -> None:
        """
        The result of an operator's command concerns no assignment.
        """
        self.report("Acknowledged")
        self.world.queue("command-2", None, "DeviceLock")
        self.report("Error", chain_item(), command="command-2")
        status, detail, event = self.finished()
        self.assertEqual((status, event), ("Error", None))
        self.assertIn("oops", detail)


class RemovalTests(ResultsTestCase):
    """
    Tests for the results of a removal.
    """

    def setUp(self) -> None:
        """
        Queue a removal.
        """
        super().setUp()
        self.report("Acknowledged")
        self.world.queue("command-2", self.world.profile, "RemoveProfile")

    def test_not_found(self) -> None:
        """
        A profile that is not there is as good as removed.
        """
        for item in (chain_item("MDMClientError", 89), chain_item("MDMErrorDomain", 12075)):
            self.world.commands.statuses["command-2"] = "offered"
            self.report("Error", item, command="command-2")
            self.assertEqual(self.finished()[2], Event.NOT_FOUND_REPORTED)

    def test_error(self) -> None:
        """
        Any other Error is one.
        """
        self.exchange(502)
        self.report("Error", chain_item(), command="command-2")
        self.assertEqual(self.finished()[2], Event.ERROR_REPORTED)

    def test_acknowledged(self) -> None:
        """
        An acknowledged removal is no step of a delivery.
        """
        with capturedLogs() as events:
            self.report("Acknowledged", command="command-2")
        self.assertEqual([event.get("step") for event in events], [None])
        self.assertEqual(self.finished()[2], Event.ACKNOWLEDGED)


class FaultTests(ResultsTestCase):
    """
    Tests for whose fault an Error was.
    """

    def event(self) -> Event | None:
        """
        What a plain Error means.
        """
        self.world.commands.statuses["command-1"] = "offered"
        self.report("Error", chain_item())
        return self.finished()[2]

    def test_outage(self) -> None:
        """
        The certificate authority failed the proxy, or did not answer while the device waited.
        """
        for status, milliseconds in ((502, 5), (503, 5), (504, 5), (0, 10_000)):
            self.world.exchanges.settled.clear()
            self.exchange(status, milliseconds=milliseconds)
            self.assertEqual(self.event(), Event.ERROR_DURING_OUTAGE)

    def test_impatient_device(self) -> None:
        """
        A device that closes its connection before the certificate authority had time to answer
        tells nothing of that one: its Error counts, and an outage before is one still.
        """
        self.exchange(0, milliseconds=9_999)
        self.assertEqual(self.event(), Event.ERROR_REPORTED)
        self.world.exchanges.settled.clear()
        self.exchange(504)
        self.exchange(0)
        self.assertEqual(self.event(), Event.ERROR_DURING_OUTAGE)

    def test_rejected(self) -> None:
        """
        A certificate authority that answered with a status below 500 judged the request: that
        counts, and hides an outage that was before.
        """
        self.exchange(502, failure="refused")
        self.exchange(502, failure="rejected")
        self.assertEqual(self.event(), Event.ERROR_REPORTED)
        self.exchange(502, failure="status")
        self.assertEqual(self.event(), Event.ERROR_DURING_OUTAGE)

    def test_outage_then_closed_window(self) -> None:
        """
        What comes after an outage, because of it, does not hide it.
        """
        self.exchange(504)
        self.exchange(403)
        self.assertEqual(self.event(), Event.ERROR_DURING_OUTAGE)

    def test_outage_then_answer(self) -> None:
        """
        A certificate authority that answered after its outage is not out.
        """
        self.exchange(502)
        self.exchange(200, "FAILURE")
        self.assertEqual(self.event(), Event.ERROR_REPORTED)

    def test_gone_device(self) -> None:
        """
        An answer that came too late for the device was an answer.
        """
        self.exchange(0, "SUCCESS")
        self.assertEqual(self.event(), Event.ERROR_REPORTED)

    def test_outage_before(self) -> None:
        """
        Outages before the hand-over, or with another profile, say nothing.
        """
        self.exchange(502, window_id="of an earlier delivery")
        self.exchange(502, profile="aPROFILE-2")
        self.assertEqual(self.event(), Event.ERROR_REPORTED)

    def test_closed_window(self) -> None:
        """
        The last exchange met a closed window.
        """
        self.exchange(403)
        self.assertEqual(self.event(), Event.ERROR_BEHIND_CLOSED_WINDOW)

    def test_certified(self) -> None:
        """
        A host that holds a certificate of this profile is renewed, and goes on being so.
        """
        self.certificate(10)
        self.assertEqual(self.event(), Event.ERROR_WHILE_CERTIFIED)

    def test_not_certified(self) -> None:
        """
        An expired certificate, or one of another profile, does not count.
        """
        self.certificate(0)
        self.certificate(10, "aPROFILE-2")
        self.assertEqual(self.event(), Event.ERROR_REPORTED)

    def test_detail(self) -> None:
        """
        The reason holds what the device said and what the proxy saw, each cut if need be.
        """
        self.exchange(200, "FAILURE", detail="the certificate authority refused: badTime")
        self.exchange(403)
        self.assertEqual(self.event(), Event.ERROR_BEHIND_CLOSED_WINDOW)
        self.assertEqual(
            self.finished()[1],
            "oops (MCInstallationErrorDomain 4001); "
            "the proxy recorded: the certificate authority refused: badTime",
        )
        self.exchange(200, "FAILURE", detail="no " * 1000)
        self.world.commands.statuses["command-1"] = "offered"
        self.report("Error", *(chain_item(code=n, text="y" * 100) for n in range(20)))
        detail = self.finished()[1]
        self.assertEqual(len(detail), 1000)
        self.assertIn("no no", detail)
        self.assertTrue(detail.startswith("yyy"))


class AnswerTests(ResultsTestCase):
    """
    Tests for what is kept of an answer.
    """

    def answered(self, status: str, padding: int = 0) -> CommandAnswer | None:
        """
        Answer a command that delivers no profile.

        :returns: what was to be kept of it.
        """
        self.world.queue("command-2", None, "DeviceInformation")
        self.sent = report(status, "command-2", QueryResponses={"Name": "x" * padding})
        self.successResultOf(self.world.send(self.sent))
        return self.world.commands.answers.get("command-2")

    def test_kept(self) -> None:
        """
        A final answer is kept as it came.
        """
        for status in ("Acknowledged", "Error", "CommandFormatError"):
            answer = self.answered(status)
            self.assertEqual(answer, CommandAnswer(len(self.sent), self.sent))
            self.world.commands.statuses.clear()

    def test_not_now(self) -> None:
        """
        NotNow is no answer.
        """
        self.assertIsNone(self.answered("NotNow"))

    def test_long(self) -> None:
        """
        Of a long answer the length is kept.
        """
        answer = self.answered("Acknowledged", LARGEST_KEPT)
        self.assertEqual(answer, CommandAnswer(len(self.sent), None))

    def test_delivery(self) -> None:
        """
        Nor are the words kept that a device has for a delivery: a one-time URL may be in them.
        """
        self.report("Error", chain_item(text="https://mdm.example.com/mdm/scep/proxy/secret"))
        answer = self.world.commands.answers["command-1"]
        self.assertGreater(answer.size, 100)
        self.assertIsNone(answer.plist)


class DetailTests(ResultsTestCase):
    """
    What devices tell of themselves.
    """

    def test_device_information(self) -> None:
        """
        The answer to DeviceInformation is kept of the host, that of other commands is not; nor is
        that of a command that is not known.
        """
        responses = {"OSVersion": "15.3", "ModelName": "MacBook Pro", "SerialNumber": "C02"}
        for uuid, kind, status in (
            ("command-2", "SecurityInfo", "Acknowledged"),
            ("command-3", "DeviceInformation", "Error"),
            ("command-4", "DeviceInformation", "Acknowledged"),
        ):
            self.world.queue(uuid, None, kind)
            sent = report(status, uuid, QueryResponses=responses)
            self.successResultOf(self.world.send(sent))
        sent = report("Acknowledged", "command-9", QueryResponses={"OSVersion": "1"})
        self.successResultOf(self.world.send(sent))
        expected = DeviceDetails("macos", "C02", "MacBook Pro", "15.3")
        self.assertEqual(self.world.host_changes.learned, [("UDID-1", expected)])
