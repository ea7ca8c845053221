"""
What was answered is there after a crash, and no secret lies about.
"""

from __future__ import annotations

import threading
from pathlib import Path

import httpx
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from tests.support.daemon import SAMPLE_PROFILE, Daemon
from tests.support.scepserver import CHALLENGE
from tests.support.stage import stage

_WRITERS = 4
_ENOUGH = 60


def _upload(daemon: Daemon, prefix: str, answered: list[str], enough: threading.Event) -> None:
    """
    Upload profiles until the daemon dies, and note each that was answered.
    """
    sample = SAMPLE_PROFILE.read_bytes()
    with daemon.api(timeout=5) as api:
        for number in range(100_000):
            identifier = f"{prefix}.{number}"
            content = sample.replace(b"Fleet.custom.SCEP", identifier.encode())
            try:
                answer = api.post("/profiles", content=content)
            except httpx.TransportError:
                return
            if answer.status_code == 201:
                answered.append(identifier)
            if len(answered) >= _ENOUGH:
                enough.set()


def _stored(daemon: Daemon) -> set[str]:
    """
    The identifiers of all profiles, page by page.
    """
    found: set[str] = set()
    cursor: str | None = ""
    with daemon.api() as api:
        while cursor is not None:
            page = api.get("/profiles", params={"after": cursor} if cursor else {}).json()
            found |= {item["identifier"] for item in page["items"]}
            cursor = page["next"]
    return found


class CrashTests(TestCase):
    """
    ``kill -9`` in the middle of a load of writes.
    """

    timeout = 120

    async def test_answered_writes_stay(self) -> None:
        """
        Every upload that was answered is there after the restart.
        """
        daemon = stage(limits__stop_timeout="5.0").daemon
        answered: list[str] = []
        enough = threading.Event()
        writers = [
            deferToThread(_upload, daemon, f"crash{n}", answered, enough) for n in range(_WRITERS)
        ]
        self.assertTrue(await deferToThread(enough.wait, 60))
        daemon.kill()
        for writer in writers:
            await writer
        await deferToThread(daemon.start)
        stored = await deferToThread(_stored, daemon)
        self.assertEqual(set(answered) - stored, set())
        self.assertGreaterEqual(len(answered), _ENOUGH)


class SecretTests(TestCase):
    """
    Where a challenge must not be.
    """

    timeout = 120

    async def test_no_challenge_in_clear(self) -> None:
        """
        Not in the database's files, not in the log, not in what ``scepctl`` or the API printed.
        """
        daemon = stage().daemon
        for arguments in (("ca", "list"), ("ca", "show", "Test_SCEP"), ("profile", "list")):
            await deferToThread(daemon.ctl, *arguments)
            await deferToThread(daemon.ctl, *arguments, "--json")
        secret = CHALLENGE.encode()
        files = [path for path in Path(daemon.folder).iterdir() if path.is_file()]
        self.assertTrue(any(path.suffix == ".sqlite" for path in files))
        for path in files:
            self.assertNotIn(secret, path.read_bytes(), path.name)
        for output in [*daemon.outputs, daemon.running_program.output]:
            self.assertNotIn(CHALLENGE, output)
        with daemon.api() as api:
            for path_ in ("/certificate_authorities", "/activities", "/exchanges", "/profiles"):
                answer = await deferToThread(api.get, path_)
                self.assertNotIn(CHALLENGE, answer.text)
