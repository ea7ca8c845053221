"""
Reading the files that a configuration names.
"""

from __future__ import annotations

from pathlib import Path

from scepd.errors import ConfigurationError


def read_file(path: Path, name: str) -> bytes:
    """
    The content of a file.

    :param name: section and key, for the sentence about what is wrong.
    :raises ConfigurationError: it can't be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{name}: {path}: can't be read: {error.strerror}") from None


def read_secret(path: Path | None, name: str) -> str | None:
    """
    The text of a file without white space at its ends; None: there is no file.

    :raises ConfigurationError: it can't be read, is not UTF-8, or empty.
    """
    if path is None:
        return None
    try:
        text = read_file(path, name).decode("utf-8").strip()
    except UnicodeDecodeError:
        raise ConfigurationError(f"{name}: {path}: it is not UTF-8") from None
    if not text:
        raise ConfigurationError(f"{name}: {path}: the file is empty")
    return text
