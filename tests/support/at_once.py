"""
Coroutines that need no time, as calls.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

T = TypeVar("T")


def at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """
    The result of a coroutine that ends before this returns.

    :raises Exception: what it raised.
    :raises AssertionError: it waits for something.
    """
    found: list[T] = []
    failed: list[BaseException] = []
    deferred = Deferred.fromCoroutine(coroutine)
    deferred.addCallbacks(found.append, lambda failure: failed.append(failure.value))
    if failed:
        raise failed[0]
    if not found:
        deferred.cancel()
        raise AssertionError("it takes time")
    return found[0]
