"""Runs something on the clock and waits for it off the clock: the one way in for whoever has no simulated thread."""

import threading
from collections.abc import Callable
from typing import TypeVar

from rehearsal.clock import Clock, ClockStopped, SimThread

T = TypeVar("T")


def perform(clock: Clock, act: Callable[[], T]) -> T:
    """Run `act` as the simulated thread of the director, and wait for it in real time; Ctrl-C ends the wait.

    Raises: whatever `act` raises.
    """
    answer: list[T] = []
    failure: list[BaseException] = []
    done = threading.Event()

    def run() -> None:
        try:
            answer.append(act())
        except (Exception, ClockStopped) as error:  # noqa: BLE001 - raised again by whoever waits
            failure.append(error)
        finally:
            done.set()

    SimThread(clock, run, key="director").start()
    while not done.wait(0.2):
        pass
    if failure:
        raise failure[0]
    return answer[0]
