"""
Tests for the log's two forms.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.error import ConnectionLost
from twisted.internet.protocol import Factory
from twisted.logger import Logger, LogLevel, LogPublisher, globalLogPublisher
from twisted.python.failure import Failure
from twisted.python.log import LogPublisher as LegacyPublisher
from twisted.trial.unittest import SynchronousTestCase

from scepd.logs import LogWriter

_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


class _Log:
    """
    A writer and a logger that reports to it.
    """

    def __init__(self, form: str = "text", level: str = "info") -> None:
        self.stream = StringIO()
        self.writer = LogWriter(self.stream, form, level)
        self.publisher = LogPublisher(self.writer)
        self.logger = Logger("scepd.example", observer=self.publisher)

    @property
    def lines(self) -> list[str]:
        """
        What was written. Only newlines end a line.
        """
        return self.stream.getvalue().split("\n")[:-1]

    @property
    def objects(self) -> list[dict[str, object]]:
        """
        The same, read as JSON.
        """
        return [json.loads(line, parse_constant=_refuse) for line in self.lines]


def _refuse(name: str) -> object:
    raise AssertionError(f"{name} is not JSON")


def _failure(error: Exception) -> Failure:
    def raise_it(challenge: str) -> None:
        raise error

    try:
        raise_it("local-s3cret")
    except type(error):
        failure = Failure()
    return failure


class TextTests(SynchronousTestCase):
    """
    Tests of lines for people.
    """

    def test_line(self) -> None:
        """
        A line has time, level, source and message.
        """
        log = _Log()
        log.logger.warn("Refused {address}", address="192.0.2.1")
        self.assertRegex(log.lines[0], rf"^{_TIME} warn  \[scepd\.example\] Refused 192\.0\.2\.1$")

    def test_step(self) -> None:
        """
        An arrow of a sequence begins with its number; an empty step is none.
        """
        log = _Log()
        log.logger.info("GetCACaps, device to scepd", step="B13")
        log.logger.info("GetNextCACert, device to scepd", step="")
        self.assertIn("] [B13] GetCACaps, device to scepd", log.lines[0])
        self.assertIn("[scepd.example] GetNextCACert", log.lines[1])

    def test_forged_lines(self) -> None:
        """
        What a client sent can neither begin a line nor steer a terminal.
        """
        log = _Log()
        log.logger.info("Path {path}", path="a\n2026-01-01T00:00:00.000Z info\r\x1b[2J\x85\u2028b")
        self.assertEqual(len(log.lines), 1)
        self.assertIn(r"a\n2026-01-01T00:00:00.000Z info\r\x1b[2J\x85\u2028b", log.lines[0])

    @given(st.text(st.characters(), max_size=50))
    def test_any_text(self, text: str) -> None:
        """
        Any text is one line that can be encoded.
        """
        for form in ("text", "json"):
            log = _Log(form)
            log.logger.info("{text}", text=text, step=text)
            self.assertEqual(len(log.lines), 1)
            log.lines[0].encode("utf-8")
            self.assertEqual(len(log.lines[0].splitlines()), 1)

    def test_traceback(self) -> None:
        """
        A traceback stands below, indented: the exception and where it came from.
        """
        log = _Log()
        log.logger.failure("Exchange {exchange} failed", _failure(ValueError("odd")), exchange="e1")
        first, *rest = log.lines
        self.assertRegex(first, rf"^{_TIME} critical \[scepd\.example\] Exchange e1 failed$")
        self.assertEqual(rest[0], "    builtins.ValueError: odd")
        self.assertRegex(rest[-1], r"^    .*test_logs\.py:\d+ in raise_it$")

    def test_secrets_in_tracebacks(self) -> None:
        """
        It shows no variables, and of the exception's text the first line only.
        """
        error = ValueError("1 validation error for CA\nchallenge\n  input_value='text-s3cret'")
        for form in ("text", "json"):
            log = _Log(form)
            log.logger.failure("Failed", _failure(error))
            self.assertIn("1 validation error for CA", log.stream.getvalue())
            self.assertNotIn("s3cret", log.stream.getvalue())

    def test_failure_without_text(self) -> None:
        """
        An exception without a text, or without frames, is shown by its name.
        """
        log = _Log()
        log.logger.failure("Failed", Failure(ValueError()))
        log.logger.failure("Failed", Failure(ConnectionLost()))
        self.assertEqual(log.lines[1], "    builtins.ValueError")
        self.assertIn("    twisted.internet.error.ConnectionLost: ", log.lines[3])

    def test_older_errors(self) -> None:
        """
        What Twisted reports by its older ``log.err`` has the same form.
        """
        log = _Log()
        legacy = LegacyPublisher(publishPublisher=log.publisher)
        failure = _failure(ValueError("odd\ntext-s3cret"))
        legacy.msg(failure=failure, why="While reading", isError=1)
        legacy.msg(failure=failure, isError=1)
        self.assertNotIn("s3cret", log.stream.getvalue())
        heads = [line for line in log.lines if not line.startswith("    ")]
        self.assertTrue(heads[0].endswith("While reading"), heads)
        self.assertTrue(heads[1].endswith("Unhandled error"), heads)


class JSONTests(SynchronousTestCase):
    """
    Tests of objects for log shippers.
    """

    def test_object(self) -> None:
        """
        An object has time, level, source, message, and the plain fields by their names.
        """
        log = _Log("json")
        log.logger.info("Issued {serial}", serial=7, step="B24", host="h", ok=True, thing=object())
        (event,) = log.objects
        self.assertRegex(str(event.pop("time")), f"^{_TIME}$")
        self.assertEqual(
            event,
            {
                "level": "info",
                "source": "scepd.example",
                "message": "Issued 7",
                "serial": 7,
                "step": "B24",
                "host": "h",
                "ok": True,
            },
        )

    def test_reserved_names(self) -> None:
        """
        A field can't take the place of time, level, source or message.
        """
        log = _Log("json")
        log.logger.info("Said", source="none", message="none", time="none")
        (event,) = log.objects
        self.assertEqual(
            (event["level"], event["source"], event["message"]), ("info", "scepd.example", "Said")
        )

    def test_numbers(self) -> None:
        """
        Numbers that JSON does not know become texts.
        """
        log = _Log("json")
        log.logger.info("", a=float("inf"), b=float("nan"), c=1.5)
        (event,) = log.objects
        self.assertEqual((event["a"], event["b"], event["c"]), ("inf", "nan", 1.5))

    @given(st.text(st.characters(exclude_categories=["Cs"]), max_size=50))
    def test_any_text(self, text: str) -> None:
        """
        A text comes out of the JSON as it went in.
        """
        log = _Log("json")
        log.logger.info("{text}", text=text)
        (event,) = log.objects
        self.assertEqual((event["text"], event["message"]), (text, text))

    def test_traceback(self) -> None:
        """
        A traceback is a field.
        """
        log = _Log("json")
        log.logger.failure("Failed", _failure(ValueError("odd")))
        (event,) = log.objects
        self.assertRegex(
            str(event["traceback"]), r"^builtins\.ValueError: odd\n(.|\n)+ in raise_it$"
        )


class LevelTests(SynchronousTestCase):
    """
    Tests of what is written at all.
    """

    def test_levels(self) -> None:
        """
        Events of the level and above are written; the level can be changed.
        """
        log = _Log(level="warn")
        for level in LogLevel.iterconstants():
            log.logger.emit(level, "at {log_level.name}")
        self.assertEqual(
            [line.rpartition(" ")[2] for line in log.lines], ["warn", "error", "critical"]
        )
        log.writer.set_level("debug")
        log.logger.debug("now")
        self.assertEqual(len(log.lines), 4)

    def test_noise(self) -> None:
        """
        What Twisted tells of factories and ports is written at debug only; its errors always are.
        """
        for level, expected in {"info": 1, "debug": 4}.items():
            log = _Log(level=level)
            self._make_noise(log)
            self.assertEqual(len(log.lines), expected, log.lines)

    def _make_noise(self, log: _Log) -> None:
        class Quiet(Factory):
            pass

        factory = Quiet()
        logger = Logger("any.Quiet", source=factory, observer=log.publisher)
        logger.info("Starting factory {factory!r}", factory=factory)
        logger.error("Failed")
        legacy = LegacyPublisher(publishPublisher=log.publisher)
        legacy.msg("Quiet starting on 8080")
        legacy.msg("(TCP Port 8080 Closed)")

    def test_twisted_still_marks_its_noise(self) -> None:
        """
        A real factory's events have the factory as their source, by which they are known.
        """
        log = _Log()
        noisy = _Log(level="debug")
        for each in (log, noisy):
            globalLogPublisher.addObserver(each.writer)
        try:
            Factory().doStart()
        finally:
            for each in (log, noisy):
                globalLogPublisher.removeObserver(each.writer)
        self.assertEqual(log.lines, [])
        self.assertIn("Starting factory", noisy.lines[0])


class _Flushed(StringIO):
    """
    A stream that counts how often it was flushed.
    """

    flushes = 0

    def flush(self) -> None:
        """
        Count.
        """
        self.flushes += 1
        super().flush()


class GatheringTests(SynchronousTestCase):
    """
    Tests of lines that are written together.
    """

    def setUp(self) -> None:
        """
        A log whose lines wait for the end of the turn.
        """
        self.log = _Log()
        self.stream = self.log.stream = _Flushed()
        self.log.writer = LogWriter(self.stream, "text", "info")
        self.log.logger = Logger("scepd.example", observer=self.log.writer)
        self.turn: list[Callable[[], None]] = []
        self.log.writer.gather(self.turn.append)
        self.stream.flushes = 0

    def test_one_turn(self) -> None:
        """
        The lines of a turn are flushed once, at its end.
        """
        for number in range(3):
            self.log.logger.info("line {number}", number=number)
        self.assertEqual((self.stream.flushes, len(self.turn)), (0, 1))
        self.turn.pop()()
        self.assertEqual((self.stream.flushes, len(self.log.lines)), (1, 3))
        self.log.logger.info("next turn")
        self.assertEqual(len(self.turn), 1)

    def test_warning(self) -> None:
        """
        What is worse than info does not wait, nor what came before it.
        """
        self.log.logger.info("before")
        self.log.logger.warn("now")
        self.assertEqual((self.stream.flushes, len(self.log.lines)), (1, 2))

    def test_ended(self) -> None:
        """
        When nobody tells of turns any more, each line goes at once.
        """
        self.log.logger.info("waits")
        self.log.writer.gather(None)
        self.log.logger.info("goes")
        self.assertEqual(self.stream.flushes, 2)

    def test_levels(self) -> None:
        """
        What is written is known beforehand.
        """
        told = [self.log.writer.tells(level) for level in ("debug", "info", "warn", "error")]
        self.assertEqual(told, [False, True, True, True])
