"""
``python -m scepd.simulator.scep``: a SCEP client for people and for tests of authorities.

It ends with 0 when there is what was asked for, 1 when the authority refused, 2 when it could not
be asked or its answer is no good, 3 when it has not decided yet.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click
from cryptography import x509

from scepd.pki.certificates import summarize
from scepd.scep.attributes import MessageType
from scepd.simulator.failures import DeviceError
from scepd.simulator.http import DeviceHTTP
from scepd.simulator.identity import Identity
from scepd.simulator.patience import Waiting
from scepd.simulator.scep_failures import SCEPPending, SCEPRefused
from scepd.simulator.scep_folder import SCEPFolder
from scepd.simulator.scep_options import (
    CHALLENGE_FILE,
    IDENTITY,
    KEY_BITS,
    Place,
    World,
    at_a_place,
)

DONE, REFUSED, FAILED, PENDING = range(4)
"""
What the program ends with.
"""
_LONGEST_TEXT = 200
_MESSAGE_TYPES = {
    "auto": None,
    "RenewalReq": MessageType.RENEWAL_REQ,
    "PKCSReq": MessageType.PKCS_REQ,
}


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


@program.command()
@click.option("--subject", required=True, help="Such as CN=device,O=Example (RFC 4514).")
@CHALLENGE_FILE
@KEY_BITS
@at_a_place
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
@IDENTITY
@CHALLENGE_FILE
@KEY_BITS
@click.option(
    "--message",
    type=click.Choice(list(_MESSAGE_TYPES)),
    default="auto",
    help="What to renew with.  [default: RenewalReq where the authority offers it]",
)
@at_a_place
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
@at_a_place
def poll(place: Place) -> None:
    """
    Ask what became of a pending request; at least once.
    """
    request = place.folder.read_pending()
    authorities = place.client().get_ca_certificates()
    _store(place, place.client(place.patience(0)).poll(request), authorities)


@program.command()
@IDENTITY
@at_a_place
def crl(place: Place, renew_from: Path | None) -> None:
    """
    Get the revocation list, into crl.pem.
    """
    found = place.client().get_crl(_identity(place, renew_from))
    place.folder.write_pem("crl.pem", "X509 CRL", [found.der])
    click.echo(f"{found.issuer}: {len(found.serial_numbers)} revoked, {found.this_update}")


@program.command()
@IDENTITY
@click.option("--serial", required=True, help="Hexadecimal serial number of the certificate.")
@at_a_place
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
@at_a_place
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
    # Asked for first, so that nothing can fail once there is a certificate.
    authorities = place.client().get_ca_certificates()
    try:
        identity = ask()
    except SCEPPending as pending:
        # Kept before anything else, so that an end at any time loses no request.
        place.folder.write_pending(pending.request)
        if not place.timeout:
            raise
        identity = place.client(place.patience(place.interval)).poll(pending.request)
    _store(place, identity, authorities)


def _store(place: Place, identity: Identity, authorities: Sequence[bytes]) -> None:
    place.folder.write_identity(identity)
    place.folder.write_pem("ca.pem", "CERTIFICATE", authorities)
    _describe(identity.certificate)


def _identity(place: Place, folder: Path | None) -> Identity:
    return (place.folder if folder is None else SCEPFolder(folder)).read_identity()


def _describe(certificate: bytes) -> None:
    found = summarize(certificate)
    click.echo(f"{found.subject}, serial {found.serial}, until {found.not_after}")


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
