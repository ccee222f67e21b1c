"""Map: no more workers than items, no recursion, and a failing item ends the others as AWS does."""

from typing import Any

from moto.stepfunctions.parser.api import ExecutionFailedEventDetails
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEventException
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.inline_iteration_component import (
    InlineIterationComponent,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.iteration_worker import IterationWorker
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.job import JobPool

from rehearsal.engine.places import Place, place_of, stand
from rehearsal.engine.timing import SimDateTime

_ABORTED = "MapIterationAborted"


def patch_iteration() -> None:
    """Replace the loop over the items, and the worker's loop over its jobs."""
    InlineIterationComponent._eval_body = _iterate
    IterationWorker.eval = _work


def _iterate(self: Any, env: Any) -> None:
    given = env.stack.pop()
    items = given.input_items
    place_of(env).begin_items()
    pool = JobPool(job_program=self._get_iteration_program(), job_inputs=items)
    for _ in range(min(given.max_concurrency or len(items), len(items))):
        self._launch_worker(env=env, eval_input=given, job_pool=pool)
    pool.await_jobs()
    failure = pool.get_worker_exception()
    if failure is not None:
        for frame in list(env._frames):
            frame.set_stop(stop_date=SimDateTime.now(), cause=None, error=None)
        raise failure
    closed = sorted(pool._closed_jobs, key=lambda job: job.job_index)
    env.stack.append([job.job_output for job in closed])


def _work(self: Any) -> None:
    """Takes jobs until none is left, one failed, or the state ended."""
    frame = self._env.open_frame()
    job = self._job_pool.next_job()
    while job is not None:
        job_frame = frame.open_inner_frame()
        _evaluate(self, job_frame, job)
        frame.close_frame(job_frame)
        last = isinstance(job.job_output, Exception) or not frame.is_running()
        following = None if last else self._job_pool.next_job()
        if following is None:
            frame.event_history_context.source_event_id = job_frame.event_history_context.last_published_event_id
            self._env.close_frame(frame)  # before the job: the state goes on once its last job is closed
        self._job_pool.close_job(job)
        job = following
    self._env.close_frame(frame)


def _evaluate(self: Any, env: Any, job: Any) -> None:
    """Do the item, unless it was done before its execution was redriven."""
    place = place_of(self._env)
    if job.job_index in place.done:
        job.job_output = place.done[job.job_index]
        return
    stand(env, place.items.setdefault(job.job_index, Place()))
    self._eval_job(env=env, job=job)
    _name_abortion(job.job_output)
    if not isinstance(job.job_output, Exception):
        place.done[job.job_index] = job.job_output


def _name_abortion(output: Any) -> None:
    """Of an aborted item moto keeps the stop's error, a text or nothing, where it later reads a structure."""
    if isinstance(output, FailureEventException):
        details = output.failure_event.event_details
        if not isinstance(details.get("executionFailedEventDetails", {}), dict):
            details["executionFailedEventDetails"] = ExecutionFailedEventDetails(error=_ABORTED)
