"""
When a device is pushed again that was seen meanwhile.

Randomness is an argument: a function that returns a number from 0 up to 1.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from scepd.apns.retry import Random, next_wish

# A device that comes, though it gets nothing done, is not left alone for longer: half an hour.
_PLACE_OF_REACHABLE = 3
_NOT_NOW = 1800.0
_MOST_NOT_NOW = 4 * 3600.0
_SPREAD = 0.2


def silent_until(
    last_seen: datetime, repeats: int, now: datetime, random: Random
) -> datetime | None:
    """
    Until when a device may stay silent that came after its last push; None: it has been silent for
    long enough.

    :param repeats: pushes that were accepted, the last one included.
    """
    place = min(max(repeats - 1, 0), _PLACE_OF_REACHABLE)
    shortest = timedelta(seconds=next_wish(place, lambda: 0.0))
    if now >= last_seen + shortest:
        return None
    return last_seen + timedelta(seconds=next_wish(place, random))


def after_progress(random: Random) -> timedelta:
    """
    How long a device that finished a command may leave the next one waiting.
    """
    return timedelta(seconds=next_wish(0, random))


def of_reachable(random: Random) -> timedelta:
    """
    How long a device that comes may at most leave a command waiting.
    """
    return timedelta(seconds=next_wish(_PLACE_OF_REACHABLE, random))


def after_not_now(count: int, random: Random) -> timedelta:
    """
    When a device that answered NotNow to everything is asked again: after 30 min, 1 h, 2 h, then
    each 4 h, give or take 20 %.

    :param count: how often the command that was answered so least was.
    """
    base = min(_MOST_NOT_NOW, _NOT_NOW * 2.0 ** (min(max(count, 1), 10) - 1))
    return timedelta(seconds=base * (1 + _SPREAD * (2 * random() - 1)))
