"""
``scepctl simulate``: try a CA with a pretend device, before a real one.
"""

from __future__ import annotations

import contextlib
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import click

from scepd.ctl.connection import Connection, objects
from scepd.ctl.enrollment_tokens import Duration
from scepd.ctl.failures import Refused
from scepd.ctl.json_values import JsonValue
from scepd.ctl.options import as_json, reaches_server
from scepd.ctl.output import printable, show_json
from scepd.ctl.simulation import Goal, Simulation, describe
from scepd.simulator.agent import OsqueryAgent
from scepd.simulator.device import SimulatedDevice
from scepd.simulator.failures import DeviceError
from scepd.simulator.hardware import some_hardware
from scepd.simulator.http import DeviceHTTP
from scepd.simulator.installation import ReceivedProfile
from scepd.simulator.patience import Waiting
from scepd.simulator.scep_folder import SCEPFolder
from scepd.simulator.telling_http import TellingHTTP

_EXAMPLES = """\b
Examples:
  scepctl simulate
  scepctl simulate --label trial --until-verified --osquery-secret-file osquery.secret
  scepctl simulate --stop-at-profile --json
  scepctl simulate --enroll-url-file url.txt --ca-file our-roots.pem --directory trial

To try one profile with nobody else: upload it with --label trial, and give this the same label.
"""


@click.command("simulate", epilog=_EXAMPLES)
@click.option(
    "--enroll-url-file",
    type=click.File(),
    help="File with the URL where the device enrolls; - for standard input. [default: a token of"
    " one use is made for it]",
)
@click.option("--label", "labels", multiple=True, help="Of the host. May be given several times.")
@click.option(
    "--until-verified", is_flag=True, help="Go on until all profiles of the host are verified."
)
@click.option(
    "--stop-at-profile",
    is_flag=True,
    help="Stop when a profile came, and show URL and challenge, for another SCEP client.",
)
@click.option(
    "--osquery-secret-file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="File with the enroll secret: an osquery agent runs on the device, too.",
)
@click.option(
    "--ca-file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="PEM of the roots that the server's TLS certificate chains to. [default: the system's]",
)
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where key and certificate of the profile are kept. [default: nowhere]",
)
@click.option(
    "--interval",
    type=Duration(),
    default="3s",
    show_default=True,
    metavar="TIME",
    help="Between two polls: no push reaches the device.",
)
@click.option(
    "--timeout",
    type=Duration(),
    default="5m",
    show_default=True,
    metavar="TIME",
    help="For everything after the enrollment.",
)
@click.option("--stay", is_flag=True, help="Do not check out at the end.")
@as_json
@reaches_server
def simulate(connection: Connection, /, as_json: bool, **given: object) -> None:
    """
    Try a certificate authority with a pretend device: it enrolls, polls for a profile, and gets the
    certificate that it asks for. Each step is shown as it happens.

    The device is a host like any other: it gets every profile that is for all hosts, and takes its
    certificates from the real CA. At its end it checks out. Apple refuses pushes to it with
    BadDeviceToken, which does no harm.

    What it got, or with --stop-at-profile the SCEP URL and the challenge, is shown at the end.
    Whoever sees that challenge may be able to get a certificate.
    """
    _Command(connection, as_json, given).run()


