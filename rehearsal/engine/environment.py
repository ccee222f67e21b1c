"""How an execution ends, and what that interrupts: waits, retry delays, children.

moto lets a late failure of a branch overwrite ABORTED or TIMED_OUT, and wakes only plain Wait states.
"""

import datetime as dt
from typing import Any

from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.common.retry.max_attempts_decl import MaxAttemptsOutcome
from moto.stepfunctions.parser.asl.component.common.retry.retrier_outcome import RetrierOutcome
from moto.stepfunctions.parser.asl.component.eval_component import EvalComponent
from moto.stepfunctions.parser.asl.component.program import program
from moto.stepfunctions.parser.asl.component.state.wait.wait_function import timestamp, wait_function
from moto.stepfunctions.parser.asl.eval.environment import Environment

from rehearsal.clock import SimEvent
from rehearsal.engine.bindings import bound

_ENDINGS = ("set_ended", "set_error", "set_timed_out", "set_stop")


def on_end(env: Any) -> dict[SimEvent, None]:
    """The events to set when `env` ends; in order of registration."""
    found: dict[SimEvent, None] = env.__dict__.setdefault("rehearsal_on_end", {})
    return found


def wait_in(env: Any, event: SimEvent, seconds: float | None = None) -> bool:
    """Wait for the event, or the end of `env`, or the time-out (then False)."""
    on_end(env)[event] = None
    try:
        return event.wait(seconds) if env.is_running() else True
    finally:
        del on_end(env)[event]


def pause(env: Any, seconds: float) -> None:
    """Let simulated time pass, unless `env` ends before."""
    wait_in(env, SimEvent(bound().clock, "pause"), seconds)


def patch_environment() -> None:
    """Endings are final, and wake whoever waits."""
    for name in _ENDINGS:
        setattr(Environment, name, _final(getattr(Environment, name)))
    wait_function.WaitFunction._wait_interval = lambda _, env, wait_seconds: pause(env, wait_seconds)
    timestamp.Timestamp._get_wait_seconds = _seconds_until
    retrier_decl.RetrierDecl._eval_body = _retry
    original = program.Program.eval
    program.Program.eval = lambda self, env: _run(self, env, original)


def _final(original: Any) -> Any:
    def end(self: Any, *args: Any, **options: Any) -> None:
        if self.is_running():
            original(self, *args, **options)
            for event in list(on_end(self)):
                event.set()

    return end


def _seconds_until(self: Any, env: Any) -> float:
    """Not cut to whole seconds as in moto, where a state goes on before its time."""
    self.string.eval(env=env)
    text = env.stack.pop()
    if not self._is_valid_timestamp_pattern(text):
        raise timestamp.FailureEventException(self._create_failure_event(env, text))
    return dt.datetime.fromisoformat(text).timestamp() - bound().clock.now()


def _retry(self: Any, env: Any) -> None:
    self.error_equals.eval(env)
    if not env.stack.pop():
        env.stack.append(RetrierOutcome.Skipped)
        return
    self.max_attempts.eval(env=env)
    if env.stack.pop() == MaxAttemptsOutcome.EXHAUSTED:
        env.stack.append(RetrierOutcome.Failed)
        return
    for delay in (self.interval_seconds, self.backoff_rate, self.max_delay_seconds):
        delay.eval(env=env)
    seconds = env.stack.pop()
    jitter = self.jitter_strategy.jitter_strategy.name == "FULL"
    pause(env, seconds * bound().fraction() if jitter else seconds)
    env.stack.append(RetrierOutcome.Executed)


def _run(self: Any, env: Any, original: Any) -> None:
    """A program without a time-out needs no thread of its own."""
    if self.timeout_seconds is not None:
        original(self, env)
        return
    if env._program_state is not None and not env.is_running():
        return
    env.next_state_name = self.start_at.start_at_name
    EvalComponent.eval(self, env)
