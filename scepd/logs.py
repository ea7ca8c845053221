"""
Log observers: lines for people, JSON objects for log shippers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Protocol

from twisted.internet.protocol import Factory
from twisted.logger import (
    ILogObserver,
    LogEvent,
    LogLevel,
    formatEvent,
)
from twisted.python.failure import Failure
from zope.interface import implementer

_SCALARS = (str, int, float, bool, type(None))
_LEGACY = "log_legacy"
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def _printable(text: str) -> str:
    """
    ``text`` on one line: what a client sent must not look like a line of ours, or steer a terminal.
    """
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _time(event: LogEvent) -> str:
    stamp = datetime.fromtimestamp(event["log_time"], UTC)
    return stamp.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _level(event: LogEvent) -> str:
    level = event.get("log_level")
    return level.name if level is not None else "info"


def _message(event: LogEvent) -> str:
    # Twisted's older log.err formats the whole traceback, which comes below in our own form.
    if event.get("log_namespace") == _LEGACY and event.get("isError"):
        return str(event.get("why") or "Unhandled error")
    form = event.get("log_format")
    # Twisted's own way takes ten times as long; it knows calls, as in `{name()}`, and never fails.
    if isinstance(form, str):
        try:
            return form.format_map(event)
        except (LookupError, AttributeError, ValueError, TypeError):
            pass
    return formatEvent(event)


def _traceback(event: LogEvent) -> Iterator[str]:
    """
    The lines of an event's traceback, without what may hold secrets: the frames' variables, and all
    but the first line of the exception's text (pydantic goes on with the refused values).
    """
    failure = event.get("log_failure")
    if isinstance(failure, Failure):
        kind = failure.type
        name = f"{kind.__module__}.{kind.__qualname__}" if kind is not None else "unknown"
        text = failure.getErrorMessage().strip().splitlines()[:1]
        yield ": ".join([name, *(_printable(line) for line in text)])
        for function, file, line, *_ in failure.frames:
            yield f"{file}:{line} in {function}"


def text_line(event: LogEvent) -> str:
    """
    An event as a line for people, with its traceback indented below where it has one.

    An event that is an arrow of a sequence begins with the arrow's number, such as ``[B13]``.
    """
    step = f"[{event['step']}] " if event.get("step") else ""
    source = event.get("log_namespace", "-")
    line = f"{_time(event)} {_level(event):5} [{source}] {step}{_message(event)}"
    return "\n    ".join([_printable(line), *_traceback(event)])


def json_line(event: LogEvent) -> str:
    """
    An event as one JSON object: time, level, source, message, and every plain field by its name.
    """
    fields = {
        key: _json_value(value)
        for key, value in event.items()
        if not key.startswith("log_") and isinstance(value, _SCALARS)
    }
    fields |= {
        "time": _time(event),
        "level": _level(event),
        "source": event.get("log_namespace", "-"),
        "message": _message(event),
    }
    traceback = "\n".join(_traceback(event))
    if traceback:
        fields["traceback"] = traceback
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    # What is left of these after json.dumps stands inside of strings.
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _json_value(value: object) -> object:
    # JSON has no NaN and no infinity.
    return str(value) if isinstance(value, float) and value - value != 0 else value


class LogStream(Protocol):
    """
    Where lines go: standard output, or a twistd log file.
    """

    def write(self, data: str, /) -> object:
        """
        Take some text.
        """

    def flush(self) -> object:
        """
        Hold nothing back.
        """


Soon = Callable[[Callable[[], None]], object]
"""
Has a call made soon, such as at the end of the reactor's turn.
"""


@implementer(ILogObserver)
class _LineWriter:
    """
    Hands the lines of one turn of the reactor over together, but what is worse than ``info`` at
    once.
    """

    def __init__(self, stream: LogStream, form: str) -> None:
        self.soon: Soon | None = None
        self._stream = stream
        self._line = json_line if form == "json" else text_line
        self._waits = False

    def __call__(self, event: LogEvent) -> None:
        self._stream.write(self._line(event) + "\n")
        level = event.get("log_level")
        if self.soon is None or level is None or level > LogLevel.info:
            self.flush()
        elif not self._waits:
            self._waits = True
            self.soon(self.flush)

    def flush(self) -> None:
        self._waits = False
        self._stream.flush()


def _is_noise(event: LogEvent) -> bool:
    """
    Whether it is what Twisted tells of every factory and port that begins and ends.
    """
    level = event.get("log_level")
    if level is None or level > LogLevel.info:
        return False
    return event.get("log_namespace") == _LEGACY or isinstance(event.get("log_source"), Factory)


@implementer(ILogObserver)
class LogWriter:
    """
    Writes the events of a level and above to a stream.

    :param form: ``text`` or ``json``.
    :param level: ``debug``, ``info``, ``warn`` or ``error``; ``debug`` has Twisted's noise too.
    """

    def __init__(self, stream: LogStream, form: str, level: str) -> None:
        self._lines = _LineWriter(stream, form)
        self.set_level(level)

    def set_level(self, level: str) -> None:
        """
        Write only events of ``level`` and above from now on.
        """
        self._takes_noise = level == "debug"
        order = [one.name for one in LogLevel.iterconstants()]
        self._written = frozenset(order[order.index(level) :])

    def __call__(self, event: LogEvent) -> None:
        """
        Take an event.
        """
        if self._takes_noise or not _is_noise(event):
            level = event.get("log_level")
            if level is not None and level.name in self._written:
                self._lines(event)

    def tells(self, level: str) -> bool:
        """
        Whether events of that level are written, for who has many of them.
        """
        return level in self._written

    def gather(self, soon: Soon | None) -> None:
        """
        From now on, write the lines of one turn together, at its end; None: each at once.
        """
        self._lines.soon = soon
        self._lines.flush()
