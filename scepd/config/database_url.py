"""
From ``[storage]`` to the URL with which the database is opened.
"""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from scepd.config.files import read_secret
from scepd.config.infrastructure import StorageSection
from scepd.errors import ConfigurationError


def database_url(storage: StorageSection) -> str:
    """
    The storage URL, with the password of its file if it names one.

    :raises ConfigurationError: the file can't be read, or the URL has no place for its password.
    """
    password = read_secret(storage.password_file, "[storage] password_file")
    if password is None:
        return storage.url
    parts = urlsplit(storage.url)
    if parts.username is None or parts.password is not None:
        raise ConfigurationError(
            "[storage] password_file: allowed only with a url of a user without a password, "
            "postgresql://USER@HOST:PORT/DATABASE"
        )
    user, _, server = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user}:{quote(password, safe='')}@{server}").geturl()
