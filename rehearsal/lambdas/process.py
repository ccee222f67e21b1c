"""One warm process of a function: the real `awslambdaric` over our Runtime API, with Lambda's own failures.

A timeout kills the process and answers `Sandbox.Timedout`; a process that ends by itself answers
`Runtime.ExitError`: the texts are Lambda's, because state machines and people match them.
"""

from __future__ import annotations

import contextlib
import json
import queue
import threading
from pathlib import Path

from rehearsal.lambdas.forks import IMPORT_SECONDS, Forks
from rehearsal.lambdas.runtime_api import UNHANDLED, Answer, Invocation, RuntimeApi
from rehearsal.lambdas.sandbox import FunctionSpec, Wire, environment

TIMED_OUT = "Sandbox.Timedout"


class FunctionProcess:
    """Started cold by its first invocation, then kept warm until it fails or is closed."""

    def __init__(self, spec: FunctionSpec, code: Path, forks: Forks, wire: Wire, log: Path) -> None:
        self.spec = spec
        self._api = RuntimeApi()
        variables = environment(spec, [code, *forks.paths], wire, self._api.address)
        self.process = forks.start(code, variables, log)
        self._request_id, self._late = "", False
        threading.Thread(target=self._watch, name=f"watch-{spec.name}", daemon=True).start()

    @property
    def alive(self) -> bool:
        """Whether the next invocation finds it warm."""
        return self.process.alive

    def invoke(self, request_id: str, payload: bytes) -> Answer:
        """Run one event to its end, its error or its deadline."""
        invocation = Invocation(request_id, payload, self.spec.arn, self.spec.timeout_seconds)
        self._request_id = request_id
        self._api.submit(invocation)
        with contextlib.suppress(queue.Empty):
            if invocation.taken.wait(IMPORT_SECONDS):
                return invocation.answer.get(timeout=self.spec.timeout_seconds)
        self.close()
        return self._timed_out(request_id)

    def interrupt(self, how: str) -> None:
        """End it in the middle of an invocation: `killed`, or `timed_out` as if the function's time were up."""
        self._late = how == "timed_out"
        self.process.kill()

    def _timed_out(self, request_id: str) -> Answer:
        return _failure(TIMED_OUT, request_id, f"Task timed out after {self.spec.timeout_seconds:.2f} seconds")

    def kill(self) -> None:
        """End the process; an invocation under way is told."""
        self.process.kill()

    def close(self) -> None:
        """End the process and its API; safe to call twice."""
        self.process.kill()
        self.process.wait()
        self._api.close()

    def _watch(self) -> None:
        status = self.process.wait()
        self._api.answer(*(self._timed_out(self._request_id) if self._late else _exited(self._request_id, status)))


def _exited(request_id: str, status: int) -> Answer:
    how = f"exit status {status}" if status >= 0 else f"signal: {-status}"
    return _failure("Runtime.ExitError", request_id, f"Runtime exited with error: {how}")


def _failure(kind: str, request_id: str, text: str) -> Answer:
    return json.dumps({"errorType": kind, "errorMessage": f"RequestId: {request_id} Error: {text}"}).encode(), UNHANDLED
