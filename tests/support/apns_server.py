"""
A double of Apple's push service over TLS with client certificates.

As a program: ``python -m tests.support.apns_server --port 0 --directory DIR``. It makes its
certificates in DIR, prints a line of JSON with its port and files when it listens, and then one for
each push.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from OpenSSL import SSL, crypto
from twisted.internet.ssl import Certificate, CertificateOptions, PrivateCertificate, TLSVersion

from tests.support.apns_certificates import PushFiles
from tests.support.apns_double import APNsDouble
from tests.support.apns_requests import Reply, Request


def tls_options(files: PushFiles) -> CertificateOptions:
    """
    TLS as Apple has it: HTTP/2 only, and a client certificate is asked for.
    """
    pem = files.read("server_certificate") + files.read("server_key")
    server = PrivateCertificate.loadPEM(pem)
    options = CertificateOptions(
        privateKey=server.privateKey.original,
        certificate=server.original,
        trustRoot=Certificate.loadPEM(files.read("ca")),
        acceptableProtocols=[b"h2"],
        raiseMinimumTo=TLSVersion.TLSv1_2,
    )
    must = SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT
    options.getContext().set_verify(must, _keep_verdict)
    return options


def _keep_verdict(
    connection: SSL.Connection, shown: crypto.X509, error: int, depth: int, ok: int
) -> bool:
    return bool(ok)


def main() -> None:
    """
    Run the double as a program.
    """
    from twisted.internet import reactor

    parser = argparse.ArgumentParser(description="A double of Apple's push service.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--interface", default="127.0.0.1")
    parser.add_argument("--directory", type=Path, required=True, help="for its PEM files")
    arguments = parser.parse_args()
    files = PushFiles(arguments.directory)
    files.ensure()
    where = (arguments.port, APNsDouble(on_reply=_print_push), tls_options(files))
    port = reactor.listenSSL(*where, interface=arguments.interface)  # type: ignore[attr-defined]
    names = {name: str(path) for name, path in files.paths.items()}
    _print({"port": port.getHost().port, **names})
    reactor.run()


def _print_push(request: Request, reply: Reply) -> None:
    _print(
        {
            "push": request.token,
            "topic": request.value("apns-topic"),
            "apns_id": request.value("apns-id"),
            "push_magic": request.push_magic,
            "status": reply.status,
        }
    )


def _print(content: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
