"""
``scepctl init``: everything that scepd needs before its first start.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

import click

from scepd import config
from scepd.config import Configuration
from scepd.ctl.failures import Refused
from scepd.errors import Conflict, KeyringError, ScepdError
from scepd.model import APIToken
from scepd.pki.keyring import Keyring, new_keyring_line
from scepd.storage.bootstrap import add_first_token

_FIRST_KEY = "k1"
_TOKEN_BYTES = 32
_KEYRING_COMMENT = """\
# The keys that encrypt secrets in scepd's database, a line `id:base64(32 bytes)` each; the first
# encrypts. Keep a copy in a safe place: without it the stored challenges are lost.
"""
_NEXT_STEPS = """\

Next:
  1. Set external_url in {settings} to the URL under which devices reach this server.
  2. Keep a copy of {keyring} in a safe place, apart from backups of the database.
  3. twistd -n --pidfile= scepd --config {settings}
  4. scepctl --token-file {token} ca add NAME --url URL --challenge-file FILE
  5. With a push certificate in [apns]: scepctl --token-file {token} enroll-token create --name N
"""


@click.command("init", epilog="\b\nExample:\n  scepctl init --directory /etc/scepd\n")
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("etc"),
    show_default=True,
    help="Where scepd.toml, keyring and admin.token are written.",
)
def init(directory: Path) -> None:
    """
    Write the configuration, the keyring and the first API token, and make the database.

    Nothing that exists is overwritten, so that it may be run again. All files are readable by their
    owner alone.
    """
    try:
        settings, keyring, token = _set_up(directory)
    except ScepdError as error:
        raise Refused(str(error)) from None
    except OSError as error:
        raise Refused(f"{error.filename}: {error.strerror}") from None
    click.echo(_NEXT_STEPS.format(settings=settings, keyring=keyring, token=token))


def _set_up(directory: Path) -> tuple[Path, Path, Path]:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings, token = directory / "scepd.toml", directory / "admin.token"
    _provide(settings, files("scepd").joinpath("sample", "scepd.toml").read_text("utf-8"))
    configuration = config.load(settings)
    keyring = configuration.secrets.keyring_file
    line = new_keyring_line(_FIRST_KEY, secrets.token_bytes)
    _provide(keyring, f"{_KEYRING_COMMENT}{line}\n")
    try:
        Keyring.parse(keyring.read_text("utf-8"))
    except KeyringError as error:
        raise Refused(f"{keyring}: {error}") from None
    _provide_token(token, configuration)
    return settings, keyring, token


def _provide_token(path: Path, configuration: Configuration) -> None:
    # The database takes the token first: a token file always holds one that the server knows.
    kept = path.exists()
    text = path.read_text("ascii").strip() if kept else secrets.token_urlsafe(_TOKEN_BYTES)
    if not text:
        raise Refused(f"{path}: it is empty; remove it and run this again")
    digest = sha256(text.encode()).hexdigest()
    record = APIToken(digest, "admin", "admin", datetime.now(UTC))
    with suppress(Conflict):
        add_first_token(config.database_url(configuration.storage), record)
    _provide(path, f"{text}\n")


def _provide(path: Path, text: str) -> None:
    """
    Write a file that only its owner may read, unless it exists.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        click.echo(f"kept   {path}")
        return
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    click.echo(f"wrote  {path}")
