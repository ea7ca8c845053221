"""
Whether so many devices have the wrong token that it can't be the devices.
"""

from __future__ import annotations

from collections import deque


class WrongTokens:
    """
    Judges the share of BadDeviceToken and DeviceTokenNotForTopic in the answers of a window. Time
    is an argument, and grows.

    :param window: seconds.
    :param share: of all answers in the window, from which on there is something wrong.
    :param least: wrong ones below which nothing is said: single devices are restored from backups.
    """

    def __init__(self, window: float = 600.0, share: float = 0.2, least: int = 20) -> None:
        self._slot = window / _SLOTS
        self._share = share
        self._least = least
        # (number of the slot, all answers in it, wrong ones), the oldest first.
        self._slots: deque[list[int]] = deque(maxlen=_SLOTS)

    def answered(self, now: float, count: int, wrong: int = 0) -> None:
        """
        So many answers came, of which so many said that a token is wrong.
        """
        number = int(now // self._slot)
        if not self._slots or self._slots[-1][0] != number:
            self._slots.append([number, 0, 0])
        self._slots[-1][1] += count
        self._slots[-1][2] += wrong

    def judged(self, now: float) -> tuple[int, int]:
        """
        All answers and wrong ones of the window that ends now.
        """
        first = int(now // self._slot) - _SLOTS + 1
        recent = [slot for slot in self._slots if slot[0] >= first]
        return sum(slot[1] for slot in recent), sum(slot[2] for slot in recent)

    def alarming(self, now: float) -> bool:
        """
        Whether these are too many.
        """
        count, wrong = self.judged(now)
        return wrong >= self._least and wrong >= self._share * count


_SLOTS = 20
