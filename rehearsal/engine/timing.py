"""moto's threads, events, sleeps and dates, put on the clock module by module.

The names are replaced where the interpreter's modules look them up: the rest of moto keeps real threads and time.
"""

import datetime as dt
import importlib
import threading
import time
from typing import Any

from rehearsal.clock import SimEvent, SimThread
from rehearsal.engine.bindings import bound

_PARSER = "moto.stepfunctions.parser"
_COMPONENT = f"{_PARSER}.asl.component"
_STATE = f"{_COMPONENT}.state"
_THREADING = (
    f"{_COMPONENT}.program.program",
    f"{_STATE}.exec.execute_state",
    f"{_STATE}.exec.state_map.iteration.inline_iteration_component",
    f"{_STATE}.exec.state_map.iteration.job",
    f"{_STATE}.exec.state_parallel.branch_worker",
    f"{_STATE}.exec.state_parallel.branches_decl",
    f"{_STATE}.exec.state_task.service.state_task_service_callback",
)
_DATETIME = (
    f"{_PARSER}.models",
    f"{_PARSER}.backend.execution",
    f"{_STATE}.state",
    f"{_STATE}.exec.state_parallel.branches_decl",
    f"{_PARSER}.asl.eval.event.event_manager",
)


class SimDateTime(dt.datetime):
    """A datetime whose now is the clock's, written as Step Functions writes times in the context object."""

    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> "SimDateTime":
        """The clock's time."""
        now = cls.fromtimestamp(bound().clock.now(), dt.UTC)
        return now if tz else now.replace(tzinfo=None)

    def isoformat(self, *_: Any, **__: Any) -> str:
        """As in `2026-11-23T10:30:00.000Z`."""
        return iso(self)


def iso(moment: dt.datetime) -> str:
    """The form of every time that Step Functions hands to a state."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


class _Threading:
    """Stands in for the module `threading`."""

    def __getattr__(self, name: str) -> Any:
        return getattr(threading, name)

    @staticmethod
    def Thread(**options: Any) -> SimThread:  # noqa: N802 - the module's name for it
        return SimThread(bound().clock, **options)

    @staticmethod
    def Event() -> SimEvent:  # noqa: N802
        return SimEvent(bound().clock)


class _Datetime:
    """Stands in for the module `datetime`."""

    datetime = SimDateTime

    def __getattr__(self, name: str) -> Any:
        return getattr(dt, name)


class _Time:
    """Stands in for the module `time`."""

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    @staticmethod
    def sleep(seconds: float) -> None:
        """Sleep on the clock."""
        SimEvent(bound().clock, "sleep").wait(seconds)


def patch_timing() -> None:
    """Replace the names; a module that moves makes the import fail, rather than quietly keep real time."""
    for name in _THREADING:
        _replace(name, "threading", _Threading())
    for name in _DATETIME:
        _replace(name, "datetime", _Datetime())
    _replace(f"{_STATE}.exec.execute_state", "Thread", _Threading.Thread)
    _replace(f"{_PARSER}.asl.eval.callback.callback", "Event", _Threading.Event)
    _replace(f"{_STATE}.exec.state_task.service.state_task_service_callback", "time", _Time())
    _replace("moto.stepfunctions.models", "utcnow", SimDateTime.now)
    _replace(f"{_PARSER}.asl.eval.states", "long_uid", lambda: bound().uuid())


def _replace(module: str, name: str, value: object) -> None:
    loaded = importlib.import_module(module)
    getattr(loaded, name)  # gone: the pin was moved
    setattr(loaded, name, value)
