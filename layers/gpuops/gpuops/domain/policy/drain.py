"""What fleet.yaml may say about how a node is emptied."""

from typing import Annotated, Literal

from pydantic import Field

from gpuops.domain.policy.parts import Part


class Drain(Part):
    """How a node is emptied."""

    deadline_minutes: Annotated[int, Field(ge=1, le=10_080)] = 60
    """How long evictions may take, once no training is waited for any more."""
    on_deadline: Literal["fail", "wait", "force"] = "fail"
    """`fail` gives the node back; `wait` goes on, `force` deletes what is left, past its disruption budget: both give
    the node back after 14 more days."""
    after_grace: Literal["checkpoint", "evict", "wait"] = "checkpoint"
    """Of training that outlasts `job_grace_hours`: `checkpoint` asks it to save its work, then evicts it; `evict` does
    not ask; `wait` never touches it, and gives the node back when it has waited 30 days and `deadline_minutes`."""
    checkpoint_minutes: Annotated[int, Field(ge=1, le=1440)] = 15
    """How long before its eviction training is asked, by the annotation `gpuops/checkpoint-requested` on its pods."""
    bare_pods: Literal["block", "evict"] = "block"
    """A pod without a controller is gone for good once evicted, so by default it blocks."""
    empty_dir: Literal["block", "evict"] = "evict"
    """GPU pods use emptyDir as shared memory (/dev/shm): blocking by default would block nearly every drain."""
