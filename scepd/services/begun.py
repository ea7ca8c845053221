"""
Coroutines that mostly end where they begin: a Deferred is made for those that have to wait.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from types import coroutine as generator_coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

T = TypeVar("T")


def begin(
    work: Coroutine[Deferred[Any], Any, T],
    on_result: Callable[[T], object],
    on_failure: Callable[[Failure], object],
) -> None:
    """
    Do work, at once as far as it goes.

    :param work: may wait for Deferreds.
    :param on_result: told of what it returned.
    :param on_failure: told of what it raised; neither of them may raise anything.
    """
    try:
        awaited = work.send(None)
    except StopIteration as done:
        on_result(done.value)
    except Exception:  # noqa: BLE001 - it belongs to on_failure
        on_failure(Failure())
    else:
        Deferred.fromCoroutine(_rest(work, awaited)).addCallbacks(on_result, on_failure)


@generator_coroutine
def _rest(
    work: Coroutine[Deferred[Any], Any, T], awaited: Deferred[Any]
) -> Generator[Deferred[Any], Any, T]:
    """
    What is left of work that waits for a Deferred.
    """
    while True:
        try:
            try:
                sent = yield awaited
            except BaseException as error:  # noqa: BLE001 - it belongs to the work
                awaited = work.throw(error)
            else:
                awaited = work.send(sent)
        except StopIteration as done:
            result: T = done.value
            return result