class _Command:
    """
    One call of the command.
    """

    def __init__(self, connection: Connection, as_json: bool, given: dict[str, object]) -> None:
        self._connection = connection
        self._waiting = Waiting()
        self._as_json = as_json
        self._given = given
        self._began = time.monotonic()
        if given["stop_at_profile"] and given["until_verified"]:
            raise click.UsageError("--stop-at-profile and --until-verified exclude each other.")

    def run(self) -> None:
        hardware = some_hardware()
        with self._connected() as http, self._connected() as agent_http:
            # Last of what can be wrong here, so that no token is made for nothing.
            url = self._enrollment_url()
            device = SimulatedDevice(hardware, http, waiting=self._waiting)
            agent = self._agent(device, agent_http, url)
            goal = self._goal(hardware.udid)
            simulation = Simulation(device, http, agent, goal, self._waiting, self._tell)
            try:
                simulation.enroll(url)
                self._finish(simulation, hardware.udid)
            except DeviceError as error:
                raise Refused("The device did not get there.", str(error)) from None

    def _finish(self, simulation: Simulation, udid: str) -> None:
        stays = bool(self._given["stay"])
        try:
            received = simulation.run()
            # Its window would close with its enrollment.
            stays = stays or received is not None
            self._show(simulation, received, udid)
        finally:
            if not stays:
                with contextlib.suppress(DeviceError):
                    simulation.leave()

    def _show(self, simulation: Simulation, received: ReceivedProfile | None, udid: str) -> None:
        if received is not None:
            self._show_requests(received, udid)
            return
        for identity in simulation.certificates:
            describe(identity, self._tell)
        directory = self._given["directory"]
        if isinstance(directory, Path) and simulation.certificates:
            SCEPFolder(directory).write_identity(simulation.certificates[-1])
            self._tell(f"Key and certificate are in {directory}")
        if self._as_json:
            found: list[JsonValue] = [one.certificate.hex() for one in simulation.certificates]
            show_json({"host": udid, "certificates": found})

    def _show_requests(self, received: ReceivedProfile, udid: str) -> None:
        requests: list[dict[str, JsonValue]] = [
            {
                "url": one.url,
                "challenge": one.challenge,
                "subject": one.subject.rfc4514_string(),
                "key_bits": one.key_bits,
            }
            for one in received.requests
        ]
        if not requests:
            raise DeviceError(f"the profile {received.identifier} asks for no certificate")
        self._tell(f"The profile {received.identifier} came, and is left as it is")
        self._tell(f"The host {udid} stays enrolled")
        if self._as_json:
            show_json({"host": udid, "profile": received.identifier, "requests": [*requests]})
            return
        for one in requests:
            # Alone and never folded, so that they can be copied.
            for name in ("url", "challenge", "subject", "key_bits"):
                click.echo(f"{name}: {printable(str(one[name]))}")

    # -- parts -------------------------------------------------------------------------------------

    def _enrollment_url(self) -> str:
        file = self._given["enroll_url_file"]
        if file is not None:
            url = str(getattr(file, "read")()).strip()  # noqa: B009
            if urlsplit(url).scheme not in ("http", "https") or " " in url:
                raise click.BadParameter("the file holds no http:// or https:// URL")
            if self._given["labels"]:
                raise click.UsageError("The labels come with the token of --enroll-url-file.")
            return url
        labels = self._given["labels"]
        body: dict[str, JsonValue] = {
            "name": "scepctl simulate",
            "labels": [*labels] if isinstance(labels, tuple) else [],
            "uses": 1,
            "valid_for": 900,
            "allow_reenrollment": False,
        }
        url = str(self._connection.post("enrollment_tokens", json=body).get("url"))
        self._tell("Made an enrollment token of one use, for 15 minutes")
        return url

    def _agent(self, device: SimulatedDevice, http: DeviceHTTP, url: str) -> OsqueryAgent | None:
        file = self._given["osquery_secret_file"]
        if not isinstance(file, Path):
            return None
        parts = urlsplit(url)
        base = f"{parts.scheme}://{parts.netloc}"
        return OsqueryAgent(device, http, base, file.read_text("utf-8").strip())

    def _goal(self, udid: str) -> Goal:
        def is_verified() -> bool:
            profiles = objects(self._connection.get("hosts", udid), "profiles")
            told = {str(one.get("status")): str(one.get("detail") or "") for one in profiles}
            if "failed" in told:
                raise DeviceError(f"the server says failed: {told['failed']}")
            return set(told) == {"verified"}

        return Goal(
            bool(self._given["stop_at_profile"]),
            is_verified if self._given["until_verified"] else None,
            float(str(self._given["interval"])),
            float(str(self._given["timeout"])),
        )

    @contextlib.contextmanager
    def _connected(self) -> Iterator[DeviceHTTP]:
        file = self._given["ca_file"]
        verify: bool | ssl.SSLContext = True
        if isinstance(file, Path):
            try:
                verify = ssl.create_default_context(cafile=str(file))
            except ssl.SSLError:
                raise click.BadParameter(f"{file}: no certificates in PEM") from None
        http = TellingHTTP(self._tell, verify=verify)
        try:
            yield http
        finally:
            http.close()

    def _tell(self, sentence: str) -> None:
        seconds = time.monotonic() - self._began
        click.echo(f"{seconds:6.1f} s  {printable(sentence)}", err=True)
