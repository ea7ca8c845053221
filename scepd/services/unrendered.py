"""
Commands that scepd fails to make, by a fault of its own: they let the others go first, and end when
they fail for long.
"""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from scepd.metrics import Metrics
from scepd.model import OfferRule, Offers, QueuedCommand, RowEvent
from scepd.ports import CommandStore
from scepd.profiles.lifecycle import Event
from scepd.services.clock import utc_now
from scepd.services.unanswered import Unanswered

_log = Logger()


class TextWithheld(Exception):
    """
    Stands in the log for an exception whose text may quote what a profile holds, such as a
    challenge; its own text names that exception's class.
    """


class Unrendered:
    """
    Counts the failures to make a command.

    :param rule: when they are enough.
    """

    def __init__(
        self,
        commands: CommandStore,
        unanswered: Unanswered,
        clock: IReactorTime,
        rule: OfferRule,
        metrics: Metrics,
    ) -> None:
        self._commands = commands
        self._unanswered = unanswered
        self._clock = clock
        self._rule = rule
        self._metrics = metrics

    async def failed(self, command: QueuedCommand, host_uuid: str, error: BaseException) -> None:
        """
        Tell of one more failure, and count it; the last one ends the command as if its device had
        reported an Error. A fault that passes, passes long before.

        :param command: as it was read last.
        :raises StorageUnavailable: it was not counted.
        """
        _log.failure(
            "Failed to make {type} for host {host} (command {command}); others go first",
            _without_text(error),
            type=command.request_type,
            host=host_uuid,
            command=command.uuid,
            profile=command.profile_uuid,
        )
        self._metrics.command_failures.inc()
        now = utc_now(self._clock)
        offers = command.offers.and_failure(now)
        reason = _sentence(offers, error)
        if self._rule.is_hopeless(offers, now):
            await self._unanswered.give_up(command, host_uuid, reason)
            return
        event = None
        if command.profile_uuid is not None and not command.renews_identity:
            event = RowEvent(host_uuid, command.profile_uuid, Event.RENDERING_FAILED, reason)
        await self._commands.rendering_failed(command.uuid, now, reason, event)


def _sentence(offers: Offers, error: BaseException) -> str:
    times = "once" if offers.failures == 1 else f"{offers.failures} times"
    return (
        f"could not be made, {times} since {offers.failing_since:%Y-%m-%dT%H:%M:%SZ}"
        f" ({type(error).__name__}): a fault of scepd, whose log has the traceback"
    )


def _without_text(error: BaseException) -> Failure:
    kind = type(error)
    named = TextWithheld(f"{kind.__module__}.{kind.__qualname__}")
    return Failure(named, TextWithheld, error.__traceback__)
