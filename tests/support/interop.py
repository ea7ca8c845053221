"""
The interoperability matrix at work: a daemon, a CA, and devices with clients of others.
"""

from __future__ import annotations

import functools
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

from twisted.internet.threads import deferToThread

from tests.support.daemon import Daemon
from tests.support.interop_matrix import DEVICES, Client, Server, why_not_tried
from tests.support.scep_clients.outcome import Action, Outcome, Result, SCEPDevice
from tests.support.scepserver import CHALLENGE
from tests.support.stage import Stage, stage

CA_PATH = "/mdm/scep/ca"
"""
Of the embedded CA's URL.
"""

EMBEDDED = "EMBEDDED"
"""
Its name, where it is behind the proxy.
"""

_SCEPSERVER = "Test_SCEP"
_WRONG_CHALLENGE = "incorrect-horse-battery-staple"
_NOTHING_TO_RENEW = Outcome(Result.BROKEN, None, "there is no certificate to renew")


@functools.cache
def challenge_file() -> str:
    """
    A file with the embedded CA's static challenge, as a TOML string.
    """
    with tempfile.NamedTemporaryFile("w", prefix="scepd-challenge-", delete=False) as file:
        file.write(CHALLENGE)
    return json.dumps(file.name)


@functools.cache
def embedded_ca_stage(**settings: str) -> Stage:
    """
    A stage whose embedded CA has a static challenge, and is behind the proxy, too, as
    ``EMBEDDED``.
    """
    made = stage(ca__challenge_file=challenge_file(), **settings)
    made.daemon.add_ca(EMBEDDED, made.url(CA_PATH), CHALLENGE)
    return made


class InteropStage:
    """
    Runs rows of the matrix.
    """

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="scepd-interop-"))

    async def row(self, server: Server, client: Client) -> Mapping[Action, Outcome]:
        """
        The outcome of each cell of a row that can be tried.
        """
        row = _Row(self._folder, server, client)
        outcomes = {}
        for action in Action:
            if why_not_tried((server, client, action)) is None:
                outcomes[action] = await row.outcome(action)
        return outcomes


class _Row:
    """
    The devices of one client, at one server.
    """

    def __init__(self, folder: Path, server: Server, client: Client) -> None:
        self._folder = folder
        self._server = server
        self._client = client
        self._enrolled: tuple[SCEPDevice, str] | None = None

    async def outcome(self, action: Action) -> Outcome:
        """
        Do it.
        """
        match action:
            case Action.ENROLL:
                device, url = self._device(action), await self._url(action)
                self._enrolled = device, url
                outcome = await deferToThread(device.enroll, url, CHALLENGE)
                if outcome.result is not Result.ISSUED:
                    self._enrolled = None
                return outcome
            case Action.WRONG_CHALLENGE:
                device, url = self._device(action), await self._url(action)
                return await deferToThread(device.enroll, url, _WRONG_CHALLENGE)
            case Action.RENEW:
                return await self._renew()
            case Action.POLL:
                return await self._poll()

    async def _renew(self) -> Outcome:
        if self._enrolled is None:
            return _NOTHING_TO_RENEW
        device, _ = self._enrolled
        # The same host and so the same URL, in a window of its own.
        url = await self._url(Action.ENROLL)
        needed = CHALLENGE if self._server is Server.SCEPSERVER_BY_PROXY else ""
        return await deferToThread(device.renew, url, needed)

    async def _poll(self) -> Outcome:
        device, url = self._device(Action.POLL), await self._url(Action.POLL)
        daemon = self._stage(Action.POLL).daemon
        return await deferToThread(device.poll, url, CHALLENGE, lambda: approve_all(daemon))

    def _stage(self, action: Action) -> Stage:
        manual = {"ca__approval": '"manual"'} if action is Action.POLL else {}
        return embedded_ca_stage(ca__allow_single_des="true", **manual)

    def _device(self, action: Action) -> SCEPDevice:
        name = self._name(action)
        folder = self._folder / name
        folder.mkdir()
        return DEVICES[self._client](folder, name)

    def _name(self, action: Action) -> str:
        # certmonger writes an underscore into a PrintableString, which may not hold one.
        names = (each.name for each in (self._server, self._client, action))
        return "-".join(names).replace("_", "-")

    async def _url(self, action: Action) -> str:
        staged = self._stage(action)
        if self._server is Server.OUR_CA:
            return staged.url(CA_PATH)
        ca_name = EMBEDDED if self._server is Server.OUR_CA_BY_PROXY else _SCEPSERVER
        async with staged.daemon.stores() as stores:
            path = await stores.deliver(self._name(action), staged.profile, ca_name)
        return staged.url(path)


def approve_all(daemon: Daemon) -> None:
    """
    Approve what waits for an operator.
    """
    listed = json.loads(daemon.ctl("request", "list", "--json").stdout)
    for request in listed:
        daemon.ctl("request", "approve", request["id"])
