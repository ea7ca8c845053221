"""
What of a changed configuration a running scepd does not use.
"""

from __future__ import annotations

from collections.abc import Iterator

from scepd.config.loading import Configuration

_READ_AGAIN = {
    "apns": frozenset(
        {
            "certificate_file",
            "key_file",
            "pkcs12_file",
            "password_file",
            "token_key_file",
            "token_key_id",
            "token_team_id",
            "token_topic",
            "accept_new_topic",
        }
    ),
    "log": frozenset({"level"}),
}


def waiting_changes(running: Configuration, read: Configuration) -> Iterator[str]:
    """
    Yield each key whose new value needs a restart, such as ``[profiles] tick``.

    :param running: what scepd was started with.
    :param read: what SIGHUP found.
    """
    for section in Configuration.model_fields:
        old, new = getattr(running, section), getattr(read, section)
        for key in type(old).model_fields:
            is_read_again = key in _READ_AGAIN.get(section, ())
            if not is_read_again and getattr(old, key) != getattr(new, key):
                yield f"[{section}] {key}"
