"""
What ``scepctl doctor`` sees in files and the database, whether scepd runs or not.
"""

from __future__ import annotations

import stat
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from scepd import config
from scepd.apns.credentials import PushCredentials
from scepd.apns.expiry import expiry_complaint
from scepd.config import APNsSection, Configuration, database_url, push_credentials
from scepd.ctl.findings import Finding, bad, doubtful, good
from scepd.ctl.tls_check import tls_findings
from scepd.errors import ConfigurationError, ScepdError
from scepd.pki.keyring import Keyring
from scepd.storage.inspection import Inspection, inspect_database

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def local_findings(path: Path) -> Iterator[Finding]:
    """
    Look at the configuration file, and what it names.
    """
    try:
        configuration = config.load(path)
    except ConfigurationError as error:
        yield bad("configuration", str(error))
        return
    yield good("configuration", f"{path} is valid")
    yield _keyring(configuration.secrets.keyring_file)
    inspection, finding = _database(configuration)
    yield finding
    yield from tls_findings(configuration)
    yield from _push(configuration.apns, inspection.topics)


def _keyring(path: Path) -> Finding:
    try:
        mode = path.stat().st_mode
        keys = len(Keyring.parse(path.read_text("ascii")).keys)
    except (OSError, ValueError, ScepdError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return bad("keyring", f"{path}: {reason}")
    if mode & _OTHERS:
        return bad("keyring", f"{path} is readable by others; run: chmod 600 {path}")
    return good("keyring", f"{path} holds {keys} key(s)")


def _database(configuration: Configuration) -> tuple[Inspection, Finding]:
    try:
        found = inspect_database(database_url(configuration.storage))
    except ConfigurationError as error:
        return Inspection(False, {}), bad("database", str(error))
    if not found.newest:
        text = "its tables are of another version of scepd; the start of scepd brings them up"
        return found, doubtful("database", text)
    devices = sum(found.topics.values())
    return found, good("database", f"it can be read; {devices} enrollment(s) can be pushed to")


def _push(apns: APNsSection, topics: Mapping[str, int]) -> Iterator[Finding]:
    what = "push certificate"
    try:
        credentials = push_credentials(apns, time.time)
    except ConfigurationError as error:
        yield bad(what, str(error))
        return
    if credentials is None:
        yield doubtful(what, "[apns] names none: nothing is pushed, and no device can enroll")
        return
    yield _expiry(credentials)
    yield _topic(credentials.topic, topics)
    for path in (apns.key_file, apns.pkcs12_file, apns.token_key_file, apns.password_file):
        if path is not None and path.stat().st_mode & _OTHERS:
            yield doubtful(what, f"{path} is readable by others; run: chmod 600 {path}")


def _expiry(credentials: PushCredentials) -> Finding:
    what, now = "push certificate", datetime.now(UTC)
    complaint = expiry_complaint(credentials.not_after, now)
    if credentials.not_after is None:
        return good(what, "provider tokens are made with the key, which does not expire")
    if not complaint:
        return good(what, f"it is valid until {credentials.not_after:%Y-%m-%d}")
    return bad(what, complaint) if credentials.not_after <= now else doubtful(what, complaint)


def _topic(topic: str, topics: Mapping[str, int]) -> Finding:
    what = "push topic"
    others = {name: number for name, number in topics.items() if name != topic}
    if others:
        listed = ", ".join(f"{number} with {name}" for name, number in sorted(others.items()))
        return bad(
            what,
            f"the push certificate's topic is {topic}, but enrolled are {listed}; "
            "these devices can't be pushed to",
        )
    number = topics.get(topic, 0)
    return good(what, f"{topic}; {number} device(s) enrolled with it, and none with another one")
