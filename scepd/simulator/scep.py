"""
``python -m scepd.simulator.scep``: a SCEP client for people and for tests of authorities.

It ends with 0 when there is what was asked for, 1 when the authority refused, 2 when it could not
be asked or its answer is no good, 3 when it has not decided yet.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import BinaryIO, Concatenate, Literal, ParamSpec

import click
from cryptography import x509

from scepd.pki.certificates import summarize
from scepd.scep.attributes import MessageType
from scepd.scep.dialect import Form
from scepd.simulator.failures import DeviceError
from scepd.simulator.http import DeviceHTTP
from scepd.simulator.identity import Identity
from scepd.simulator.patience import NO_PATIENCE, Patience, Waiting
from scepd.simulator.scep_client import SCEPClient
from scepd.simulator.scep_failures import SCEPPending, SCEPRefused
from scepd.simulator.scep_folder import SCEPFolder

DONE, REFUSED, FAILED, PENDING = range(4)
"""
What the program ends with.
"""
_LARGEST_CHALLENGE = 4096
_LONGEST_TEXT = 200
_MESSAGE_TYPES = {
    "auto": None,
    "RenewalReq": MessageType.RENEWAL_REQ,
    "PKCSReq": MessageType.PKCS_REQ,
}
P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class World:
    """
    What is outside of the program.

    :param http: the connection.
    :param waiting: the clock.
    """

    http: DeviceHTTP
    waiting: Waiting


@dataclass(frozen=True, slots=True)
class Place:
    """
    The options that all commands share.

    :param world: where the program runs.
    :param url: of the authority.
    :param folder: of the identity.
    :param form: of a PKIOperation; None for what the authority offers.
    :param allow_des: whether single DES will do.
    :param interval: seconds between two polls.
    :param timeout: seconds to poll for; 0 for no polls.
    """

    world: World
    url: str
    folder: SCEPFolder
    form: Form | None
    allow_des: bool
    interval: float
    timeout: float

    def client(self, patience: Patience = NO_PATIENCE) -> SCEPClient:
        """
        Make a client.

        :param patience: how long it polls.
        :returns: the client.
        """
        return SCEPClient(
            self.url,
            self.world.http,
            waiting=self.world.waiting,
            patience=patience,
            allow_des=self.allow_des,
            form=self.form,
        )

    def patience(self, first: float) -> Patience:
        """
        Tell how long to poll.

        :param first: seconds before the first poll.
        :returns: as the options say.
        """
        return Patience(self.interval, int(self.timeout / self.interval) + 1, self.timeout, first)


def main(
    arguments: Sequence[str] | None = None,
    *,
    connect: Callable[[], DeviceHTTP] = DeviceHTTP,
    waiting: Waiting | None = None,
) -> int:
    """
    Run the program.

    :param arguments: of the command line; None for the process's own.
    :param connect: makes a connection.
    :param waiting: the clock; None for the machine's.
    :returns: what to end with; see above.
    """
    try:
        with contextlib.closing(connect()) as http:
            ended = program.main(
                arguments,
                "scepd.simulator.scep",
                standalone_mode=False,
                obj=World(http, waiting or Waiting()),
            )
    except click.ClickException as error:
        error.show()
        return FAILED
    except click.Abort:
        return FAILED
    except DeviceError as error:
        return _told(error)
    # What --help ends with; the commands themselves return nothing.
    return ended if isinstance(ended, int) else DONE


@click.group(no_args_is_help=False)
def program() -> None:
    """
    Get certificates from a SCEP authority.
    """


def _at_a_place(command: Callable[Concatenate[Place, P], None]) -> Callable[..., None]:
    @wraps(command)
    def at_a_place(
        url: str,
        out: Path,
        form: Literal["auto", "get", "post"],
        allow_des: bool,
        poll_interval: float,
        poll_timeout: float,
        *arguments: P.args,
        **options: P.kwargs,
    ) -> None:
        chosen: Form | None = None if form == "auto" else form
        folder = SCEPFolder(out)
        world = click.get_current_context().obj
        place = Place(world, url, folder, chosen, allow_des, poll_interval, poll_timeout)
        command(place, *arguments, **options)

    for option in reversed(_SHARED):
        at_a_place = option(at_a_place)
    return at_a_place


_SHARED = (
    click.option("--url", required=True, help="Of the authority, without an operation."),
    click.option(
        "--out",
        required=True,
        type=click.Path(file_okay=False, path_type=Path),
        help="Folder of key.pem, certificate.pem and ca.pem.",
    ),
    click.option(
        "--form",
        type=click.Choice(["auto", "get", "post"]),
        default="auto",
        help="HTTP method of a PKIOperation.  [default: what the authority offers]",
    ),
    click.option("--allow-des", is_flag=True, help="Take single DES, as some authorities use it."),
    click.option(
        "--poll-interval",
        type=click.FloatRange(0.1, 86_400),
        default=10.0,
        show_default=True,
        help="Seconds between two polls.",
    ),
    click.option(
        "--poll-timeout",
        type=click.FloatRange(0, 604_800),
        default=0.0,
        show_default=True,
        help="Seconds to poll for, when the authority answers PENDING.",
    ),
)
_CHALLENGE_FILE = click.option(
    "--challenge-file",
    type=click.File("rb"),
    callback=lambda _context, _option, file: _challenge(file),
    help="File that holds the challengePassword.",
)
_KEY_BITS = click.option(
    "--key-bits", type=int, default=2048, show_default=True, help="1024, 2048 or 4096."
)
_IDENTITY = click.option(
    "--renew-from",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the identity that signs.  [default: that of --out]",
)


@program.command()
@click.option("--subject", required=True, help="Such as CN=device,O=Example (RFC 4514).")
@_CHALLENGE_FILE
@_KEY_BITS
@_at_a_place
def enroll(place: Place, subject: str, challenge_file: str, key_bits: int) -> None:
    """
    Get a first certificate.
    """
    try:
        name = x509.Name.from_rfc4514_string(subject)
    except ValueError:
        raise click.BadParameter("not a name, such as CN=device,O=Example") from None
    client = place.client()
    key = client.make_key(key_bits)
    _certify(place, lambda: client.enroll_key(key, name, challenge_file))


@program.command()
@_IDENTITY
@_CHALLENGE_FILE
@_KEY_BITS
@click.option(
    "--message",
    type=click.Choice(list(_MESSAGE_TYPES)),
    default="auto",
    help="What to renew with.  [default: RenewalReq where the authority offers it]",
)
@_at_a_place
def renew(
    place: Place, renew_from: Path | None, challenge_file: str, key_bits: int, message: str
) -> None:
    """
    Get a new certificate for a new key; the old one vouches for it.
    """
    old, client = _identity(place, renew_from), place.client()
    key, kind = client.make_key(key_bits), _MESSAGE_TYPES[message]
    _certify(place, lambda: client.renew(old, key, challenge=challenge_file, message_type=kind))


@program.command()
@_at_a_place
def poll(place: Place) -> None:
    """
    Ask what became of a pending request; at least once.
    """
    request = place.folder.read_pending()
    _store(place, place.client(place.patience(0)).poll(request))


@program.command()
@_IDENTITY
@_at_a_place
def crl(place: Place, renew_from: Path | None) -> None:
    """
    Get the revocation list, into crl.pem.
    """
    found = place.client().get_crl(_identity(place, renew_from))
    place.folder.write_pem("crl.pem", "X509 CRL", [found.der])
    click.echo(f"{found.issuer}: {len(found.serial_numbers)} revoked, {found.this_update}")


@program.command()
@_IDENTITY
@click.option("--serial", required=True, help="Hexadecimal serial number of the certificate.")
@_at_a_place
def cert(place: Place, renew_from: Path | None, serial: str) -> None:
    """
    Get a certificate that the authority issued, into asked.pem.
    """
    try:
        number = int(serial, 16)
    except ValueError:
        raise click.BadParameter("the serial number is not hexadecimal") from None
    found = place.client().get_cert(_identity(place, renew_from), number)
    place.folder.write_pem("asked.pem", "CERTIFICATE", [found])
    _describe(found)


@program.command()
@_at_a_place
def next_ca(place: Place) -> None:
    """
    Get the certificates of the authority's next key, into next-ca.pem.

    A ca.pem in the folder is what they are verified against.
    """
    kept = (place.folder.path / "ca.pem").exists()
    known = place.folder.read_certificates("ca.pem") if kept else ()
    found = place.client().get_next_ca_certificates(known)
    place.folder.write_pem("next-ca.pem", "CERTIFICATE", found)
    for certificate in found:
        _describe(certificate)


def _certify(place: Place, ask: Callable[[], Identity]) -> None:
    try:
        identity = ask()
    except SCEPPending as pending:
        # Kept before anything else, so that an end at any time loses no request.
        place.folder.write_pending(pending.request)
        if not place.timeout:
            raise
        identity = place.client(place.patience(place.interval)).poll(pending.request)
    _store(place, identity)


def _store(place: Place, identity: Identity) -> None:
    place.folder.write_identity(identity)
    authorities = place.client().get_ca_certificates()
    place.folder.write_pem("ca.pem", "CERTIFICATE", authorities)
    _describe(identity.certificate)


def _identity(place: Place, folder: Path | None) -> Identity:
    return (place.folder if folder is None else SCEPFolder(folder)).read_identity()


def _describe(certificate: bytes) -> None:
    found = summarize(certificate)
    click.echo(f"{found.subject}, serial {found.serial}, until {found.not_after}")


def _challenge(file: BinaryIO | None) -> str:
    if file is None:
        return ""
    content = file.read(_LARGEST_CHALLENGE + 1)
    try:
        challenge = content.decode("utf-8").strip("\r\n")
    except UnicodeDecodeError:
        raise click.BadParameter("the file is not UTF-8") from None
    if len(content) > _LARGEST_CHALLENGE or not challenge:
        raise click.BadParameter(f"the file is empty or has over {_LARGEST_CHALLENGE} bytes")
    return challenge


def _told(error: DeviceError) -> int:
    click.echo(str(error), err=True)
    if isinstance(error, SCEPPending):
        click.echo("PENDING")
        return PENDING
    if not isinstance(error, SCEPRefused):
        return FAILED
    click.echo(error.fail_info or "FAILURE")
    if error.text:
        words = "".join(each for each in error.text if each.isprintable())
        click.echo(words[:_LONGEST_TEXT], err=True)
    return REFUSED


if __name__ == "__main__":
    sys.exit(main())
