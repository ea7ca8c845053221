"""
What one-time challenges need around them: a verifier's configuration, and challenges as deliveries
leave them.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from twisted.internet import reactor

from scepd.model import DeliveryChallenge
from scepd.ports import Subject
from scepd.profiles.requested_names import NamePattern, RequestedNames
from scepd.storage.database import Database
from scepd.storage.delivery_challenges import put_challenge
from scepd.storage.windows import live_window
from tests.support.daemon import Daemon


def write_verifier(daemon: Daemon, ca_name: str, folder: Path) -> Path:
    """
    Make a token of the role verifier, and the configuration of ``scepd-verify-csr`` with it.
    """
    done = daemon.ctl("token", "create", "--name", ca_name, "--role", "verifier", "--json")
    token, path = folder / f"{ca_name}.token", folder / f"{ca_name}.toml"
    token.write_text(json.loads(done.stdout)["token"])
    values = {"url": daemon.admin_url, "token_file": str(token), "ca": ca_name}
    path.write_text("".join(f"{key} = {json.dumps(text)}\n" for key, text in values.items()))
    return path


def common_name(text: str) -> RequestedNames:
    """
    The names of a profile that asks for a common name alone.
    """
    return RequestedNames(((NamePattern("2.5.4.3", (text,)),),), ())


async def leave_challenge(daemon: Daemon, subject: Subject, text: str, name: str) -> None:
    """
    Store a challenge for the window that is open, as a delivery does.

    :param text: of the challenge.
    :param name: the common name that the profile asks for.
    """
    database = Database(daemon.database_url, reactor)  # type: ignore[arg-type]
    database.start()
    try:
        window = await database.read(lambda connection: live_window(connection, subject))
        assert window is not None
        challenge = DeliveryChallenge(
            sha256=sha256(text.encode()).hexdigest(),
            host_uuid=subject.host_uuid,
            profile_uuid=subject.profile_uuid,
            ca_name=subject.ca_name,
            window_id=window.id,
            names=common_name(name),
            deadline=datetime.now(UTC) + timedelta(hours=1),
        )
        now = datetime.now(UTC)
        await database.write(lambda connection: put_challenge(connection, challenge, now))
    finally:
        await database.stop()
