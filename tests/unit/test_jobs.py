"""What keeps EKS's update from beginning: training, what an annotation protects, gangs; and for how long.

Covered: each kind within its grace and after it, with `after_grace: wait` too; a gang on one node, or with a foot
elsewhere; which nodes are closed.
"""

from datetime import timedelta
from typing import Any

import pytest

from gpuops.domain.cluster import Pod
from gpuops.domain.policy import GroupPolicy
from gpuops.domain.rotation.jobs import Jobs, decide_jobs
from tests.fakes.rotation import NOW

JOB = Pod(namespace="default", name="train-0", owner="Job", completes=True)
KEPT = Pod(namespace="default", name="web-0", owner="ReplicaSet", keep="karpenter.sh/do-not-disrupt")
WEB = Pod(namespace="default", name="web-1", owner="ReplicaSet")
RANKS = [Pod(namespace="default", name=f"rank-{n}", owner="StatefulSet", gang="LeaderWorkerSet llm") for n in range(2)]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def decide(pods: dict[str, list[Pod]], after: timedelta, old: tuple[str, ...] = ("a", "b"), **drain: Any) -> Jobs:
    """Look so long after the first look, with a grace of six hours."""
    given = {"cluster": "train", "group": "gpu", "nodegroup": "ng", "strategy": "managed", "job_grace_hours": 6}
    policy = GroupPolicy.model_validate({**given, "drain": drain})
    return decide_jobs(pods, old, policy, NOW, NOW + after)


@pytest.mark.parametrize("pod", [JOB, KEPT])
def test_training_and_what_is_protected_get_the_grace(pod: Pod) -> None:
    """Behind a closed door; then EKS decides."""
    waits = decide({"a": [pod], "b": [WEB]}, 5 * HOUR)

    assert waits.status == "waiting"
    assert waits.close == {"a"}
    assert waits.reason.startswith(f"{pod.title} run until they end, or until")
    assert decide({"a": [pod]}, 6 * HOUR).status == "ready"


def test_what_is_never_touched_keeps_eks_away() -> None:
    """For thirty days; then the run ends, and the Job goes on."""
    pods = {"a": [JOB]}

    assert decide(pods, 29 * DAY, after_grace="wait").status == "waiting"
    refused = decide(pods, 30 * DAY, after_grace="wait")
    assert (refused.status, "default/train-0 run on" in refused.reason) == ("refused", True)
    assert decide({"a": [KEPT]}, 6 * HOUR, after_grace="wait").status == "ready"


def test_a_gang_is_waited_for_and_never_taken_apart() -> None:
    """Not by EKS's order; the other strategy is named."""
    pods = {"a": [RANKS[0]], "b": [RANKS[1]], "c": [WEB]}

    waits = decide(pods, 5 * HOUR)
    assert waits.status == "waiting"
    assert waits.close == {"a", "b"}
    refused = decide(pods, 6 * HOUR)
    assert refused.status == "refused"
    assert refused.reason.startswith("LeaderWorkerSet llm still runs on several nodes")
    assert "managed_blue_green" in refused.reason
    assert decide(pods, 6 * HOUR, after_grace="wait").status == "waiting"


def test_a_gang_on_one_old_node_is_no_obstacle() -> None:
    """Whatever of it runs elsewhere: it is stopped once."""
    pods = {"a": [RANKS[0]], "z": [RANKS[1]]}

    assert decide(pods, timedelta(0)).status == "ready"


def test_pods_that_can_move_are_not_waited_for() -> None:
    """Nor are nodes closed for them."""
    assert decide({"a": [WEB]}, timedelta(0)) == Jobs("ready", "no Job is waited for")
