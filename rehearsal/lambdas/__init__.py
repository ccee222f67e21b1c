"""Our functions as they will run: real handlers under the real runtime client, one process each.

Functions that share layers are forked off one process that has imported the layers' libraries, and nothing else;
each then becomes itself (`launch.py`). That process and the unpacked layers are the whole run's (`shelf.py`). What a
cold start costs is `gpuops bench coldstart`'s business.

Left out: concurrency (a function's invocations queue), `/tmp` limits, memory limits, provisioned concurrency,
freezing between invocations. An invocation takes no simulated time by itself, so it is charged a stated one.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
import uuid
from collections.abc import Callable
from pathlib import Path

from rehearsal.clock import Clock
from rehearsal.lambdas.process import TIMED_OUT, FunctionProcess
from rehearsal.lambdas.runtime_api import Answer
from rehearsal.lambdas.sandbox import Credentials, FunctionSpec, Wire, unpack
from rehearsal.lambdas.shelf import shelf
from rehearsal.lambdas.warm import Warm
from rehearsal.wire.faults import Fault, struck_by

__all__ = ["Credentials", "FunctionSpec", "Lambdas", "Wire"]

CHARGE_SECONDS = 1.0  # simulated; about what a small function with two API calls takes


class _Function:
    """A deployed function: its newest code, and the process that runs it."""

    def __init__(self, spec: FunctionSpec) -> None:
        self.spec = spec
        self.process: FunctionProcess | None = None
        self.lock = threading.Lock()
        self.invocations = 0


class Lambdas:
    """All functions of the region by name."""

    def __init__(
        self,
        clock: Clock,
        wire: Callable[[], Wire],
        log_dir: Path,
        *,
        folder: Path | None = None,
        warm: Warm | None = None,
        charge_seconds: float = CHARGE_SECONDS,
    ) -> None:
        """`folder` is made for the functions' code, and removed by `close`; without one it is a temporary folder.

        With `warm` the processes that wait for an event, and their code, are left to whoever comes next.
        """
        self._clock = clock
        self.wire = wire  # asked at each cold start: the wire needs the region, and the region needs us
        self._log_dir, self._warm = log_dir, warm
        self._charge_seconds = charge_seconds
        self._functions: dict[str, _Function] = {}
        self.cold = False
        """Whether each invocation gets a process of its own, which has imported nothing: for who times a cold start."""
        self.faults = list[Fault]()
        """Rules of the wire; those of kind `twice` are honoured here."""
        self._unpacking = threading.Lock()
        self._asynchronous = 0
        self._folder = folder or Path(tempfile.mkdtemp(prefix="gpuops-lambdas-"))
        log_dir.mkdir(parents=True, exist_ok=True)

    def deploy(self, spec: FunctionSpec) -> None:
        """Make this the function's code and configuration; a running invocation ends on the old one."""
        function = self._functions.setdefault(spec.name, _Function(spec))
        with function.lock:
            function.spec = spec
            self._retire(function)

    def remove(self, name: str) -> None:
        """Forget a function; unknown names are fine."""
        function = self._functions.pop(name, None)
        if function:
            with function.lock:
                self._retire(function)

    def names(self) -> list[str]:
        """Every deployed function."""
        return sorted(self._functions)

    def running(self) -> dict[str, int]:
        """The process of each function that has one, by the function's name."""
        found = {name: function.process for name, function in list(self._functions.items())}
        return {name: process.process.pid for name, process in found.items() if process and process.alive}

    def role_of(self, name: str) -> str:
        """ARN of the role of a function, by its name or ARN. Raises: LookupError."""
        return self._function(name).spec.role_arn

    def invoke(self, name: str, payload: bytes) -> Answer:
        """Answer's bytes and, as the X-Amz-Function-Error header has it, the kind of error or None.

        Raises: LookupError when no function has this name or ARN.
        """
        function = self._function(name)
        key = function.spec.name
        twice = struck_by((f for f in self.faults if f.kind == "twice"), key, "lambda", "Invoke")
        with self._clock.lease(f"lambda/{key}"), function.lock:
            answer = self._run(function, payload)
            answer = self._run(function, payload) if twice else answer
        if self._clock.baton.local.lineage is not None:  # a thread of the clock; somebody outside has no time to charge
            self._clock.sleep(self._charge(function, answer), f"lambda/{key}")
        return answer

    def interrupt(self, name: str, how: str) -> None:
        """End the function's invocation that is under way: `killed` or `timed_out`. Raises: LookupError."""
        process = self._function(name).process
        if process is not None:
            process.interrupt(how)

    def _charge(self, function: _Function, answer: Answer) -> float:
        """The simulated seconds that an invocation took: all that it may, if it took too long."""
        late = answer[1] and json.loads(answer[0]).get("errorType") == TIMED_OUT
        return function.spec.timeout_seconds if late else self._charge_seconds

    def start(self, name: str, payload: bytes) -> None:
        """Invoke asynchronously, as invocation type Event does; the answer is dropped."""
        self._asynchronous += 1
        self._clock.call_later(0, f"lambda-event/{name}/{self._asynchronous}", lambda: self.invoke(name, payload))

    def close(self) -> None:
        """End every function's process, in the middle of an invocation too, and remove their code.

        Those that are kept warm and wait for an event are not ended.
        """
        for function in list(self._functions.values()):
            if function.process is not None and not (self._warm and self._left(function, self._warm)):
                function.process.kill()
        for name in self.names():
            self.remove(name)
        if self._warm:
            self._warm.copy_logs(self._log_dir)
            return
        shutil.rmtree(self._folder, ignore_errors=True)

    def _function(self, name: str) -> _Function:
        key = name.rsplit(":function:", 1)[-1].partition(":")[0]
        function = self._functions.get(key)
        if function is None:
            raise LookupError(f"no function {key}: deployed are {', '.join(self.names()) or 'none'}")
        return function

    def _run(self, function: _Function, payload: bytes) -> Answer:
        if self.cold:
            self._retire(function)
        process = self._start(function)
        function.invocations += 1
        request_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{function.spec.arn}/{function.invocations}"))
        return process.invoke(request_id, payload)

    def _start(self, function: _Function) -> FunctionProcess:
        """The function's process; a new one when there is none, or the last one ended."""
        if function.process is None or not function.process.alive:
            self._retire(function)
            function.process = self._awoken(function.spec) or self._launched(function.spec)
        return function.process

    def _awoken(self, spec: FunctionSpec) -> FunctionProcess | None:
        """A process that somebody left warm; the wire is told whose calls its keys sign."""
        if self._warm is None or self.cold:
            return None
        self.wire().credentials(spec.role_arn, spec.name)
        return self._warm.take(spec, self.wire().aws_url)

    def _launched(self, spec: FunctionSpec) -> FunctionProcess:
        """A process that starts cold."""
        log = self._warm.log_of(spec.name) if self._warm else self._log_dir / f"{spec.name}.log"
        with self._unpacking:
            code = unpack(spec.code, self._folder)
        used = {other.spec.layers for other in list(self._functions.values())}
        forks = shelf().fresh(spec.layers) if self.cold else shelf().forks(spec.layers, code, used)
        return FunctionProcess(spec, code, forks, self.wire(), log)

    def _left(self, function: _Function, warm: Warm) -> bool:
        """Whether the process could be left to the next: one in the middle of an invocation cannot."""
        if not function.lock.acquire(blocking=False):
            return False
        process, function.process = function.process, None
        function.lock.release()
        if process is not None:
            warm.leave(process, self.wire().aws_url)
        return True

    @staticmethod
    def _retire(function: _Function) -> None:
        if function.process is not None:
            function.process.close()
            function.process = None
