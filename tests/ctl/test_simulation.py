"""
Tests for ``scepctl simulate``.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from twisted.trial.unittest import SynchronousTestCase

from scepd.ctl.simulation import Goal, Simulation
from scepd.simulator.device import SimulatedDevice
from scepd.simulator.failures import DeviceError
from scepd.simulator.patience import Waiting
from scepd.simulator.telling_http import TellingHTTP
from tests.ctl.pretend import Pretend, answer, problem
from tests.simulator.server import BASE, ENROLL_URL, HARDWARE, Server, command, profile

_INSTALL = command("InstallProfile", Payload=profile())


class SimulationTests(SynchronousTestCase):
    """
    Tests for a pretend device against a server in memory, on a clock of its own.
    """

    def setUp(self) -> None:
        """
        Make a server and a clock.
        """
        self.server = Server()
        self.told: list[str] = []
        self.now = datetime(2026, 6, 1, tzinfo=UTC)
        self.waits: list[float] = []
        self.pauses: list[Callable[[], None]] = []

    def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += timedelta(seconds=seconds)
        if self.pauses:
            self.pauses.pop(0)()

    def _enrolled(self, goal: Goal, *, agent: bool = False) -> Simulation:
        http = TellingHTTP(self.told.append, transport=httpx.MockTransport(self.server._answer))
        self.addCleanup(http.close)
        waiting = Waiting(lambda: self.now, self._sleep)
        device = SimulatedDevice(HARDWARE, http, waiting=waiting)
        osquery = self.server.agent(device) if agent else None
        simulation = Simulation(device, http, osquery, goal, waiting, self.told.append)
        simulation.enroll(ENROLL_URL)
        return simulation

    def test_steps(self) -> None:
        """
        Each request is told with what it was for and what came back, and nothing that is secret.
        """
        simulation = self._enrolled(Goal(interval=2.0))
        self.server.commands = [_INSTALL]
        self.assertIsNone(simulation.run())
        (identity,) = simulation.certificates
        self.assertIn("WIFI", identity.summary.subject.rfc4514_string())
        simulation.leave()
        for step in (
            "GET  scepd.test/mdm/enroll: 200",
            "GET  scepd.test/scep GetCACaps: 200",
            "POST scepd.test/scep PKIOperation: 200",
            "PUT  scepd.test/mdm/checkin Authenticate: 200",
            "PUT  scepd.test/mdm/checkin TokenUpdate: 200",
            "PUT  scepd.test/mdm/connect Idle: 200, the server asks for InstallProfile",
            "PUT  scepd.test/mdm/connect Acknowledged: 200",
            "PUT  scepd.test/mdm/checkin CheckOut: 200",
        ):
            self.assertIn(step, self.told)
        for secret in ("token-of-the-enrollment", "challenge-of-the-profile"):
            self.assertNotIn(secret, "\n".join(self.told))

    def test_polls(self) -> None:
        """
        It polls until a profile comes, and no longer than it may.
        """
        simulation = self._enrolled(Goal(interval=7.0, timeout=20.0))
        error = self.assertRaises(DeviceError, simulation.run)
        self.assertIn("no profile came within 20 s", str(error))
        self.assertEqual(self.waits, [7.0, 7.0, 7.0])

    def test_stop_at_profile(self) -> None:
        """
        The profile is received and left: nothing is asked of its authority, no result is sent.
        """
        simulation = self._enrolled(Goal(stop_at_profile=True))
        self.server.commands = [_INSTALL]
        before = len(self.server.requests)
        received = simulation.run()
        assert received is not None
        (asked,) = received.requests
        self.assertEqual((asked.url, asked.challenge), (f"{BASE}/scep", "challenge-of-the-profile"))
        self.assertEqual(self.server.paths()[before:], ["PUT /mdm/connect"])

    def test_error(self) -> None:
        """
        A profile that can't be installed ends it, with the reason, as somebody waits for it.
        """
        simulation = self._enrolled(Goal())
        self.server.commands = [_INSTALL]
        self.server.replies["PKIOperation"] = (503, b"out of order")
        error = self.assertRaises(DeviceError, simulation.run)
        self.assertIn("503", str(error))
        self.assertIn("POST scepd.test/scep PKIOperation: 503 out of order", self.told)
        self.assertEqual(self.server.messages[-1][0]["Status"], "Error")

    def test_until_verified(self) -> None:
        """
        Errors do not end it while it waits for the server's verdict, and its agent answers.
        """
        verdicts = [False, True]
        goal = Goal(is_verified=lambda: verdicts.pop(0), interval=1.0)
        simulation = self._enrolled(goal, agent=True)
        self.server.queries = {"q": "SELECT identifier FROM macos_profiles"}
        self.server.replies["PKIOperation"] = (503, b"out of order")
        self.server.commands = [_INSTALL]
        self._mend_with_the_first_pause()
        self.assertIsNone(simulation.run())
        self.assertEqual(verdicts, [])
        self.assertTrue(any(line.startswith("Not installed: ") for line in self.told))
        self.assertEqual(len(self.server.written), 2)

    def test_never_verified(self) -> None:
        """
        The time passes: it says how far it came.
        """
        simulation = self._enrolled(Goal(is_verified=lambda: False, timeout=5.0))
        self.server.commands = [_INSTALL]
        error = self.assertRaises(DeviceError, simulation.run)
        self.assertIn("installed, but was not verified within 5 s", str(error))

    def _mend_with_the_first_pause(self) -> None:
        def mend() -> None:
            self.server.replies.clear()
            self.server.commands = [_INSTALL]

        self.pauses = [mend]


class CommandTests(SynchronousTestCase):
    """
    Tests for what the command refuses before a device is pretended.
    """

    def setUp(self) -> None:
        """
        Make a server of the admin API.
        """
        folder = Path(self.mktemp())
        folder.mkdir()
        self.server = Pretend(folder)
        self.folder = folder

    def test_usage(self) -> None:
        """
        What makes no sense together is refused, and nothing is sent.
        """
        file = self.folder / "url.txt"
        file.write_text("ftp://example.com/x")
        url = ("--enroll-url-file", str(file))
        for arguments, named in (
            (("--until-verified", "--stop-at-profile"), "exclude each other"),
            (url, "no http:// or https:// URL"),
            (("--timeout", "soon"), "'soon' is not a number"),
            (("--ca-file", str(file)), "no certificates in PEM"),
        ):
            self.server.answers = [answer(201, {"url": ENROLL_URL})]
            result = self.server.run("simulate", *arguments)
            self.assertEqual(result.exit_code, 2, result.output)
            self.assertIn(named, result.output)
        # No token was made that nobody uses.
        self.assertEqual(self.server.requests, [])
        file.write_text(ENROLL_URL)
        result = self.server.run("simulate", *url, "--label", "x")
        self.assertEqual(result.exit_code, 2, result.output)
        self.assertIn("labels come with the token", result.output)

    def test_token(self) -> None:
        """
        Without a URL it makes a token of one use with the labels; what the server refuses is told.
        """
        self.server.answers = [problem(403, "Forbidden", "not your role")]
        result = self.server.run("simulate", "--label", "trial")
        self.assertEqual(result.exit_code, 1, result.output)
        self.assertIn("not your role", result.output)
        (request,) = self.server.requests
        self.assertIn(b'"labels":["trial"]', request.content.replace(b" ", b""))
        self.assertIn(b'"uses":1', request.content.replace(b" ", b""))

    def test_unreachable_device_listener(self) -> None:
        """
        A device that can't reach the server says so, and the exit code is that of a refusal.
        """
        self.server.answers = [answer(201, {"url": "http://127.0.0.1:1/mdm/enroll?token=s3cret-1"})]
        result = self.server.run("simulate")
        self.assertEqual(result.exit_code, 1, result.output)
        self.assertIn("no answer", result.output)
        self.assertNotIn("s3cret-1", result.output)


class TellingTests(SynchronousTestCase):
    """
    Tests for what is told of strange requests and answers.
    """

    def test_strange(self) -> None:
        """
        Answers that are no property list, and paths with more parts, are told in short.
        """
        told: list[str] = []
        transport = httpx.MockTransport(
            lambda _: httpx.Response(200, stream=httpx.ByteStream(b"<plist>"))
        )
        http = TellingHTTP(told.append, verify=ssl.create_default_context(), transport=transport)
        self.addCleanup(http.close)
        http.request("PUT", "http://h.test/a/b/c/secret", content=b"no plist")
        http.request("GET", "http://h.test/?operation=GetCACert&message=secret")
        self.assertEqual(told, ["PUT  h.test/a/b/c : 200", "GET  h.test/ GetCACert: 200"])
