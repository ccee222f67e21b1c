"""What the adapter of smoke Jobs makes of the apiserver's answers: who yields, which pods count, their words."""

from contextlib import nullcontext
from typing import Any

import pytest

from gpuops.adapters.jobs import Jobs
from gpuops.adapters.kube import Kube
from gpuops.adapters.smoke_manifest import SmokeJob
from gpuops.domain.errors import Conflict, Unavailable

IMAGES = dict.fromkeys(("device_image", "sample_image", "diagnostic_image"), "i")
JOB = SmokeJob.model_validate(
    {"run": "run-1", "smoke": "smoke-1", "group": "gpu", "node": "n", "timeout_seconds": 60, **IMAGES}
)


def made(run: str, at: str, name: str = "other", **more: Any) -> dict[str, Any]:
    """A smoke Job on the node as a list shows it."""
    meta = {"name": name, "creationTimestamp": at, "labels": {"gpuops/run": run}}
    return {"metadata": meta | more.pop("metadata", {}), **more}


OURS = made("run-1", "2026-11-23T10:00:05Z", JOB.name)
DONE: dict[str, Any] = {"status": {"conditions": [{"type": "Complete", "status": "True"}]}}


class Listing(Kube):
    """An apiserver with these Jobs before and after ours was made."""

    def __init__(self, before: list[Any], after: list[Any]) -> None:
        self.lists, self.posts = [before, after], 0

    def get_all(self, path: str, query: Any = ()) -> Any:
        """See Kube."""
        return iter(self.lists.pop(0))

    def post(self, path: str, body: Any) -> Any:
        """See Kube."""
        self.posts += 1


@pytest.mark.parametrize(
    ("before", "after", "posts"),
    [
        ([made("run-2", "2026-11-23T10:00:00Z")], [], 0),
        ([made("run-2", "2026-11-23T10:00:09Z")], [], 0),
        ([], [OURS, made("run-2", "2026-11-23T10:00:04Z")], 1),
        ([], [OURS, made("run-2", "2026-11-23T10:00:05Z", "a")], 1),
        ([OURS, made("run-2", "2026-11-23T10:00:04Z")], [], 0),
    ],
)
def test_the_later_of_two_smokes_on_a_node_yields(before: list[Any], after: list[Any], posts: int) -> None:
    """There first, or begun at the same moment and older; the name decides within a second."""
    kube = Listing(before, after)

    with pytest.raises(Conflict, match="of run run-2"):
        Jobs(kube).start(JOB)
    assert kube.posts == posts


def test_what_an_execution_of_the_run_left_is_waited_for() -> None:
    """It was stopped, and its pod has the GPUs until it ends; nobody judges it, least of all as if it were ours."""
    kube = Listing([made("run-1", "2026-11-23T10:00:00Z", "of-another-execution")], [])

    with pytest.raises(Unavailable, match="of run run-1 is not over"):
        Jobs(kube).start(JOB)
    assert kube.posts == 0


@pytest.mark.parametrize(
    "other",
    [
        made("run-2", "2026-11-23T10:00:06Z"),
        made("run-2", "2026-11-23T10:00:05Z", "z"),
        made("run-1", "2026-11-23T10:00:00Z", "an-earlier-stage", **DONE),
        made("run-2", "2026-11-23T10:00:00Z", **DONE),
        made("run-2", "2026-11-23T10:00:00Z", metadata={"deletionTimestamp": "2026-11-23T10:00:03Z"}),
    ],
)
def test_nobody_yields_to_a_younger_a_finished_or_its_own_smoke(other: Any) -> None:
    """Else both of two would give up."""
    kube = Listing([OURS, other], [OURS, other])

    Jobs(kube).start(JOB)
    assert kube.posts == 1


def test_pods_that_are_being_deleted_hold_nothing_that_counts() -> None:
    """And each of the others says in its own words why it does not run."""
    status = {
        "phase": "Pending",
        "conditions": [{"type": "PodScheduled", "status": "False", "message": "1 Insufficient\n"}],
    }
    waiting = {"name": "c", "state": {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}}
    started = {"name": "i", "state": {"terminated": {}}}
    pods = [
        {"metadata": {"name": "a"}, "status": status},
        {
            "metadata": {"name": "b"},
            "status": {"phase": "Pending", "initContainerStatuses": [started], "containerStatuses": [waiting]},
        },
        {"metadata": {"name": "c", "deletionTimestamp": "x"}, "status": {"phase": "Running"}},
        {"metadata": {"name": "d"}, "status": {"phase": "Failed", "reason": "Evicted", "message": "disk\x07"}},
    ]

    found = Jobs(Listing(pods, [])).pods("job")

    assert [(pod.name, pod.phase, pod.reason) for pod in found] == [
        ("a", "Pending", "1 Insufficient"),
        ("b", "Pending", "c: ErrImagePull no such image"),
        ("d", "Failed", "Evicted disk?"),
    ]
    assert list(found[1].logs) == ["i"]


class Clearing(Listing):
    """An apiserver with these Jobs, then these pods; what is removed is written down."""

    removed: str = ""

    def delete(self, path: str, query: Any = (), body: Any = None) -> None:
        """See Kube."""
        self.removed += path.rpartition("/")[2]


@pytest.mark.parametrize(
    ("phase", "place", "waits"),
    [("Running", "n", True), ("Pending", "n", True), ("Pending", None, False), ("Succeeded", "n", False)],
)
def test_a_node_is_cleared_of_the_runs_own_smokes_and_waits_for_the_pods_of_any(
    phase: str, place: str | None, *, waits: bool
) -> None:
    """Somebody else's ends by itself; a pod has its share from its binding until kubelet says that it ended."""
    others = [OURS, made("run-2", "2026-11-23T10:00:04Z")]
    kube = Clearing(others, [{"metadata": {"name": "p"}, "spec": {"nodeName": place}, "status": {"phase": phase}}])

    with pytest.raises(Unavailable, match="n: p of a smoke") if waits else nullcontext():
        Jobs(kube).clear("n", "run-1")
    assert kube.removed == JOB.name


def over(kind: str, at: str) -> dict[str, Any]:
    """The status of a Job that ended so, then."""
    return {"status": {"conditions": [{"type": kind, "status": "True", "lastTransitionTime": at}]}}


def test_a_smoke_finds_the_jobs_of_runs_that_died() -> None:
    """Those that were over as it began; what runs, what ended meanwhile and what is going may have a living run."""
    going = {"metadata": {"deletionTimestamp": "2026-11-23T10:00:03Z"}}
    others = [
        made("run-0", "2026-11-23T09:00:00Z", "complete", **over("Complete", "2026-11-23T09:01:00Z")),
        made("run-2", "2026-11-23T09:00:00Z", "failed", **over("Failed", OURS["metadata"]["creationTimestamp"])),
        made("run-3", "2026-11-23T09:00:00Z", "meanwhile", **over("Complete", "2026-11-23T10:00:06Z")),
        made("run-4", "2026-11-23T09:00:00Z", "running"),
        made("run-5", "2026-11-23T09:00:00Z", "going", **over("Complete", "2026-11-23T09:01:00Z"), **going),
    ]

    assert Jobs(Listing([OURS, *others], [])).forgotten(JOB.name, JOB.node) == ["complete", "failed"]
    assert Jobs(Listing(others, [])).forgotten(JOB.name, JOB.node) == []
