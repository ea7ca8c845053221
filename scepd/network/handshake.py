"""
What goes wrong with TLS, in words that an operator can act on.
"""

from __future__ import annotations

from OpenSSL import SSL
from twisted.python.failure import Failure

from scepd.errors import UpstreamError

_REFUSED_US = "it does not accept our client certificate"

# Parts of OpenSSL's reasons, the first that fits counts; alerts are what the server says of us.
_REASONS = (
    ("alert certificate required", "it wants a client certificate"),
    ("alert bad certificate", f"{_REFUSED_US} (bad certificate)"),
    ("alert unsupported certificate", f"{_REFUSED_US} (unsupported certificate)"),
    ("alert certificate revoked", f"{_REFUSED_US} (it is revoked)"),
    ("alert certificate expired", f"{_REFUSED_US} (it has expired)"),
    ("alert certificate unknown", f"{_REFUSED_US} (certificate unknown)"),
    ("alert unknown ca", f"{_REFUSED_US} (its issuer is not trusted there)"),
    ("alert decrypt error", f"{_REFUSED_US} (its signature does not verify)"),
    ("alert access denied", f"{_REFUSED_US} (access denied)"),
    (
        "alert handshake failure",
        "it refused the handshake: no cipher in common, or it wants a client certificate "
        "that it did not get",
    ),
    ("alert protocol version", "no TLS version in common"),
    ("unsupported protocol", "no TLS version in common"),
    ("unexpected version", "no TLS version in common"),
    ("alert insufficient security", "no cipher in common that is strong enough for it"),
    ("no shared cipher", "no cipher in common"),
    ("alert unrecognized name", "it does not know this host name"),
    ("unrecognized name", "it does not know this host name"),
    ("alert no application protocol", "it does not speak HTTP/1.1"),
    ("wrong version number", "it does not speak TLS"),
    ("packet length too long", "it does not speak TLS"),
    ("http request", "it does not speak TLS"),
    ("key too small", "its certificate or key exchange is too weak (key too small)"),
    ("md too weak", "its certificate or key exchange is too weak (digest too weak)"),
)


def handshake_complaint(reason: Failure) -> str:
    """
    What was wrong with a TLS handshake, in the middle of a sentence.
    """
    error = reason.value
    if isinstance(error, UpstreamError):
        return error.sentence
    texts = _reasons_of(error)
    if texts is None:
        return "the connection was closed during the handshake"
    return _explained(texts) or ", ".join(texts) or "the handshake failed"


def alert_complaint(reason: Failure) -> str | None:
    """
    What the server said of us by a TLS alert; None: there was none.

    A server of TLS 1.3 looks at a client certificate only when the handshake is over for us.
    """
    texts = _reasons_of(reason.value) or ()
    if not any(" alert " in f" {text} " for text in texts):
        return None
    return _explained(texts) or ", ".join(texts)


def _explained(texts: tuple[str, ...]) -> str | None:
    for part, complaint in _REASONS:
        if any(part in text for text in texts):
            return complaint
    return None


def _reasons_of(error: BaseException | None) -> tuple[str, ...] | None:
    if isinstance(error, SSL.Error) and error.args and isinstance(error.args[0], list):
        return tuple(str(entry[-1]) for entry in error.args[0])
    return None
