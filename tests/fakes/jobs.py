"""Smoke Jobs and an exporter in memory: what start_smoke and read_smoke touch besides nodes and instances."""

from collections.abc import Iterable

from gpuops.adapters.jobs import Jobs
from gpuops.adapters.metrics import Metrics
from gpuops.adapters.smoke_manifest import SmokeJob
from gpuops.domain.errors import Conflict
from gpuops.domain.smoke.stages import JobState, PodState


class FakeJobs(Jobs):
    """Smoke Jobs by name, each started once; `seen` is what their pods look like once somebody looks."""

    def __init__(self) -> None:
        self.jobs: dict[str, SmokeJob] = {}
        self.states: dict[str, JobState] = {}
        self.started: list[str] = []
        self.deleted: list[str] = []
        self.seen: list[PodState] = []
        self.reads = 0
        self.rival: str | None = None
        self.left: list[str] = []
        """Jobs of runs that died."""

    def start(self, job: SmokeJob) -> None:
        """See Jobs."""
        if job.name not in self.states:
            self.started.append(job.stage)
            self.jobs[job.name], self.states[job.name] = job, JobState("running")
        if self.rival:
            raise Conflict(f"{job.node}: the smoke of run {self.rival} is not over yet")

    def state(self, name: str) -> JobState | None:
        """See Jobs."""
        return self.states.get(name)

    def pods(self, name: str) -> list[PodState]:
        """See Jobs."""
        return [PodState(pod.name, pod.phase, pod.reason) for pod in self.seen]

    def read(self, pods: Iterable[PodState]) -> list[PodState]:
        """See Jobs."""
        self.reads += 1
        return list(self.seen)

    def forgotten(self, name: str, node: str) -> list[str]:
        """See Jobs."""
        return [job for job in self.left if job != name]

    def delete(self, name: str) -> None:
        """See Jobs."""
        self.deleted.append(name)
        self.states.pop(name, None)

    def end(self, status: JobState, *pods: PodState) -> None:
        """Every Job that runs has come so far, with these pods."""
        self.states = dict.fromkeys(self.states, status)
        self.seen = list(pods)


class FakeMetrics(Metrics):
    """One exporter's text, or the fault with which it answers."""

    def __init__(self, text: str | None = None, fault: Exception | None = None) -> None:
        self.text, self.fault = text, fault
        self.scrapes = 0

    def scrape(self, node: str) -> str | None:
        """See Metrics."""
        self.scrapes += 1
        if self.fault:
            raise self.fault
        return self.text
